"""Where the bytes of images come from, seen from below: a name goes in, the bytes of an encoded file come out."""

from typing import Protocol


class ImageStore(Protocol):
    """A folder, an archive or a record file. Can be pickled, so that worker processes can read from it."""

    def read(self, path: str) -> bytes:
        """The bytes of one encoded image file.

        Raises:
            ImageError: the file cannot be read (`not-a-file`, `link-outside`, `unreadable`, `too-large`).
        """
        ...
