"""Remote data, listed and read by pyarrow, and their copies here: fetched once, checked by size and time, bounded."""

import json
import os
import posixpath
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from vidi.data.archives.members import is_archive_name, leads_outside
from vidi.data.cache import cache_folder
from vidi.data.readers.rows import TABLE_SUFFIXES, read_rows
from vidi.errors import DataError, ResourceError, UsageError, from_extra
from vidi.files import (
    digest_of,
    escape_path,
    read_json,
    remove_leftovers,
    try_lock,
    write_atomic,
    writing_error,
    written_atomically,
)
from vidi.images.account import Entry

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from pyarrow.fs import FileInfo, FileSystem

ANNOTATIONS = (".json", ".yaml", ".yml")  # they lie beside what they speak of
_TOGETHER = 500  # objects asked for at once
COPIES, FILES, INDEX = "remote", "files", "index.json"
FETCHING, USED = "fetching.lock", "used-{}.lock"
SECONDS_TO_WAIT = 600.0  # for another process that fetches the same
_AT_ONCE = 8  # objects
_PIECE = 1 << 20  # bytes
OnBytes = Callable[[int, int], None]  # bytes so far, bytes in all
_HELD: "dict[Path, BaseFileLock]" = {}  # copies that this process uses, to its end


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """One file of a store."""

    name: str  # below the address, with slashes
    path: str  # in the store
    byte_count: int
    changed: int  # nanoseconds since 1970; with the size, what tells a newer version


@dataclass(frozen=True, slots=True)
class RemoteListing:
    """What an address holds."""

    objects: tuple[RemoteObject, ...]
    entry: str = ""  # the one file that was named; empty for a folder
    is_table: bool = False  # the files that it names follow when it has been read


def list_address(store: "FileSystem", path: str, address: str) -> RemoteListing:
    """List an address.

    Raises:
        DataError: there is nothing, or nothing may be read.
        ResourceError: the store cannot be reached.
    """
    from pyarrow.fs import FileSelector, FileType

    try:
        info = again(lambda: store.get_file_info(path))
        if info.type == FileType.NotFound:
            raise DataError(f"{escape_path(address)}: there is no such object or folder", "Check its name.")
        name = posixpath.basename(path)
        is_file = info.type == FileType.File
        if is_file and not name.casefold().endswith(ANNOTATIONS):
            is_table = name.casefold().endswith(TABLE_SUFFIXES) and not is_archive_name(name)
            return RemoteListing((_object(info, posixpath.dirname(path)),), entry=name, is_table=is_table)
        root = posixpath.dirname(path) if is_file else path
        found = again(lambda: store.get_file_info(FileSelector(root, recursive=True)))
    except OSError as error:
        raise unreachable(address, error) from error
    objects = tuple(_object(one, root) for one in found if one.type == FileType.File)
    return RemoteListing(objects, entry=name if is_file else "")


def find_named(store: "FileSystem", root: str, names: list[str]) -> Iterator[RemoteObject]:
    """The objects below a root that a table names, as far as they are there.

    Raises:
        OSError: the store does not answer.
    """
    from pyarrow.fs import FileType

    inside = sorted({posixpath.normpath(name) for name in names if "://" not in name and not leads_outside(name)})
    for start in range(0, len(inside), _TOGETHER):
        paths = [f"{root}/{name}" for name in inside[start : start + _TOGETHER]]
        found: list[FileInfo] = again(partial(store.get_file_info, paths))
        yield from (_object(one, root) for one in found if one.type == FileType.File)


def _object(info: "FileInfo", root: str) -> RemoteObject:
    return RemoteObject(info.path[len(root) + 1 :], info.path, int(info.size or 0), int(info.mtime_ns or 0))


@dataclass(frozen=True, slots=True)
class LocalCopy:
    """Remote data on this computer."""

    path: Path  # folder, archive or table
    refused: tuple[Entry, ...]  # objects that could not be fetched


