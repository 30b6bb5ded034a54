"""Whether an archive may be used at all: judged whole before any file in it is."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from vidi.data.archives.store import ArchiveMember, MemberError, TooLongError, check_member
from vidi.errors import DataError, ResourceError
from vidi.files import escape_path

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
        path: the archive.
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
                check_member(stream, member)
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
