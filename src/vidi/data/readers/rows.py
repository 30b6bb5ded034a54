"""Rows of CSV, TSV, JSONL and Parquet tables, each with its line number; nothing odd in a file gets through unnamed."""

import codecs
import contextlib
import csv
import difflib
import io
import itertools
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from vidi.errors import DataError, from_extra
from vidi.files import escape_path

if TYPE_CHECKING:
    from pyarrow import DataType

PARQUET = ".parquet"
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", PARQUET)
MOST_LINE_BYTES = 1_000_000
MOST_OTHERS = 12  # further columns that are read, the first ones
_DELIMITERS = (",", ";", "\t", "|")
# By role, the names that public data sets use for the column; the first that is there is taken.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "path": (
        *("path", "file_name", "filename", "file", "filepath", "file_path", "image_path", "image", "img", "image_name"),
        *("image_file", "image_id", "img_path", "relative_path"),
    ),
    "label": (
        *("label", "labels", "class", "class_name", "classname", "category", "target", "class_label", "label_name"),
        *("image_label", "tag", "tags", "species", "y"),
    ),
    "part": ("split", "part", "partition", "subset", "set"),
    "group": (
        *("group", "group_id", "patient", "patient_id", "subject", "subject_id", "person", "person_id", "source_id"),
        *("session", "session_id", "location", "location_id", "sequence", "seq_id"),
    ),
}
_TOGETHER = 4096  # rows


@dataclass(frozen=True, slots=True)
class Row:
    """What one row says of one image."""

    line: int  # counted from 1, where the row begins
    path: str
    labels: tuple[str, ...]  # none where the cell is empty
    part: str  # as it stands there
    group: str
    shows_none: bool = False  # every class has a column and all of them say no, or the list of names is empty
    others: tuple[tuple[str, str], ...] = ()  # every further column and its text, where there is some


def read_rows(stream: BinaryIO, name: str, *, needs_label: bool) -> Iterator[Row]:
    """The rows of a table whose name ends in `.csv`, `.tsv`, `.jsonl`, `.ndjson` or `.parquet`.

    Where no label is needed and no column gives one, every column beside path, part and group is
    a class, with 0 or 1 for each image.

    A byte order mark, UTF-16, semicolons, tabs and quoted line ends are understood; empty rows are passed over.

    Raises:
        DataError: a column is missing or doubled, or a line is too long, holds NUL signs or cannot be read;
            the line is named.
        MissingPackageError: pyarrow, which reads Parquet, is not installed.
    """
    if name.casefold().endswith(PARQUET):
        return _record_rows(read_records(stream, name, path_names=COLUMNS["path"]), name, needs_label=needs_label)
    lines = _text_lines(stream, name)
    if name.casefold().endswith((".jsonl", ".ndjson")):
        return _record_rows(_json_records(lines, name), name, needs_label=needs_label)
    return _csv_rows(lines, name, needs_label=needs_label)


def find_columns(header: Sequence[str], name: str, *, needs_label: bool = True) -> dict[str, int]:
    """Where each role's column stands.

    Raises:
        DataError: there is no column for the path or the label, or two of one name.

    >>> find_columns(["Image Path", "class"], "table.csv")
    {'path': 0, 'label': 1}
    """
    words = [column.strip().casefold().replace(" ", "_").replace("-", "_") for column in header]
    found = {}
    for role, synonyms in COLUMNS.items():
        known = next((synonym for synonym in synonyms if synonym in words), None)
        if known is None:
            continue
        if words.count(known) > 1:
            raise DataError(
                f"{escape_path(name)}, line 1: the column {known!r} is there {words.count(known)} times",
                "Remove or rename all but one.",
            )
        found[role] = words.index(known)
    if not needs_label and "label" not in found and words and "group" in found:
        # A bare `person` or `session` is a class here, beside others.
        group = words[found["group"]]
        if group != "group" and not group.endswith("_id"):
            del found["group"]
    for role in ("path", "label") if needs_label else ("path",):
        if role not in found:
            raise _missing_column(role, header, words, name, taken=found.values())
    return found


def class_columns(header: Sequence[str], columns: Mapping[str, int], name: str) -> dict[str, int]:
    """The columns of a table that has one for each class; none where one column gives the label.

    Raises:
        DataError: two classes have one name, or one has none.

    >>> class_columns(["path", "cat", "dog"], {"path": 0}, "table.csv")
    {'cat': 1, 'dog': 2}
    """
    if "label" in columns:
        return {}
    taken = set(columns.values())
    classes = {column.strip(): index for index, column in enumerate(header) if index not in taken}
    if len(classes) < len(header) - len(taken) or "" in classes:
        raise DataError(
            f"{escape_path(name)}, line 1: each column beside the path is a class, and one has no name or that of "
            "another",
            "Give every column its own name, or call the column with the classes 'label'.",
        )
    return classes


