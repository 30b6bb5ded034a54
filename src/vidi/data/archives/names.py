"""Which files are archives, by their names."""

import re

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
NESTED_SUFFIXES = (*ARCHIVE_SUFFIXES, ".7z", ".rar", ".zst")
_SPLIT_SUFFIX = re.compile(r"\.(z\d\d|zip\.\d\d\d|part\d+\.rar|7z\.\d\d\d)$", re.IGNORECASE)


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
