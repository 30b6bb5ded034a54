"""Tar archives: the list of what lies where; a packed one is first made plain, in the cache."""

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from vidi.data.archives.judge import FREE_BYTES, MOST_BYTES, MOST_RATIO, check_names, leads_outside, refused, too_much
from vidi.data.archives.store import ArchiveMember
from vidi.data.cache import cache_folder, kept_or_spare
from vidi.files import digest_of_file, written_whole

_PIECE = 1 << 20  # bytes
_BLOCK = 512  # bytes: tar counts in these
Opener = Callable[[BinaryIO], io.BufferedIOBase]
_PACKED: Mapping[bytes, Opener] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream, mode="rb"),
    b"BZ": bz2.BZ2File,
    b"\xfd7": lzma.LZMAFile,
}


def list_tar(path: Path) -> tuple[dict[str, ArchiveMember], Path]:
    """Where each file of a tar archive lies, and the plain tar that it lies in.

    Raises:
        DataError: it is unsafe, cut or damaged.
        ResourceError: it would unpack to too much, or the disk is full.
    """
    plain = _plain_tar(path, cache_folder())
    members: dict[str, ArchiveMember] = {}
    names: list[str] = []
    try:
        with plain.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for info in _infos(archive):
                names.append(info.name)
                if (member := _as_member(path, info, members)) is not None:
                    members[info.name] = member
            _check_end(path, stream, archive.offset)
    except (tarfile.TarError, ValueError, EOFError, OverflowError) as error:
        raise refused(path, None, f"is cut or damaged ({error})", "Get it again.") from error
    except OSError as error:
        raise refused(
            path, None, f"cannot be read: {error.strerror or error}", "Check the file's permissions."
        ) from error
    check_names(path, names)
    return members, plain


def _infos(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Every header in turn; the library would keep them all, over a kilobyte each."""
    while (info := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]
        yield info


def _as_member(path: Path, info: tarfile.TarInfo, members: dict[str, ArchiveMember]) -> ArchiveMember | None:
    """A file's place; None for a folder.

    Raises:
        DataError: it is a link out, a device, or stored with holes.
    """
    if info.isdir():
        return None
    if info.islnk():
        if leads_outside(info.linkname) or info.linkname not in members:
            raise refused(path, info.name, "is a link out of the archive (link-outside)", "Do not use this archive.")
        return members[info.linkname]
    if not info.isreg() or info.issym():
        raise refused(
            path, info.name, "is a link or a device, not a file (link-outside)", "Make the archive without it."
        )
    if info.issparse():
        raise refused(
            path, info.name, "is stored with holes, which is not read", "Make the archive without `--sparse`."
        )
    return ArchiveMember(info.offset_data, info.size, info.size)


def _check_end(path: Path, stream: BinaryIO, offset: int) -> None:
    """The library takes a damaged header for the end; the true end is a block of zeros."""
    stream.seek(offset)
    if stream.read(_BLOCK) != bytes(_BLOCK):
        raise refused(path, None, "is cut or damaged: its end is missing", "Get it again.")


def _plain_tar(path: Path, cache: Path) -> Path:
    """The archive itself, or what it unpacks to: one tar file in the cache, named by the archive's content."""
    try:
        with path.open("rb") as stream:
            start = stream.read(2)
        opener = _PACKED.get(start)
        if opener is None:
            return path
        name = f"{digest_of_file(path)}.tar"
    except OSError as error:
        raise refused(
            path, None, f"cannot be read: {error.strerror or error}", "Check the file's permissions."
        ) from error
    unpack = opener

    def make(folder: Path) -> Path:
        plain = folder / "archives" / name
        if not plain.exists():
            with written_whole(plain) as temporary:
                _unpack(path, unpack, temporary)
        return plain

    return kept_or_spare(make, cache)


def _unpack(path: Path, opener: Opener, target: Path) -> None:
    """Unpack in pieces; stops as soon as the result grows out of all proportion."""
    written = 0
    with path.open("rb") as packed, opener(packed) as stream, target.open("wb") as plain:
        while True:
            try:
                piece = stream.read(_PIECE)
            except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, OSError, ValueError) as error:
                raise refused(path, None, f"is cut or damaged ({error})", "Get it again.") from error
            if not piece:
                return
            written += len(piece)
            if written > FREE_BYTES + MOST_RATIO * packed.tell():
                raise too_much(path, f"it grows to over {MOST_RATIO} times its size")
            if written > MOST_BYTES:
                raise too_much(path, f"it grows to over {MOST_BYTES:,} bytes")
            plain.write(piece)
