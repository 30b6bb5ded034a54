"""One place that images and labels are read from: what every reader is given, and what it gives back."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from vidi.data.archives.store import ArchiveStore
from vidi.data.dataset import LabelledImage
from vidi.errors import DataError
from vidi.files import escape_path
from vidi.images.account import Entry
from vidi.images.scan import Scan
from vidi.images.store import ImageStore


@dataclass(frozen=True)
class Source:
    """A folder or an archive with all that was found in it, and how to read from it."""

    given: str  # what the user named
    scan: Scan
    store: ImageStore
    folder: Path | None  # None where the files lie in an archive
    entry: str | None = None  # the one file inside that the user named: a table, a COCO file
    allow_outside: bool = False
    multi_label: bool = False  # an image may show several classes: a table may have a column for each

    @cached_property
    def paths(self) -> list[str]:
        """Every regular file but system litter: images, and what lies beside them."""
        others = (entry.path for entry in self.scan.ignored if entry.code == "other-file")
        return [*(file.path for file in self.scan.files), *others]

    @cached_property
    def path_set(self) -> frozenset[str]:
        """The same, to ask whether a file is there."""
        return frozenset(self.paths)

    def may_be(self, *suffixes: str) -> bool:
        """Whether the user named a whole folder or archive, or a file in it whose name ends so."""
        return self.entry is None or self.entry.casefold().endswith(suffixes)

    def paths_ending(self, *suffixes: str) -> list[str]:
        """The files whose names end so, in any case, in the order of their paths."""
        return sorted(path for path in self.paths if path.casefold().endswith(suffixes))

    def open(self, path: str) -> BinaryIO:
        """A stream of one file's bytes; large tables are never held whole where they lie in a folder.

        Raises:
            DataError: the file cannot be read.
        """
        try:
            if self.folder is None:
                return io.BytesIO(self.whole_files.read(path))
            return (self.folder / path).open("rb")
        except OSError as error:
            raise DataError(
                f"{self.given}: {escape_path(path)} cannot be read: {error.strerror}", "Check the file's permissions."
            ) from error

    @property
    def whole_files(self) -> ImageStore:
        """A store without the limit that images have, for tables, annotations and record files."""
        return replace(self.store, most_bytes=None) if isinstance(self.store, ArchiveStore) else self.store

    def read(self, path: str) -> bytes:
        """All bytes of one file that says something about the images."""
        with self.open(path) as stream:
            return stream.read()


@dataclass(slots=True)
class Reading:
    """What a reader found: class names, and images whose labels are indexes into them."""

    classes: list[str]
    images: list[LabelledImage]
    store: ImageStore | None = None  # where it is not the source's own
    numbered: bool = False  # the source gives numbers for classes and no names
    set_aside: list[Entry] = field(default_factory=list)
    refused: list[Entry] = field(default_factory=list)
    ignored: list[Entry] = field(default_factory=list)  # in place of what the scan says of the same paths
    notes: list[str] = field(default_factory=list)


# A reader gives None where the source is not of its kind.
Reader = Callable[[Source], Reading | None]
