"""The file beside a folder that keeps what people said of its images: a table that anything can read."""

import csv
import io
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast, get_args

from vidi.errors import DataError, UsageError
from vidi.files import escape_in_list, escape_path, read_csv_text, try_lock, unescape_path, write_csv_whole
from vidi.labelling import Kind, Opinion

if TYPE_CHECKING:
    from filelock import BaseFileLock

COLUMNS = ("path", "digest", "kind", "labels", "reviewer", "at", "key")


class LabelsFile:
    """Opinions in a CSV file, which is written whole after each; one process at a time holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._held: BaseFileLock | None = None
        self._rows: dict[str, tuple[str, Opinion]] = {}  # key → path of the image, opinion

    def __enter__(self) -> Self:
        """Hold the file and read it.

        Raises:
            UsageError: another process holds it.
            DataError: it is damaged.
            ResourceError: the folder cannot be written.
        """
        self._held = try_lock(self._lock_path())
        if self._held is None:
            raise UsageError(
                f"{escape_path(self.path)} is in use by another review",
                "End that review, or share one prediction log: `vidi review --log URL`.",
            )
        try:
            self._rows = {one.key: (path, one) for path, one in read_labels(self.path)}
        except BaseException:
            self._held.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._held is not None:
            self._lock_path().unlink(missing_ok=True)
            self._held.release()

    def opinions(self) -> list[Opinion]:
        """All opinions, in the order of their coming."""
        with self._lock:
            return [one for _, one in self._rows.values()]

    def add(self, path: str, opinion: Opinion) -> None:
        """Keep an opinion about the image at a path; one whose key is there already is no other one.

        Raises:
            ResourceError: the file cannot be written; what it held is whole.
        """
        with self._lock:
            if opinion.key not in self._rows:
                self._write({**self._rows, opinion.key: (path, opinion)})

    def undo(self, key: str) -> None:
        """Forget an opinion; raises as `add`."""
        with self._lock:
            if key in self._rows:
                self._write({known: row for known, row in self._rows.items() if known != key})

    def _write(self, rows: Mapping[str, tuple[str, Opinion]]) -> None:
        write_labels(self.path, rows.values())
        self._rows = dict(rows)

    def _lock_path(self) -> Path:
        return self.path.with_name(f".{self.path.name}.lock")


def write_labels(path: Path, rows: Iterable[tuple[str, Opinion]]) -> None:
    """Write the table of paths and opinions, whole."""
    table = (
        [
            escape_path(name),
            one.digest,
            one.kind,
            "|".join(map(escape_in_list, one.labels)),
            escape_path(one.source),
            f"{one.at:.3f}",
            one.key,
        ]
        for name, one in rows
    )
    write_csv_whole(path, [COLUMNS, *table])


def read_labels(path: Path) -> list[tuple[str, Opinion]]:
    """The paths and opinions that `write_labels` wrote; empty without a file.

    Raises:
        DataError: the file is not such a table.
    """
    try:
        text = read_csv_text(path)
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error
    try:
        table = csv.DictReader(io.StringIO(text, newline=""))
        if tuple(table.fieldnames or ()) != COLUMNS:
            raise ValueError(f"its columns are {', '.join(table.fieldnames or ['none'])[:200]}")
        return [_row(line) for line in table]
    except (KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def _row(line: Mapping[str, str]) -> tuple[str, Opinion]:
    if line["kind"] not in get_args(Kind):
        raise ValueError(f"the kind {line['kind']!r}")
    return unescape_path(line["path"]), Opinion(
        key=line["key"],
        digest=line["digest"],
        at=float(line["at"]),
        source=unescape_path(line["reviewer"]),
        via="review",
        kind=cast(Kind, line["kind"]),
        labels=tuple(unescape_path(name) for name in line["labels"].split("|") if name),
    )


def _damaged(path: Path, what: str) -> DataError:
    return DataError(
        f"{escape_path(path)} is not a table of labels: {what}", "Move it away, or name another: `--labels FILE`."
    )
