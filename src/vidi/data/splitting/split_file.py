"""`splits.csv`: which image is in which part, and by which rule."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vidi.data.splitting.split_plan import ASIDE, EXTRA, PARTS
from vidi.errors import DataError
from vidi.files import escape_path, read_csv_text, unescape_path, write_csv_whole

COLUMNS = ("digest", "path", "group", "part", "rule")


@dataclass(frozen=True, slots=True)
class Assignment:
    """One row of `splits.csv`."""

    digest: str  # SHA-256 of the file's bytes
    path: str  # as the system names it; escaped only in the file
    group: str
    part: str
    rule: str  # of the split, or the reason why the image is kept out


def write_assignments(path: Path, assignments: Iterable[Assignment]) -> None:
    """Write `splits.csv` whole, sorted by path."""
    ordered = sorted(assignments, key=lambda row: row.path)
    rows = ((row.digest, escape_path(row.path), escape_path(row.group), row.part, row.rule) for row in ordered)
    write_csv_whole(path, [COLUMNS, *rows])


def read_assignments(path: Path) -> list[Assignment]:
    """The rows of a `splits.csv`.

    Raises:
        DataError: it cannot be read, or is no such table; the line is named.
    """
    try:
        text = read_csv_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise _not_a_split(path, str(error)) from error
    rows = csv.reader(io.StringIO(text, newline=""))
    if tuple(next(rows, ())) != COLUMNS:
        raise _not_a_split(path, f"its first line is not {','.join(COLUMNS)}")
    return [_parse_row(path, rows.line_num, row) for row in rows if row]


def _parse_row(path: Path, line: int, row: list[str]) -> Assignment:
    if len(row) != len(COLUMNS):
        raise _not_a_split(path, f"line {line} has {len(row)} columns, not {len(COLUMNS)}")
    digest, name, group, part, rule = row
    if part not in (*PARTS, EXTRA, ASIDE):
        raise _not_a_split(path, f"line {line} names the part {part!r}")
    return Assignment(digest, unescape_path(name), unescape_path(group), part, rule)


def _not_a_split(path: Path, why: str) -> DataError:
    return DataError(
        f"{escape_path(path)} cannot be read as a split: {why}",
        "Use a `splits.csv` that vidi wrote, or make a new split with `vidi split --replan`.",
    )