def local_copy(address: str, *, on_bytes: OnBytes = lambda _done, _total: None) -> LocalCopy:
    """Bring the data at an address to this computer; what is here already and has not changed is not fetched again.

    Copies of other addresses that no process uses make room, the one used longest ago first.

    Args:
        address: `s3://…` or `gs://…`: a folder, an archive, a table or an annotation file.

    Raises:
        MissingPackageError: pyarrow is not installed.
        DataError: there is nothing at the address, or it may not be read.
        ResourceError: the store cannot be reached, or the data take more than VIDI_DATA_CACHE allows or the disk has.
        UsageError: VIDI_DATA_CACHE is no number.
    """
    store, path = open_filesystem(address)
    folder = copy_folder(address)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_error(error, folder) from error
    lock = try_lock(folder / FETCHING, seconds=SECONDS_TO_WAIT)
    if lock is None:
        raise ResourceError(f"another process is fetching {escape_path(address)}", "Wait until it is done.")
    try:
        _hold(folder)
        return _brought(store, path, address, _Fetcher(store, folder, address, on_bytes))
    finally:
        lock.release()


def _brought(store: "FileSystem", path: str, address: str, fetcher: "_Fetcher") -> LocalCopy:
    listing = list_address(store, path, address)
    refused = fetcher.bring(listing.objects)
    if listing.is_table and not refused:
        more = fetcher.named_by(listing, posixpath.dirname(path))
        refused = fetcher.bring((*listing.objects, *more))
    for entry in refused:
        if entry.path == listing.entry:
            raise DataError(
                f"{escape_path(address)} cannot be read: {entry.sentence}", "Check the rights, or try later."
            )
    files = fetcher.folder / FILES
    return LocalCopy(files / listing.entry if listing.entry else files, tuple(refused))


def copy_folder(address: str) -> Path:
    """Where the copy of an address lies."""
    return cache_folder() / COPIES / digest_of(address.rstrip("/").encode())[:20]


def remove_copies(address: str | None = None) -> int:
    """Delete the copies that no other process uses, or that of one address; returns the bytes freed."""
    folders = [copy_folder(address)] if address else _copies(cache_folder() / COPIES)
    freed = 0
    for folder in folders:
        if folder in _HELD:
            _HELD.pop(folder).release()
        if folder.is_dir() and not _is_used(folder):
            freed += _taken(folder)
            shutil.rmtree(folder, ignore_errors=True)
    return freed


def held_bytes() -> int:
    """What all copies take."""
    return sum(map(_taken, _copies(cache_folder() / COPIES)))


def allowed_gigabytes() -> float:
    """What all copies together may take: `VIDI_DATA_CACHE`, else 20 GB.

    Raises:
        UsageError: it is no number above 0.
    """
    given = os.environ.get("VIDI_DATA_CACHE") or "20"
    try:
        gigabytes = float(given)
    except ValueError:
        gigabytes = 0.0
    if not gigabytes > 0:
        raise UsageError(f"VIDI_DATA_CACHE is {given[:60]!r}", "Set it to a number of gigabytes, such as 100.")
    return gigabytes


