"""Tables that name images and their classes: CSV, TSV, JSONL and Parquet, and Hugging Face's `metadata` files."""

import itertools
import os
import posixpath
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from vidi.data.dataset import LabelledImage
from vidi.data.readers.class_names import order_names
from vidi.data.readers.parts import PARTS, folder_part, part_named
from vidi.data.readers.rows import TABLE_SUFFIXES, Row, read_rows
from vidi.data.readers.source import Reading, Source
from vidi.errors import DataError, MissingPackageError
from vidi.files import escape_path
from vidi.images.account import Entry
from vidi.images.store import FolderStore
from vidi.numbers import is_number

MOST_KINDS = 50  # different texts of a column; one with more, a name or a caption, divides nothing
LONGEST_TEXT = 60  # signs
MOST_NUMBERS = 2_000  # different whole numbers that are waited for
DIGITS = 3  # significant ones of a number

Pairs = tuple[tuple[str, str], ...]
_METADATA = ("metadata.csv", "metadata.jsonl")
_TRIED_ROWS = 20  # how many rows show whether a table that was found by chance names files that are there
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|data:")
_DRIVE = re.compile(r"[A-Za-z]:")


def read_metadata(source: Source) -> Reading | None:
    """Hugging Face's image folders: a `metadata.csv` or `metadata.jsonl` in each folder of a part.

    Where these files give captions or the like and no labels, the folders name the classes.
    """
    tables = [path for path in source.paths_ending(*_METADATA) if posixpath.basename(path) in _METADATA]
    if source.entry is not None or not any(_names_files(source, path) for path in tables):
        return None
    return _read_tables(source, [(path, folder_part(path)) for path in tables])


def read_tables(source: Source) -> Reading | None:
    """A table with the columns path and label, and if you like split and group; other usual names are known.

    A table is read if the user names it, or if it lies beside the images, has these columns and names files that
    are there. Several tables of one folder must be named after their parts (`train.csv`, `test.csv`).

    Raises:
        DataError: the table cannot be read, misses a column, or names an unknown part; the line is named.
    """
    if not source.may_be(*TABLE_SUFFIXES):
        return None
    if source.entry is not None:
        return _read_tables(source, [(source.entry, None)])
    paths = source.paths_ending(*TABLE_SUFFIXES)
    depth = min((path.count("/") for path in paths), default=0)
    tables = [path for path in paths if path.count("/") == depth <= 1 and _names_files(source, path)]
    if not tables:
        return None
    parts = [part_named(posixpath.basename(path).partition(".")[0]) for path in tables]
    if len(tables) > 1 and None in parts:
        raise DataError(
            f"{source.given}: several tables name images: {', '.join(map(escape_path, tables[:5]))}",
            "Name the one that is meant, or call them train.csv, validation.csv and test.csv.",
        )
    return _read_tables(source, list(zip(tables, parts, strict=True)))


def explain_tables(source: Source) -> None:
    """Where nothing gave classes although a table is there, say what is wrong with it.

    Raises:
        DataError: the table cannot be read, or misses a column.
    """
    for path in sorted(source.paths_ending(*TABLE_SUFFIXES), key=lambda path: path.count("/"))[:1]:
        _read_tables(source, [(path, None)])


def _names_files(source: Source, path: str) -> bool:
    """Whether a table that lies there has the needed columns and names files that are there."""
    files = NamedFiles(source, posixpath.dirname(path))
    try:
        with source.open(path) as stream:
            rows = itertools.islice(read_rows(stream, path, needs_label=not source.multi_label), _TRIED_ROWS)
            return any(isinstance(files.find(row.path), str) for row in rows)
    except (DataError, MissingPackageError):
        return False


@dataclass(slots=True)
class _SeenValues:
    """What one column has held so far."""

    rows: int = 0
    kinds: set[str] = field(default_factory=set)
    all_numbers: bool = True
    all_whole: bool = True

    def names_images(self) -> bool:
        """Whether it is a name, a caption or a number of its own for each image: nothing that divides them."""
        count = len(self.kinds)
        return count > MOST_KINDS and (not self.all_numbers or (self.all_whole and count > self.rows / 2))

    def is_hopeless(self) -> bool:
        """Whether that is sure already, while rows still come; numbers that count may yet repeat."""
        return self.names_images() and (not self.all_numbers or len(self.kinds) > MOST_NUMBERS)


