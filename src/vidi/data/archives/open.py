"""Zip and tar archives, read in place."""

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from vidi.data.archives.members import (
    DEFLATED,
    FREE_BYTES,
    MOST_BYTES,
    MOST_RATIO,
    STORED,
    ArchiveMember,
    ArchiveStore,
    check_contents,
    check_names,
    check_sizes,
    is_split_name,
    leads_outside,
    refused,
    too_much,
)
from vidi.data.cache import cache_folder, kept_or_spare
from vidi.errors import DataError
from vidi.files import digest_of_file, written_atomically

_PIECE = 1 << 20  # bytes
_BLOCK = 512  # bytes: tar counts in these
Opener = Callable[[BinaryIO], io.BufferedIOBase]
_PACKED: Mapping[bytes, Opener] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream, mode="rb"),
    b"BZ": bz2.BZ2File,
    b"\xfd7": lzma.LZMAFile,
}
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_ENCRYPTED, _SIZES_FOLLOW = 0x1, 0x8  # bits of the flags
_SIZE_ELSEWHERE = 0xFFFFFFFF  # zip64 keeps the true size in an extra field
# What the standard library raises on lists that are cut or make no sense (a RuntimeError for a future version).
_LIST_ERRORS = (zipfile.BadZipFile, RuntimeError, ValueError, OverflowError, EOFError, struct.error, LookupError)


def open_archive(path: Path) -> ArchiveStore:
    """List an archive, judge it whole, and give a store of its files.

    Every member is unpacked once in memory and held against its size and checksum, so that nothing of a damaged
    archive is used. A packed tar becomes one plain tar in the cache, because its members cannot be found otherwise.

    Raises:
        DataError: a name or link leads out of the archive, two names are one on other file systems, or the archive
            is encrypted, cut, damaged, split, or packed by a method that is not read.
        ResourceError: it would unpack to too much, its entries overlap, or an archive lies in it.
    """
    name = path.name.casefold()
    if is_split_name(name):
        raise refused(path, None, "is one piece of a split archive", "Join the pieces first.")
    if name.endswith(".zip"):
        return ArchiveStore(path, list_zip(path))
    plain = _plain_tar(path)
    return ArchiveStore(plain, list_tar(path, plain))


def list_tar(path: Path, plain: Path) -> dict[str, ArchiveMember]:
    """Where each file of a tar archive lies.

    Raises:
        DataError: it is unsafe, cut or damaged.
    """
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
        raise _unreadable(path, error) from error
    check_names(path, names)
    return members


def _unreadable(path: Path, error: OSError) -> DataError:
    return refused(path, None, f"cannot be read: {error.strerror or error}", "Check the file's permissions.")


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


def _plain_tar(path: Path) -> Path:
    """The archive itself, or what it unpacks to: one tar file in the cache, named by the archive's content."""
    try:
        with path.open("rb") as stream:
            opener = _PACKED.get(stream.read(2))
        if opener is None:
            return path
        name = f"{digest_of_file(path)}.tar"
    except OSError as error:
        raise _unreadable(path, error) from error
    unpack = opener

    def make(folder: Path) -> Path:
        plain = folder / "archives" / name
        if not plain.exists():
            with written_atomically(plain) as temporary:
                _unpack(path, unpack, temporary)
        return plain

    return kept_or_spare(make, cache_folder())


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


def list_zip(path: Path) -> dict[str, ArchiveMember]:
    """Where each file of a zip archive lies; the whole archive is judged first.

    Raises:
        DataError: it is unsafe, cut, damaged, encrypted, or packed by a method that is not read.
        ResourceError: it would unpack to too much, or its entries overlap.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos, list_start = archive.infolist(), archive.start_dir
        for info in infos:
            info.filename = _true_name(info)
    except _LIST_ERRORS as error:
        split = "multiple disks" in str(error) or "span" in str(error)
        cause = "is one piece of a split archive" if split else f"is cut or damaged ({error})"
        raise refused(path, None, cause, "Join its pieces, or get it again.") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    check_names(path, (info.filename for info in infos))
    for info in infos:
        if problem := _problem(info):
            raise refused(path, info.filename, problem, "Make the archive again without it.")
    files = [info for info in infos if not info.is_dir()]
    check_sizes(path, ((info.filename, info.compress_size, info.file_size) for info in files))
    members = _locate(path, files, list_start)
    check_contents(path, members)
    return members


def _problem(info: zipfile.ZipInfo) -> str | None:
    """Why an entry cannot be read, from the archive's list alone."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device, not a file (link-outside)"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in (STORED, DEFLATED):
        return f"is packed by method {info.compress_type}, which is not read (0 and 8 are)"
    return None


def _locate(path: Path, files: list[zipfile.ZipInfo], list_start: int) -> dict[str, ArchiveMember]:
    """Where the data of each file begins, by the header before it; no two may share bytes."""
    members: dict[str, ArchiveMember] = {}
    end, before = 0, ""
    with path.open("rb") as stream:
        for info in sorted(files, key=lambda info: info.header_offset):
            try:
                start = _data_start(stream, info)
            except ValueError as error:
                raise refused(path, info.filename, f"is damaged: {error}", "Get the archive again.") from error
            if info.header_offset < end or start + info.compress_size > list_start:
                raise too_much(path, f"{info.filename!r} and {before or 'the list of files'!r} overlap")
            end, before = start + info.compress_size, info.filename
            members[info.filename] = ArchiveMember(
                start, info.compress_size, info.file_size, info.compress_type, info.CRC
            )
    return {info.filename: members[info.filename] for info in files}


def _data_start(stream: BinaryIO, info: zipfile.ZipInfo) -> int:
    stream.seek(info.header_offset)
    header = stream.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\3\4"):
        raise ValueError("there is no header where the list says so")
    _, _, flags, _, _, _, _, packed, size, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    if stream.read(name_length) != _raw_name(info):
        raise ValueError("its header has another name than the list")
    stated = (info.compress_size, info.file_size)
    if not flags & _SIZES_FOLLOW and _SIZE_ELSEWHERE not in (packed, size) and (packed, size) != stated:
        raise ValueError("its header has another size than the list")
    return info.header_offset + _LOCAL_HEADER.size + int(name_length) + int(extra_length)


def _true_name(info: zipfile.ZipInfo) -> str:
    """The name as it was stored; tools that write UTF-8 without saying so are common."""
    raw = _raw_name(info)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return info.orig_filename


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437", "surrogateescape")