class _StoreError(Exception):
    """The store failed, not this computer."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


class _Fetcher:
    """One address that is being fetched into its folder."""

    def __init__(self, store: "FileSystem", folder: Path, address: str, on_bytes: OnBytes) -> None:
        self.folder = folder
        self._store, self._address, self._on_bytes = store, address, on_bytes
        self._gigabytes, self._done = allowed_gigabytes(), 0
        self._telling = threading.Lock()  # objects come in on several threads

    def bring(self, objects: tuple[RemoteObject, ...]) -> list[Entry]:
        """Make the folder hold these objects and no others; returns those that cannot be had."""
        safe = {one.name: one for one in objects if not leads_outside(one.name)}
        total = sum(one.byte_count for one in safe.values())
        self._make_room(total)
        files = self.folder / FILES
        remove_leftovers(self.folder)
        kept = _files(self.folder)
        for name in kept.keys() - safe.keys():
            (files / name).unlink(missing_ok=True)
        missing = [one for one in safe.values() if not self._is_here(one, kept)]
        self._done = total - sum(one.byte_count for one in missing)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            errors = list(pool.map(lambda one: self._fetch(one, total), missing))
        refused = {one.name: error for one, error in zip(missing, errors, strict=True) if error is not None}
        index = {name: [one.byte_count, one.changed] for name, one in safe.items() if name not in refused}
        write_atomic(self.folder / INDEX, json.dumps({"address": self._address, "files": index}) + "\n")
        outside = [Entry(one.name, "link-outside", "Its name leads out of the folder.") for one in objects]
        return [
            *(entry for entry in outside if entry.path not in safe),
            *(
                Entry(name, "unreadable", f"It cannot be fetched: {reason_of(error)}")
                for name, error in refused.items()
            ),
        ]

    def named_by(self, listing: RemoteListing, root: str) -> tuple[RemoteObject, ...]:
        """The objects that the table names; what is wrong with the table is for its reader to say."""
        table = self.folder / FILES / listing.entry
        try:
            with table.open("rb") as stream:
                names = [row.path for row in read_rows(stream, listing.entry, needs_label=False)]
        except DataError:
            return ()
        try:
            return tuple(find_named(self._store, root, names))
        except OSError as error:
            raise unreachable(self._address, error) from error

    def _is_here(self, one: RemoteObject, kept: Mapping[str, tuple[int, int]]) -> bool:
        path, stated = self.folder / FILES / one.name, (one.byte_count, one.changed)
        return kept.get(one.name) == stated and path.is_file() and path.stat().st_size == one.byte_count

    def _fetch(self, one: RemoteObject, total: int) -> OSError | None:
        try:
            again(lambda: self._read(one))
        except OSError as error:
            return error
        with self._telling:
            self._done += one.byte_count
            self._on_bytes(self._done, total)
        return None

    def _read(self, one: RemoteObject) -> None:
        path = self.folder / FILES / one.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_atomically(path) as temporary, temporary.open("wb") as out:
                for piece in self._pieces(one):
                    out.write(piece)
        except _StoreError as caught:
            raise caught.error from caught

    def _pieces(self, one: RemoteObject) -> Iterator[bytes]:
        """The object's bytes; an error of the store is no error of writing them."""
        came = 0
        try:
            with self._store.open_input_stream(one.path) as stream:
                while piece := stream.read(_PIECE):
                    came += len(piece)
                    yield piece
        except OSError as error:
            raise _StoreError(error) from error
        if came != one.byte_count:
            raise _StoreError(OSError(f"{came:,} of {one.byte_count:,} bytes came"))

    def _make_room(self, needed: int) -> None:
        """Remove copies that were used longest ago until this one fits the bound."""
        most = int(self._gigabytes * 1e9)
        if needed > most:
            raise ResourceError(
                f"{escape_path(self._address)} has {needed / 1e9:,.1f} GB, and copies may take {self._gigabytes:g} GB",
                f"Allow more, such as VIDI_DATA_CACHE={needed / 1e9 * 1.1:.0f}, or name a part of it.",
            )
        others = [folder for folder in _copies(self.folder.parent) if folder != self.folder]
        held = {folder: _taken(folder) for folder in others}
        for folder in sorted(others, key=lambda one: (one / INDEX).stat().st_mtime_ns if (one / INDEX).exists() else 0):
            if needed + sum(held.values()) <= most:
                return
            if not _is_used(folder):
                shutil.rmtree(folder, ignore_errors=True)
                del held[folder]
        if needed + sum(held.values()) > most:
            raise ResourceError(
                f"other processes use {sum(held.values()) / 1e9:,.1f} GB of the {self._gigabytes:g} GB for copies",
                "Wait for them, or allow more with VIDI_DATA_CACHE.",
            )


