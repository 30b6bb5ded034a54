"""Members of an archive, read one by one where they lie; nothing is unpacked to disk."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from vidi.errors import ImageError
from vidi.images.limits import Limits
from vidi.images.store import stamp_of_file

STORED, DEFLATED = 0, 8  # the method numbers of the zip format; others are hardly met and are refused
NO_CHECKSUM = -1  # tar has none for a member's bytes
_PIECE = 1 << 20  # bytes


class ArchiveMember(NamedTuple):
    """Where one file lies in the archive, and what it should become."""

    start: int  # bytes before its data
    packed_bytes: int
    size: int  # bytes when unpacked
    method: int = STORED
    checksum: int = NO_CHECKSUM  # CRC-32 of the unpacked bytes


class MemberError(ValueError):
    """A member's bytes are not what the archive says of them."""


class TooLongError(MemberError):
    """A member unpacks to more bytes than the archive says."""


@dataclass(frozen=True, slots=True)
class ArchiveStore:
    """An archive whose list has been read and judged. Holds no open file: safe to share between threads."""

    path: Path
    members: Mapping[str, ArchiveMember]
    most_bytes: int | None = Limits().file_bytes  # of one member, unpacked; None for files that are no images

    def read(self, path: str) -> bytes:
        """The bytes of one member.

        Raises:
            ImageError: there is no such member, it is too large, or it is damaged.
        """
        member = self.members.get(path)
        if member is None:
            raise ImageError("unreadable", "there is no such file in the archive", "Read the data set again.")
        if self.most_bytes is not None and member.size > self.most_bytes:
            raise ImageError(
                "too-much-memory",
                f"it has {member.size:,} bytes; the limit is {self.most_bytes:,}",
                "Make the file smaller.",
            )
        try:
            with self.path.open("rb") as stream:
                return read_member(stream, member)
        except MemberError as error:
            raise ImageError("broken", f"in the archive, {error}", "Make the archive again.") from error
        except OSError as error:
            raise ImageError(
                "unreadable", f"the archive cannot be read: {error.strerror}", "Check the archive's permissions."
            ) from error

    def stamp(self, path: str) -> str:  # noqa: ARG002 - as all stores
        """The size and time of the whole archive."""
        return stamp_of_file(self.path)


def read_member(stream: BinaryIO, member: ArchiveMember) -> bytes:
    """A member's bytes, unpacked and held against its stated size and checksum.

    Raises:
        MemberError: they do not agree.
    """
    stream.seek(member.start)
    packed = stream.read(member.packed_bytes)
    if len(packed) != member.packed_bytes:
        raise MemberError("the archive ends inside it")
    data = _unpack(packed, member)
    if len(data) != member.size:
        raise MemberError(f"it should have {member.size:,} bytes and has {len(data):,}")
    if member.checksum not in (NO_CHECKSUM, zlib.crc32(data)):
        raise MemberError("its checksum is wrong")
    return data


def check_member(stream: BinaryIO, member: ArchiveMember) -> None:
    """Hold a member of any size against its stated size and checksum, in pieces.

    Raises:
        MemberError: they do not agree.
    """
    if member.size <= _PIECE:
        read_member(stream, member)
        return
    size, checksum = 0, 0
    for data in _pieces(stream, member):
        size, checksum = size + len(data), zlib.crc32(data, checksum)
        if size > member.size:
            raise _too_long(member)
    if size != member.size:
        raise MemberError(f"it should have {member.size:,} bytes and has {size:,}")
    if member.checksum not in (NO_CHECKSUM, checksum):
        raise MemberError("its checksum is wrong")


def _pieces(stream: BinaryIO, member: ArchiveMember) -> Iterator[bytes]:
    """The unpacked bytes of a member, at most a megabyte at a time."""
    stream.seek(member.start)
    unpacker = zlib.decompressobj(wbits=-15) if member.method == DEFLATED else None
    left = member.packed_bytes
    while left:
        packed = stream.read(min(_PIECE, left))
        if not packed:
            raise MemberError("the archive ends inside it")
        left -= len(packed)
        if unpacker is None:
            yield packed
        while unpacker is not None and packed:
            yield _inflate(unpacker, packed, _PIECE)
            packed = unpacker.unconsumed_tail


def _unpack(packed: bytes, member: ArchiveMember) -> bytes:
    """The unpacked bytes of a small member."""
    if member.method == STORED:
        return packed
    data = _inflate(zlib.decompressobj(wbits=-15), packed, member.size + 1)  # one more shows that the size is a lie
    if len(data) > member.size:
        raise _too_long(member)
    return data


def _inflate(unpacker: "zlib._Decompress", packed: bytes, most: int) -> bytes:
    try:
        return unpacker.decompress(packed, most)
    except zlib.error as error:
        raise MemberError("its packed data is damaged") from error


def _too_long(member: ArchiveMember) -> TooLongError:
    return TooLongError(f"it unpacks to more than the {member.size:,} bytes that the archive states")
