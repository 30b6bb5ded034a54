"""Files: written whole or not at all, named safely, identified by digest, and held by one process at a time."""

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO, TypeVar
from urllib.parse import quote_from_bytes, unquote_to_bytes

from vidi.errors import DataError, ResourceError, UsageError

if TYPE_CHECKING:
    from filelock import BaseFileLock

Row = TypeVar("Row")

TEMPORARY_PREFIX = ".vidi-writing-"
MARK = "\ufeff"  # byte order mark: by it a spreadsheet knows UTF-8
FORMULA, NUMBER = ("=", "+", "-", "@"), re.compile(r"[-+]?\d+(\.\d*)?(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
LOCK, HOLDER = ".lock", ".lock-holder"
LOCK_FILES = frozenset({LOCK, HOLDER})
BLOCK = 4096  # bytes in which the end of a file is searched
PATIENCE = 0.2  # seconds in which one who only looked, or who has just ended, lets go of a lock


def digest_of(data: bytes | memoryview) -> str:
    """SHA-256 of the bytes as 64 hex digits.

    >>> digest_of(b"")[:12]
    'e3b0c44298fc'
    """
    return hashlib.sha256(data).hexdigest()


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes as 64 hex digits, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def secret_in(environment: Mapping[str, str], name: str) -> str | None:
    """A secret that no command line shows: of the file that the variable NAME_FILE names, else of NAME; else None.

    Raises:
        UsageError: the file cannot be read.
    """
    file = environment.get(f"{name}_FILE")
    if not file:
        return environment.get(name)
    try:
        return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{escape_path(file)} cannot be read: {error}", f"Let {name}_FILE name a text file."
        ) from error


def refuse_url(text: str) -> None:
    """Refuse an address where a path is to be named.

    Raises:
        UsageError: the text begins as a URL does.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        raise UsageError(
            f"{escape_path(text)} is a URL, which vidi does not read",
            "Download it with a tool of its store, and name the file or folder.",
        )


def escape_path(path: str | os.PathLike[str]) -> str:
    """A path as text that is safe on a terminal and in a table, and can be read back exactly.

    Control signs, direction marks, bytes that are not UTF-8 and `%` are percent-encoded; other letters stay.

    >>> escape_path("cats/100%\\n.jpg")
    'cats/100%25%0A.jpg'
    >>> escape_path("Köln.jpg")
    'Köln.jpg'
    """
    text = os.fspath(path)
    return "".join(sign if sign.isprintable() and sign != "%" else _encode_sign(sign) for sign in text)


def _encode_sign(sign: str) -> str:
    return quote_from_bytes(os.fsencode(sign), safe=b"")


def escape_controls(text: str) -> str:
    """A message as a terminal may get it: what is left in it of control signs and direction marks is percent-encoded.

    Names in it are escaped where it is written; this is the last defence.

    >>> escape_controls("5 % of\\x1b[31m\\nall")
    '5 % of%1B[31m\\nall'
    """
    return "".join(
        _encode_sign(sign) if unicodedata.category(sign) in ("Cc", "Cf", "Cs") and sign != "\n" else sign
        for sign in text
    )


def escape_in_list(name: str) -> str:
    """A name as it stands in a list that `|` divides.

    >>> escape_in_list("a|b")
    'a%7Cb'
    """
    return escape_path(name).replace("|", "%7C")


def unescape_path(text: str) -> str:
    """The path that `escape_path` wrote.

    >>> unescape_path("cats/100%25%0A.jpg")
    'cats/100%\\n.jpg'
    """
    return os.fsdecode(unquote_to_bytes(text.encode("utf-8", "surrogateescape")))


def write_rows(rows: Iterable[Sequence[object]], stream: TextIO) -> None:
    """Write rows of a table as CSV, as they come.

    A text that a spreadsheet would take for a formula begins percent-encoded, which `unescape_path` reads back.

    >>> import sys
    >>> write_rows([["path", "label"], ["=1+1", -0.5], ["-dash.png", "-7"]], sys.stdout)
    path,label
    %3D1+1,-0.5
    %2Ddash.png,-7
    """
    writer = csv.writer(stream, lineterminator="\n")
    for row in rows:
        writer.writerow([_no_formula(cell) if isinstance(cell, str) else cell for cell in row])


def _no_formula(cell: str) -> str:
    if not cell.startswith(FORMULA) or NUMBER.fullmatch(cell):
        return cell
    return f"%{ord(cell[0]):02X}{cell[1:]}"


def write_csv_atomic(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a table as a CSV file, whole. Where it holds letters beyond ASCII it begins with a byte order mark.

    Without the mark a spreadsheet takes them for other letters. Read it with `read_csv_text`, or as `utf-8-sig`.
    """
    stream = io.StringIO()
    write_rows(rows, stream)
    text = stream.getvalue()
    write_atomic(path, text if text.isascii() else f"{MARK}{text}")


def read_csv_text(path: Path) -> str:
    """The text of a CSV file, without its byte order mark.

    Raises:
        OSError, UnicodeDecodeError: it cannot be read.
    """
    return path.read_text("utf-8-sig")


