"""From what the user named to a source: one place that images and labels are read from, scanned, for every reader."""

import io
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from vidi.data.archives.members import ArchiveStore, is_archive_name
from vidi.data.archives.open import open_archive
from vidi.data.dataset import LabelledImage
from vidi.data.labels import ENDING as LABELS_ENDING
from vidi.data.readers.rows import TABLE_SUFFIXES
from vidi.errors import DataError, ImageError
from vidi.files import escape_path
from vidi.images.account import Entry
from vidi.images.limits import IGNORED
from vidi.images.scan import FoundFile, Scan, is_litter, is_other_file, scan_folder
from vidi.images.store import FolderStore, ImageStore


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
        """Every regular file but system litter and labels of people: images, and what lies beside them."""
        others = (entry.path for entry in self.scan.ignored if entry.code == "other-file")
        others = (path for path in others if not path.endswith(LABELS_ENDING))
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

    def lines(self, path: str) -> list[str]:
        """The lines of one text file."""
        return self.read(path).decode("utf-8", "replace").splitlines()

    def listed_names(self, names: Collection[str]) -> list[str]:
        """The class names that a file of one of these names holds, one a line, of the highest; none without a file."""
        for path in sorted(self.paths, key=lambda path: path.count("/")):
            if path.rpartition("/")[2].casefold() in names:
                return [line.strip() for line in self.lines(path) if line.strip()]
        return []


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
    left_out: list[LabelledImage] = field(default_factory=list)  # images with a label that people left out


# A reader gives None where the source is not of its kind.
Reader = Callable[[Source], Reading | None]


# Only these files and tables say something about images elsewhere; any other single file is no data set.
_ENTRY_SUFFIXES = (*TABLE_SUFFIXES, ".json", ".yaml", ".yml", ".bin", "ubyte", "ubyte.gz")


def open_source(path: Path, *, allow_outside: bool = False) -> Source:
    """Scan a folder, or the folder of one table or annotation file; nothing is decoded.

    Raises:
        DataError: the file is of no kind that names images and classes.
    """
    if is_archive_name(path.name) and path.is_file():
        return _archive_source(path)
    if path.is_dir():
        return _folder_source(path, None, allow_outside=allow_outside)
    if not path.is_file() or not path.name.casefold().endswith(_ENTRY_SUFFIXES):
        raise DataError(
            f"{escape_path(path)} is not a folder, and not a file that names images and their classes",
            "Name a folder of class folders, an archive, a table (.csv, .tsv, .jsonl, .parquet), a COCO file (.json) "
            "or a YOLO file (.yaml).",
        )
    return _folder_source(path.parent, path.name, allow_outside=allow_outside)


def _folder_source(folder: Path, entry: str | None, *, allow_outside: bool) -> Source:
    # Tables name their images themselves, so that the folder around them need not be walked.
    scanned = entry is None or not entry.casefold().endswith(TABLE_SUFFIXES)
    given = folder if entry is None else folder / entry
    try:
        scan = scan_folder(folder, allow_outside=allow_outside) if scanned else Scan()
    except ImageError as error:
        raise DataError(f"{escape_path(folder)}: {error.cause}", error.remedy) from error
    return Source(escape_path(given), scan, FolderStore(folder, allow_outside), folder, entry, allow_outside)


def _archive_source(path: Path) -> Source:
    """An archive as if it were a folder; litter and companions are left out by the same names as there."""
    store = open_archive(path)
    scan = Scan()
    for name, member in sorted(store.members.items(), key=lambda item: item[0].split("/")):  # as a folder is walked
        if any(is_litter(part) for part in name.split("/")):
            scan.ignored.append(Entry(name, "hidden", IGNORED["hidden"]))
        elif is_other_file(name):
            scan.ignored.append(Entry(name, "other-file", IGNORED["other-file"]))
        else:
            scan.files.append(FoundFile(name, member.size))
    return Source(escape_path(path), scan, store, folder=None)
