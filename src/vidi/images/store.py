"""Where the bytes of images come from, seen from below: a name goes in, the bytes of an encoded file come out."""

import os
from typing import Protocol, runtime_checkable


class ImageStore(Protocol):
    """A folder, an archive or a record file. Can be pickled, so that worker processes can read from it."""

    def read(self, path: str) -> bytes:
        """The bytes of one encoded image file.

        Raises:
            ImageError: the file cannot be read (`not-a-file`, `link-outside`, `unreadable`, `too-large`).
        """
        ...


@runtime_checkable
class StampedStore(ImageStore, Protocol):
    """A store that tells, without reading a file, whether it may have changed."""

    def stamp(self, path: str) -> str:
        """Text that changes with a file's size or time; empty where nothing is known of it."""
        ...


def stamp_of_file(path: str | os.PathLike[str]) -> str:
    """The size and time of a file of this computer, as `StampedStore.stamp` gives them."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # it is gone, or its name is none
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}"


def stamp_within(store: ImageStore, path: str) -> str:
    """The stamp of a file of any store; empty where the store gives none."""
    return store.stamp(path) if isinstance(store, StampedStore) else ""