def read_csv_rows(path: Path, row_of: Callable[[Mapping[str, str]], Row], *, remedy: str) -> tuple[Row, ...]:
    """The rows of a CSV file that vidi wrote; none without a file.

    Raises:
        DataError: it is damaged.
    """
    try:
        return tuple(map(row_of, csv.DictReader(io.StringIO(read_csv_text(path), newline=""))))
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{escape_path(path)} cannot be read: {error}", remedy) from error
    except KeyError as error:
        raise DataError(f"{escape_path(path)} cannot be read: the column {error} is missing", remedy) from error
    except (TypeError, ValueError, AttributeError, csv.Error) as error:
        raise DataError(f"{escape_path(path)} cannot be read: {type(error).__name__}: {error}", remedy) from error


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, or is nested too deeply.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def folder_name(label: str) -> str:
    """Return a class's name as a folder name for any system; `unescape_path` reverses it.

    >>> folder_name("cat"), folder_name("../dog"), folder_name("a/b")
    ('cat', '%2E%2E%2Fdog', 'a%2Fb')
    """
    text = escape_path(label)
    for sign in '/\\:*?"<>|':
        text = text.replace(sign, f"%{ord(sign):02X}")
    bare = text.lstrip(".")
    return "%2E" * (len(text) - len(bare)) + bare


@contextlib.contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name, flushed to disk, when the block ends well.

    Raises:
        ResourceError: the disk is full or refuses; what stood under the name before is untouched.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        temporary.touch(exist_ok=False)
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise writing_error(error, path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file so that it appears under its name only whole (text as UTF-8)."""
    with written_atomically(path) as temporary:
        temporary.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


def append_line(path: Path, line: str) -> None:
    """Append a line to a file, flushed to disk; what a killed writer left of a last line is cut first.

    Args:
        path: the file, which is made where there is none; the caller holds it alone.
        line: with its end.

    Raises:
        ResourceError: the disk is full or refuses; the lines that were there are whole.
    """
    try:
        is_new = not path.exists()
        with path.open("r+b" if not is_new else "x+b", buffering=0) as stream:
            end = _end_of_lines(stream)
            stream.truncate(end)
            stream.seek(end)
            try:
                data = line.encode("utf-8")
                while data:
                    data = data[stream.write(data) :]
                os.fsync(stream.fileno())
            except OSError:
                stream.truncate(end)
                raise
        if is_new:
            _flush_folder(path.parent)
    except OSError as error:
        raise writing_error(error, path) from error


def _end_of_lines(stream: FileIO) -> int:
    """The number of bytes up to the end of the last whole line."""
    end = stream.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - BLOCK)
        stream.seek(start)
        newline = stream.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def give_name(staged: Path, path: Path) -> None:
    """Let a folder that was written under another name appear under its own, whole, and flush that to disk.

    Args:
        staged: the folder, whose files are flushed; on the same disk.
        path: its name; nothing stands there yet.

    Raises:
        ResourceError: the system refuses.
    """
    try:
        _flush_folder(staged)
        staged.rename(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise writing_error(error, path) from error


def writing_error(error: OSError, path: Path) -> ResourceError:
    """The system's refusal to write, as an error that names the folder and the space left."""
    folder = path.parent
    if is_full(error):
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(folder).free
            return ResourceError(
                f"{escape_path(path)} could not be written: {error.strerror}; {free:,} bytes are free there",
                f"Make space in {escape_path(folder)} or choose another folder with `--output`; "
                "what was written before is whole.",
            )
    return ResourceError(
        f"{escape_path(path)} could not be written: {error.strerror or error}",
        "Choose a folder that you may write to with `--output`.",
    )


def is_full(error: BaseException | None) -> bool:
    """Whether an error says that there is no more room where something is written."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def remove_leftovers(folder: Path) -> None:
    """Delete what a killed process left half written in a folder that this process now holds."""
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        path.unlink(missing_ok=True)


def reserve_folder(parent: Path, name: str) -> Path:
    """Make `parent/name`, or `name-2`, `name-3` … where it exists: two processes never get the same one."""
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True, exist_ok=False)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise writing_error(error, folder) from error
        else:
            return folder


class FolderLock:
    """A folder held by one process; a lock whose owner has died is free.

    The operating system drops the lock with the process, so nothing stale is ever left to clear. The holder's number
    stands in a file of its own: on Windows nobody else can read a file that is locked.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: BaseFileLock | None = None

    def __enter__(self) -> Self:
        lock = try_lock(self.folder / LOCK, seconds=PATIENCE)
        if lock is None:
            owner = _named_holder(self.folder) or "unknown"
            raise UsageError(
                f"{escape_path(self.folder)} is in use by process {owner}",
                "Wait for it to finish, or choose another folder with `--output`.",
            )
        path = self.folder / HOLDER
        try:
            path.write_text(str(os.getpid()), "ascii")
        except OSError as error:
            lock.release()
            raise writing_error(error, path) from error
        self._lock = lock
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            (self.folder / HOLDER).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None


def holder_of(folder: Path) -> int | None:
    """The process that holds a folder; None where nobody does, also where its holder has died."""
    owner = _named_holder(folder)
    if owner is None:
        return None
    with contextlib.suppress(ResourceError):
        lock = try_lock(folder / LOCK)
        if lock is not None:
            lock.release()
            return None
    return owner


def _named_holder(folder: Path) -> int | None:
    """The process that was the last to write its number into a folder."""
    try:
        return int((folder / HOLDER).read_text("ascii"))
    except (OSError, ValueError):
        return None


def try_lock(path: Path, *, seconds: float = 0) -> "BaseFileLock | None":
    """Hold a lock file until it is released or the process ends; None where another holds it.

    Args:
        path: the lock file, which is made where there is none; nothing else may be kept in it.
        seconds: how long to wait for one who lets go.

    Raises:
        ResourceError: the lock file cannot be made.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        return None
    except OSError as error:
        raise writing_error(error, path) from error
    return lock


def _flush(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system lets a folder be flushed."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
