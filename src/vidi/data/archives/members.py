"""Whether an archive may be used at all, judged before any file in it is; and its members, read where they lie."""

import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from vidi.errors import DataError, ImageError, ResourceError
from vidi.files import escape_path
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
    return b"".join(_checked_pieces(stream, member))


def _checked_pieces(stream: BinaryIO, member: ArchiveMember) -> Iterator[bytes]:
    """The unpacked bytes of a member, at most a megabyte at a time; it is known to be whole when the last has come."""
    size, checksum = 0, 0
    for data in _pieces(stream, member):
        size, checksum = size + len(data), zlib.crc32(data, checksum)
        if size > member.size:
            raise TooLongError(f"it unpacks to more than the {member.size:,} bytes that the archive states")
        yield data
    if size != member.size:
        raise MemberError(f"it should have {member.size:,} bytes and has {size:,}")
    if member.checksum not in (NO_CHECKSUM, checksum):
        raise MemberError("its checksum is wrong")


def _pieces(stream: BinaryIO, member: ArchiveMember) -> Iterator[bytes]:
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
            try:
                yield unpacker.decompress(packed, _PIECE)
            except zlib.error as error:
                raise MemberError("its packed data is damaged") from error
            packed = unpacker.unconsumed_tail


MOST_RATIO = 100  # unpacked to packed bytes; photographs hardly shrink at all
FREE_BYTES = 10_000_000  # below this size any ratio is harmless: a white BMP shrinks a thousandfold
MOST_BYTES = 10_000_000_000  # all members together, unpacked
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
NESTED_SUFFIXES = (*ARCHIVE_SUFFIXES, ".7z", ".rar", ".zst")
_SPLIT_SUFFIX = re.compile(r"\.(z\d\d|zip\.\d\d\d|part\d+\.rar|7z\.\d\d\d)$", re.IGNORECASE)


def check_names(path: Path, names: Iterable[str]) -> None:
    """Refuse names that would leave the folder they are unpacked into, meet there, or hide another archive.

    Raises:
        DataError: such a name (`link-outside`), or two that are one.
        ResourceError: an archive in the archive.
    """
    seen: dict[str, str] = {}
    for name in names:
        if leads_outside(name):
            raise refused(path, name, "leads out of the archive (link-outside)", "Do not use this archive.")
        if name.casefold().endswith(NESTED_SUFFIXES):
            raise too_much(path, f"{escape_path(name)} in it is an archive again", "Unpack it yourself first.")
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            other = seen[folded]
            cause = (
                "is in it twice"
                if other == name
                else f"and {escape_path(other)} are one name on other file systems (link-outside)"
            )
            raise refused(path, name, cause, "Make the archive again with one name for each file.")
        seen[folded] = name


def leads_outside(name: str) -> bool:
    """Whether a name is absolute, begins with a drive letter, or climbs by `..` (with either kind of slash).

    >>> leads_outside("a/../../b"), leads_outside("C:\\\\b"), leads_outside("a/..b.png")
    (True, True, False)
    """
    return (
        name.startswith(("/", "\\"))
        or bool(re.match(r"[A-Za-z]:", name))
        or "\0" in name
        or ".." in re.split(r"[/\\]", name)
    )


def check_sizes(path: Path, sizes: Iterable[tuple[str, int, int]]) -> None:
    """Refuse what would unpack to too much, from the sizes that the archive states.

    Args:
        sizes: name, packed bytes and unpacked bytes of each member.

    Raises:
        ResourceError: over 100 times the packed size, or over 10 GB altogether.
    """
    packed_total = total = 0
    for name, packed, size in sizes:
        packed_total, total = packed_total + packed, total + size
        if size > max(MOST_RATIO * packed, FREE_BYTES):
            raise too_much(path, f"{escape_path(name)} in it grows to {size:,} bytes, over {MOST_RATIO} times its size")
    if total > max(MOST_RATIO * packed_total, FREE_BYTES):
        raise too_much(path, f"it grows to {total:,} bytes, over {MOST_RATIO} times its size")
    if total > MOST_BYTES:
        raise too_much(path, f"it grows to {total:,} bytes; the limit is {MOST_BYTES:,}")


def check_contents(path: Path, members: Mapping[str, ArchiveMember]) -> None:
    """Unpack every member once in memory and hold it against what the archive states.

    Raises:
        DataError: one is cut or damaged; it is named.
        ResourceError: one is larger than stated.
    """
    with path.open("rb") as stream:
        for name, member in sorted(members.items(), key=lambda item: item[1].start):
            try:
                for _ in _checked_pieces(stream, member):
                    pass
            except TooLongError as error:
                raise too_much(path, f"{escape_path(name)}: {error}") from error
            except MemberError as error:
                raise refused(path, name, f"is damaged: {error}", "Get the archive again.") from error


def refused(path: Path, name: str | None, cause: str, remedy: str) -> DataError:
    """An archive that is not used, and the entry that is the reason."""
    entry = "the archive" if name is None else escape_path(name)
    return DataError(f"{escape_path(path)}: {entry} {cause}; nothing of it was used", remedy)


def too_much(
    path: Path, cause: str, remedy: str = "Do not use this archive, or unpack it yourself if you trust it."
) -> ResourceError:
    """An archive that would take more of the machine than images ever need."""
    return ResourceError(f"{escape_path(path)}: {cause}; nothing of it was used", remedy)


def is_archive_name(name: str) -> bool:
    """Whether a file is taken for an archive by its name.

    >>> is_archive_name("photos.ZIP"), is_archive_name("photos.tar.gz"), is_archive_name("photos.gz")
    (True, True, False)
    """
    return name.casefold().endswith(ARCHIVE_SUFFIXES) or is_split_name(name)


def is_split_name(name: str) -> bool:
    """Whether a file is one piece of a split archive by its name.

    >>> is_split_name("photos.z01"), is_split_name("photos.zip")
    (True, False)
    """
    return bool(_SPLIT_SUFFIX.search(name))
