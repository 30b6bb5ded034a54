"""One place that images and labels are read from: what every reader is given, and what it gives back."""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from vidi.data.dataset import LabelledImage
from vidi.images.account import Entry
from vidi.images.scan import Scan
from vidi.images.store import ImageStore

# Files that lie beside images in public data sets. By this stated rule they are left out by their name; whatever
# else is found goes to the decoder, and its content decides.
_OTHER_ENDING = re.compile(
    r"\.(txt|md|rst|csv|tsv|jsonl?|ndjson|xml|ya?ml|toml|ini|cfg|log|html?|css|js|py|sh|ipynb|m|mat|np[yz]|pkl|pickle"
    r"|pth?|onnx|parquet|arrow|h5|hdf5|db|sqlite|docx?|xlsx?|bib|tex|zip|tar|tgz|gz|bz2|xz|7z|rar|bin|names|data|cache)$"
)
_OTHER_NAMES = frozenset(["license", "licence", "readme", "copying", "makefile", "checksums", "md5sums", "sha256sums"])


@dataclass(frozen=True)
class Source:
    """A folder or an archive with all that was found in it, and how to read from it."""

    given: str  # what the user named
    scan: Scan
    store: ImageStore
    folder: Path | None  # None where the files lie in an archive
    entry: str | None = None  # the one file inside that the user named: a table, a COCO file
    follow_links: bool = False
    allow_outside: bool = False

    @cached_property
    def byte_counts(self) -> Mapping[str, int]:
        """The size of every regular file, by path."""
        return {file.path: file.byte_count for file in self.scan.files}

    def paths_ending(self, *suffixes: str) -> list[str]:
        """The files whose names end so, in any case, in order."""
        return [file.path for file in self.scan.files if file.path.casefold().endswith(suffixes)]

    def open(self, path: str) -> BinaryIO:
        """A stream of one file's bytes; large tables are never held whole where they lie in a folder."""
        if self.folder is None:
            return io.BytesIO(self.store.read(path))
        return (self.folder / path).open("rb")

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
    ignored: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


# A reader gives None where the source is not of its kind.
Reader = Callable[[Source], Reading | None]


def is_image_name(path: str) -> bool:
    """Whether a file is taken for an image by its name: all but the known companions of images.

    >>> is_image_name("cats/1.jpg"), is_image_name("cats/noextension"), is_image_name("README.md")
    (True, True, False)
    """
    name = path.rpartition("/")[2].casefold()
    stem, dot, _ = name.rpartition(".")
    if not dot or not stem:
        return name not in _OTHER_NAMES
    return not _OTHER_ENDING.search(name)


def not_an_image_name(path: str) -> Entry:
    """The account's line for a file that is left out by its name."""
    return Entry(path, "other-file", "Its name is not that of an image.")