def _shown(value: object, name: str, line: int, column: str) -> bool:
    """What a cell of a class's column says."""
    text = str(value).strip().casefold()
    if text in ("1", "1.0", "true", "yes"):
        return True
    if text in ("0", "0.0", "false", "no", "", "none"):
        return False
    raise _bad_line(name, line, f"the column {column!r} holds {str(value)[:40]!r}, neither 0 nor 1")


def _missing_column(
    role: str, header: Sequence[str], words: Sequence[str], name: str, *, taken: Collection[int]
) -> DataError:
    shown = ", ".join(repr(column[:40]) for column in header[:20]) or "none"
    nearest = [
        (difflib.SequenceMatcher(None, word, synonym).ratio(), column)
        for index, (word, column) in enumerate(zip(words, header, strict=True))
        if index not in taken
        for synonym in COLUMNS[role]
    ]
    score, near = max(nearest, default=(0.0, ""))
    proposal = f" The nearest is {near!r}." if score > 0.6 else ""
    return DataError(
        f"{escape_path(name)}, line 1: no column gives the {role}; the columns are {shown}.{proposal}",
        f"Call it {role!r} (or {', '.join(COLUMNS[role][1:5])})."
        + (" Where every class has a column of 0 and 1, add `--multi-label`." if role == "label" else ""),
    )


def _csv_rows(lines: Iterator[str], name: str, *, needs_label: bool) -> Iterator[Row]:
    header_line, first = next(((number, line) for number, line in enumerate(lines, 1) if line.strip()), (1, ""))
    delimiter = _delimiter(first, name)
    reader = csv.reader(itertools.chain([first], lines), delimiter=delimiter, strict=True)
    line = header_line  # where the row that is being read begins
    try:
        header = next(reader, [])
        columns = find_columns(header, name, needs_label=needs_label)
        classes = class_columns(header, columns, name)
        taken = {*columns.values(), *classes.values()}
        others = [index for index, column in enumerate(header) if column.strip() and index not in taken]
        named = [(header[index].strip(), index) for index in others[:MOST_OTHERS]]
        while True:
            line = header_line + reader.line_num
            cells = next(reader, None)
            if cells is None:
                return
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise _bad_line(name, line, f"it has {len(cells)} cells, but the first line {len(header)} columns")
            yield _csv_row(line, cells, columns, classes, name, others=named)
    except csv.Error as error:
        raise _bad_line(name, line, f"it cannot be read ({error})") from error


def _csv_row(
    line: int,
    cells: Sequence[str],
    columns: Mapping[str, int],
    classes: Mapping[str, int],
    name: str,
    *,
    others: Sequence[tuple[str, int]],
) -> Row:
    values = {role: cells[column].strip() for role, column in columns.items()}
    if not values["path"]:
        raise _bad_line(name, line, "its path is empty")
    if classes:
        labels = tuple(one for one, column in classes.items() if _shown(cells[column], name, line, one))
    else:
        labels = tuple(label for part in values["label"].split("|") if (label := part.strip()))
    shows_none = bool(classes) and not labels
    further = tuple((column, text) for column, index in others if (text := cells[index].strip()))
    return Row(line, values["path"], labels, values.get("part", ""), values.get("group", ""), shows_none, further)


def _delimiter(header: str, name: str) -> str:
    """The sign between the columns: that by which the first line gives most columns of known names."""
    if name.casefold().endswith(".tsv"):
        return "\t"
    known = {synonym for synonyms in COLUMNS.values() for synonym in synonyms}

    def score(delimiter: str) -> tuple[int, int]:
        words = [word.strip().strip('"').casefold().replace(" ", "_") for word in header.split(delimiter)]
        return sum(word in known for word in words), len(words)

    return max(_DELIMITERS, key=score)


