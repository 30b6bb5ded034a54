"""Zip archives: the list of what lies where, held against the headers beside the data."""

import stat
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

from vidi.data.archives.judge import check_contents, check_names, check_sizes, refused, too_much
from vidi.data.archives.store import DEFLATED, STORED, ArchiveMember

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_ENCRYPTED, _SIZES_FOLLOW = 0x1, 0x8  # bits of the flags
_SIZE_ELSEWHERE = 0xFFFFFFFF  # zip64 keeps the true size in an extra field
# What the standard library raises on lists that are cut or make no sense (a RuntimeError for a future version).
_LIST_ERRORS = (zipfile.BadZipFile, RuntimeError, ValueError, OverflowError, EOFError, struct.error, LookupError)


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
        raise refused(
            path, None, f"cannot be read: {error.strerror or error}", "Check the file's permissions."
        ) from error
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