class FurtherColumns:
    """The further columns of a table while it is read.

    There is one copy of each text, however many rows, and a column with too many different ones is let go at once.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _SeenValues] = {}
        self._dropped: set[str] = set()
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._rows: dict[Pairs, Pairs] = {}

    def keep(self, others: Pairs) -> Pairs:
        """What is kept of one row's further columns."""
        pairs = ((name, _shortened(text)) for name, text in others if name not in self._dropped)
        kept = tuple(self._pairs.setdefault(pair, pair) for pair in pairs if self._divides(*pair))
        return self._rows.setdefault(kept, kept)

    def useful(self, kept: Pairs) -> Pairs:
        """The same without the columns that turned out to hold too many texts, or only one."""
        useful = tuple(pair for pair in kept if self._is_useful(pair[0]))
        return self._rows.setdefault(useful, useful)

    def _is_useful(self, name: str) -> bool:
        seen = self._seen[name]
        return name not in self._dropped and len(seen.kinds) > 1 and not seen.names_images()

    def _divides(self, name: str, text: str) -> bool:
        """Count the text; false where the column is let go for it."""
        seen = self._seen.setdefault(name, _SeenValues())
        seen.rows += 1
        seen.kinds.add(text)
        seen.all_numbers = seen.all_numbers and is_number(text)
        seen.all_whole = seen.all_whole and text.isdecimal()
        if len(text) > LONGEST_TEXT or seen.is_hopeless():
            self._dropped.add(name)
            return False
        return True


def _shortened(text: str) -> str:
    """A number with three significant digits, so that few are different; any other text as it is."""
    return f"{float(text):.{DIGITS}g}" if "." in text and is_number(text) else text


@dataclass(slots=True)
class _Named:
    """What the rows so far say of one image."""

    labels: tuple[str, ...]
    part: str | None
    group: str | None
    shows_none: bool
    columns: tuple[tuple[str, str], ...]


def _read_tables(source: Source, tables: Sequence[tuple[str, str | None]]) -> Reading:
    """All rows of the tables as images; a part in a row counts before that of its table."""
    images: dict[str, _Named] = {}
    refused: dict[str, Entry] = {}
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}  # one copy of each name, however many rows
    columns = FurtherColumns()
    repeated = 0
    for path, table_part in tables:
        files = NamedFiles(source, posixpath.dirname(path))
        for row in _rows(source, path):
            found = files.find(row.path)
            labels = shared.setdefault(row.labels, row.labels)
            if isinstance(found, Entry):
                refused[found.path] = found
            elif found in images:
                repeated += 1
                images[found].labels = tuple(dict.fromkeys(images[found].labels + labels))
            else:
                part = _part(row, path) or table_part
                images[found] = _Named(labels, part, row.group or None, row.shows_none, columns.keep(row.others))
    reading = _as_reading(images, columns)
    reading.refused = list(refused.values())
    if repeated:
        reading.notes.append(f"{repeated:,} rows name an image again; their classes were put together")
    if source.allow_outside and source.folder is not None:
        reading.store = FolderStore(source.folder, allow_outside=True)
    return reading


def _rows(source: Source, path: str) -> Iterator[Row]:
    with source.open(path) as stream:
        yield from read_rows(stream, path, needs_label=not source.multi_label)


def _as_reading(images: dict[str, _Named], columns: FurtherColumns) -> Reading:
    """The images with class indexes in place of names."""
    classes = order_names(itertools.chain.from_iterable(named.labels for named in images.values()))
    numbered = bool(classes) and all(name.isascii() and name.isdigit() for name in classes)
    reading = Reading(classes, [], numbered=numbered)
    index = {name: number for number, name in enumerate(classes)}
    shared: dict[tuple[str, ...], frozenset[int]] = {}
    for path, named in images.items():
        if named.labels not in shared:
            shared[named.labels] = frozenset(index[name] for name in named.labels)
        if named.labels or named.shows_none:
            further = columns.useful(named.columns)
            reading.images.append(LabelledImage(path, shared[named.labels], named.group, named.part, columns=further))
        else:
            reading.set_aside.append(Entry(path, "no-label", "Its row names no class."))
    return reading