def _json_records(lines: Iterator[str], name: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Each line's number and object."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _bad_line(name, number, "it is not a JSON object") from error
        if not isinstance(row, dict):
            raise _bad_line(name, number, "it is not a JSON object")
        yield number, row


def _record_rows(records: Iterator[tuple[int, Mapping[str, object]]], name: str, *, needs_label: bool) -> Iterator[Row]:
    """Rows from records with named values; the first one says which columns there are."""
    columns: dict[str, str] | None = None
    classes: dict[str, int] = {}
    for number, row in records:
        if columns is None:
            keys = list(row)
            found = find_columns(keys, name, needs_label=needs_label)
            columns, classes = {role: keys[index] for role, index in found.items()}, class_columns(keys, found, name)
        yield _record_row(number, row, columns, classes, name, needs_label=needs_label)


def _record_row(
    line: int,
    row: Mapping[str, object],
    columns: Mapping[str, str],
    classes: Mapping[str, int],
    name: str,
    *,
    needs_label: bool,
) -> Row:
    values = {role: row.get(key) for role, key in columns.items()}
    path = values["path"]
    if not isinstance(path, str) or not path:
        raise _bad_line(name, line, f"its {columns['path']!r} is not a path")
    part, group = (str(values[role]) if values.get(role) is not None else "" for role in ("part", "group"))
    if classes:
        shown = tuple(one for one in classes if _shown(row.get(one, 0), name, line, one))
        return Row(line, path, shown, part, group, shows_none=not shown)
    label = values["label"]
    labels = label if isinstance(label, list) else [] if label is None else [label]
    if not all(isinstance(one, str | int | float) for one in labels):
        raise _bad_line(name, line, f"its {columns['label']!r} is neither a name nor a list of names")
    if any(isinstance(one, float) and not math.isfinite(one) for one in labels):
        raise _bad_line(name, line, f"its {columns['label']!r} is {label}, which is no name; write null for no label")
    texts = tuple(text for one in labels if (text := str(one).strip()))
    further = [(key, value) for key, value in row.items() if key not in columns.values()][:MOST_OTHERS]
    others = tuple((key, str(value).strip()) for key, value in further if isinstance(value, str | int | float))
    shows_none = label == [] and not needs_label  # a list without names was made by somebody who looked
    return Row(line, path, texts, part, group, shows_none, tuple(pair for pair in others if pair[1]))


def _text_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """Lines with their ends, decoded; refuses what no table has."""
    start = stream.read(3)
    stream.seek(0)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        lines: Iterator[str] = _utf16_lines(stream, name)
    else:
        stream.seek(3 if start == codecs.BOM_UTF8 else 0)
        lines = _utf8_lines(stream, name)
    for number, line in enumerate(lines, 1):
        if len(line) > MOST_LINE_BYTES:
            raise _bad_line(name, number, f"it has over {MOST_LINE_BYTES:,} signs")
        if "\0" in line:
            raise _bad_line(name, number, "it holds NUL signs")
        yield line


def _utf8_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    number = 0
    while line := stream.readline(MOST_LINE_BYTES + 1):
        number += 1
        if len(line) > MOST_LINE_BYTES:
            raise _bad_line(name, number, f"it has over {MOST_LINE_BYTES:,} bytes")
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _bad_line(name, number, f"byte {error.start + 1} is not UTF-8") from error


def _utf16_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    text = io.TextIOWrapper(stream, encoding="utf-16", newline="")
    number = 0
    try:
        while line := text.readline(MOST_LINE_BYTES + 1):
            number += 1
            yield line
    except UnicodeError as error:
        raise _bad_line(name, number + 1, "it is not UTF-16, though the file begins so") from error
    finally:
        with contextlib.suppress(ValueError):  # who opened the stream has closed it: the rest was not asked for
            text.detach()


def _bad_line(name: str, line: int, cause: str) -> DataError:
    if name.casefold().endswith(PARQUET):
        return DataError(f"{escape_path(name)}, row {line}: {cause}", "Correct the row, and write the table again.")
    return DataError(
        f"{escape_path(name)}, line {line}: {cause}", "Correct the line, or write the table again as UTF-8."
    )


def read_records(
    stream: BinaryIO, name: str, *, path_names: Collection[str]
) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Each row's number, counted from 1, and its values by column; columns of pictures and the like are left out.

    Args:
        stream: of the file's bytes; it must be able to seek.
        path_names: columns that can name an image's file; without one, a table of pictures is refused.

    Raises:
        MissingPackageError: pyarrow is not installed.
        DataError: the file is damaged, or its images are inside the table.
    """
    with from_extra(f"{escape_path(name)}: reading Parquet needs pyarrow", extra="tables"):
        from pyarrow import ArrowException, parquet
    try:
        with parquet.ParquetFile(stream) as file:
            schema = file.schema_arrow
            plain = [field.name for field in schema if _is_plain(field.type)]
            _refuse_pictures(name, [field.name for field in schema if _holds_bytes(field.type)], plain, path_names)
            number = 0
            for batch in file.iter_batches(batch_size=_TOGETHER, columns=plain):
                for record in batch.to_pylist():
                    number += 1
                    yield number, record
    except (ArrowException, OSError) as error:
        raise DataError(
            f"{escape_path(name)} is not a Parquet file that can be read: {str(error).splitlines()[0][:200]}",
            "Copy it again from its source, or write it again.",
        ) from error


def _is_plain(kind: "DataType") -> bool:
    """Whether a column holds texts, numbers or lists of them."""
    from pyarrow import types

    if types.is_dictionary(kind) or types.is_list(kind) or types.is_large_list(kind):
        return _is_plain(kind.value_type)
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return bool(is_text or types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _holds_bytes(kind: "DataType") -> bool:
    """Whether a column holds files in place of their names, as Hugging Face stores images."""
    from pyarrow import types

    if types.is_struct(kind):
        return any(_holds_bytes(kind.field(index).type) for index in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _refuse_pictures(name: str, pictures: list[str], plain: list[str], path_names: Collection[str]) -> None:
    words = {word.strip().casefold().replace(" ", "_") for word in plain}
    if pictures and not words & set(path_names):
        raise DataError(
            f"{escape_path(name)} holds the images themselves, in the column {pictures[0]!r}",
            "Write them into a folder, with a table that names them: a Hugging Face data set becomes one in "
            "docs/how-to/hugging-face.md.",
        )
