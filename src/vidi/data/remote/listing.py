"""Which objects belong to an address: a whole folder, one archive, or a table with the files that it names."""

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from vidi.data.archives.judge import leads_outside
from vidi.data.archives.names import is_archive_name
from vidi.data.remote.filesystem import again, unreachable
from vidi.errors import DataError
from vidi.files import escape_path

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
ANNOTATIONS = (".json", ".yaml", ".yml")  # they lie beside what they speak of
_TOGETHER = 500  # objects asked for at once


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


def list_address(store: "FileSystem", path: str, address: str, *, sleep: Callable[[float], None]) -> RemoteListing:
    """List an address.

    Raises:
        DataError: there is nothing, or nothing may be read.
        ResourceError: the store cannot be reached.
    """
    from pyarrow.fs import FileSelector, FileType

    try:
        info = again(lambda: store.get_file_info(path), sleep=sleep)
        if info.type == FileType.NotFound:
            raise DataError(f"{escape_path(address)}: there is no such object or folder", "Check its name.")
        name = posixpath.basename(path)
        is_file = info.type == FileType.File
        if is_file and not name.casefold().endswith(ANNOTATIONS):
            is_table = name.casefold().endswith(TABLES) and not is_archive_name(name)
            return RemoteListing((_object(info, posixpath.dirname(path)),), entry=name, is_table=is_table)
        root = posixpath.dirname(path) if is_file else path
        found = again(lambda: store.get_file_info(FileSelector(root, recursive=True)), sleep=sleep)
    except OSError as error:
        raise unreachable(address, error) from error
    objects = tuple(_object(one, root) for one in found if one.type == FileType.File)
    return RemoteListing(objects, entry=name if is_file else "")


def find_named(
    store: "FileSystem", root: str, names: list[str], *, sleep: Callable[[float], None]
) -> Iterator[RemoteObject]:
    """The objects below a root that a table names, as far as they are there.

    Raises:
        OSError: the store does not answer.
    """
    from pyarrow.fs import FileType

    inside = sorted({posixpath.normpath(name) for name in names if "://" not in name and not leads_outside(name)})
    for start in range(0, len(inside), _TOGETHER):
        paths = [f"{root}/{name}" for name in inside[start : start + _TOGETHER]]
        found: list[FileInfo] = again(partial(store.get_file_info, paths), sleep=sleep)
        yield from (_object(one, root) for one in found if one.type == FileType.File)


def _object(info: "FileInfo", root: str) -> RemoteObject:
    return RemoteObject(info.path[len(root) + 1 :], info.path, int(info.size or 0), int(info.mtime_ns or 0))