def _part(row: Row, path: str) -> str | None:
    """The part that a row names.

    Raises:
        DataError: it is none of the known ones.
    """
    if not row.part:
        return None
    part = part_named(row.part)
    if part is None:
        raise DataError(
            f"{escape_path(path)}, line {row.line}: there is no part called {row.part!r}",
            f"Use one of: {', '.join(PARTS)}.",
        )
    return part


class NamedFiles:
    """Looks up the files that a table names, one by one; folders already judged are remembered."""

    def __init__(self, source: Source, base: str) -> None:
        self.source = source
        self.base = base  # the table's folder in the source, from which its paths count
        self._root = None if source.folder is None else os.path.realpath(source.folder)
        self._inside: dict[str, bool] = {}  # by folder: whether it truly lies in the root

    def find(self, named: str) -> str | Entry:
        """The path in the source's store of a file that a table names, or why it is not used."""
        if "\0" in named:
            return Entry(named, "unreadable", "No file can have this name.")
        if _URL.match(named):
            return Entry(named, "link-outside", "It is a URL; a table names files by their paths.")
        found = self._find_exactly(named)
        if isinstance(found, str) or found.code != "unreadable":
            return found
        if _DRIVE.match(named):
            return Entry(named, "link-outside", "It begins with a drive letter and lies outside the data folder.")
        if "\\" in named:  # written on Windows
            return self._find_exactly(named.replace("\\", "/"))
        return found

    def _find_exactly(self, named: str) -> str | Entry:
        path = posixpath.normpath(posixpath.join(self.base, named))
        if path.startswith("/"):
            path = self._from_root(path)
        if path.startswith(("/", "../")) or path == "..":
            return self._find_outside(named, path)
        if self._root is None:
            return path if path in self.source.path_set else _missing(named)
        return self._find_inside(named, path)

    def _from_root(self, path: str) -> str:
        """An absolute path counted from the root, if it lies below it."""
        for root in (self._root, os.path.abspath(self.source.folder) if self.source.folder else None):
            if root is not None and path.startswith(f"{root}/"):
                return path[len(root) + 1 :]
        return path

    def _find_inside(self, named: str, path: str) -> str | Entry:
        full = f"{self._root}/{path}"
        try:
            kind = os.lstat(full).st_mode
        except OSError as error:
            return _missing(named, error.strerror)
        folder = posixpath.dirname(full)
        if folder not in self._inside:
            self._inside[folder] = self._is_inside(os.path.realpath(folder))
        inside = self._inside[folder]
        if stat.S_ISLNK(kind):
            target = os.path.realpath(full)
            inside = inside and self._is_inside(target)
            try:
                kind = os.stat(target).st_mode
            except OSError as error:
                return _missing(named, error.strerror)
        if not (inside or self.source.allow_outside):
            return Entry(named, "link-outside", "A link on its way leads out of the data folder.")
        return path if stat.S_ISREG(kind) else _not_a_file(named)

    def _is_inside(self, path: str) -> bool:
        return f"{path}/".startswith(f"{self._root}/")

    def _find_outside(self, named: str, path: str) -> str | Entry:
        if self._root is None or not self.source.allow_outside:
            return Entry(named, "link-outside", "It lies outside the data folder; `--allow-outside` reads it.")
        full = posixpath.normpath(posixpath.join(self._root, path))
        try:
            return full if stat.S_ISREG(os.stat(full).st_mode) else _not_a_file(named)
        except OSError as error:
            return _missing(named, error.strerror)


def _missing(named: str, reason: str | None = None) -> Entry:
    hint = " `~` is not expanded in tables." if named.startswith("~") else ""
    return Entry(named, "unreadable", f"{reason or 'There is no such file in the archive'}.{hint}")


def _not_a_file(named: str) -> Entry:
    return Entry(named, "not-a-file", "It is a folder, pipe, socket or device.")