def _copies(root: Path) -> list[Path]:
    return sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """What the folder holds whole: name → bytes, time of change; nothing where that cannot be read."""
    try:
        return {name: (size, changed) for name, (size, changed) in read_json(folder / INDEX)["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _taken(folder: Path) -> int:
    """The bytes of a copy."""
    return sum(size for size, _ in _files(folder).values())


def _hold(folder: Path) -> None:
    """Keep other processes from removing the copy while this one lives."""
    if folder not in _HELD and (lock := try_lock(folder / USED.format(os.getpid()))) is not None:
        _HELD[folder] = lock


def _is_used(folder: Path) -> bool:
    """Whether a living process uses or fetches a copy."""
    for path in [*folder.glob(USED.format("*")), *folder.glob(FETCHING)]:
        if folder in _HELD and path.name == USED.format(os.getpid()):
            return True
        lock = try_lock(path)
        if lock is None:
            return True
        lock.release()
    return False


Result = TypeVar("Result")

WAITS = (0.5, 1.0, 2.0)  # seconds before each further attempt
CONNECT_SECONDS, REQUEST_SECONDS = 10, 60
# What another attempt would not change, in pyarrow's messages.
_FINAL = ("ACCESS_DENIED", "NO_SUCH_KEY", "NO_SUCH_BUCKET", "INVALID_ACCESS_KEY", "SIGNATURE", "RESOURCE_NOT_FOUND")


def open_filesystem(address: str) -> tuple["FileSystem", str]:
    """The store of an address, and the path in it.

    The variables of Amazon's and Google's own tools give credentials, region and endpoint.

    Raises:
        MissingPackageError: pyarrow is not installed.
        ResourceError: the store cannot be reached.
    """
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")  # else Amazon's library asks the network for credentials
    with from_extra(f"reading {escape_path(address)} needs pyarrow", extra="tables"):
        from pyarrow import fs
    scheme, _, path = address.partition("://")
    path = path.rstrip("/")
    try:
        if scheme.lower() == "gs":
            return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=REQUEST_SECONDS)), path
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        secure, _, host = endpoint.rpartition("://")
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if region is None and not host:
            region = fs.resolve_s3_region(path.partition("/")[0])
        store = fs.S3FileSystem(
            region=region,
            scheme=secure or "https",
            endpoint_override=host or None,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=REQUEST_SECONDS,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),  # `again` tries again
        )
    except OSError as error:
        raise unreachable(address, error) from error
    return store, path


def again(operation: Callable[[], Result]) -> Result:
    """Do what a network may corrupt, up to four times.

    Raises:
        OSError: of the last attempt, or of one that nothing can help.
    """
    for wait in WAITS:
        try:
            return operation()
        except OSError as error:
            if is_final(error):
                raise
            time.sleep(wait)
    return operation()


def is_final(error: OSError) -> bool:
    """Whether another attempt would end the same way.

    >>> is_final(OSError("AWS Error ACCESS_DENIED during GetObject")), is_final(OSError("AWS Error NETWORK_CONNECTION"))
    (True, False)
    """
    return isinstance(error, FileNotFoundError | PermissionError) or any(word in str(error) for word in _FINAL)


def reason_of(error: OSError) -> str:
    """What went wrong, in a line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def unreachable(address: str, error: OSError) -> DataError | ResourceError:
    """A store, a bucket or an object that cannot be read as a whole."""
    if is_final(error):
        return DataError(
            f"{escape_path(address)} cannot be read: {reason_of(error)}",
            "Check its name, and the credentials in the environment (AWS_… or GOOGLE_APPLICATION_CREDENTIALS).",
        )
    return ResourceError(
        f"{escape_path(address)} cannot be reached: {reason_of(error)}",
        "Check the network and the endpoint (AWS_ENDPOINT_URL), and try again: what was fetched is kept.",
    )
