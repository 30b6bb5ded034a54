"""Zip and tar archives, read in place."""

from pathlib import Path

from vidi.data.archives.judge import refused
from vidi.data.archives.names import is_split_name
from vidi.data.archives.store import ArchiveStore


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
        from vidi.data.archives.zip import list_zip  # with their decompressors, only where they are needed

        members, plain = list_zip(path), path
    else:
        from vidi.data.archives.tar import list_tar

        members, plain = list_tar(path)
    return ArchiveStore(plain, members)
