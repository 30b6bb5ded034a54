"""What the app knows of each image, as columns with one row for each: listed by a scan, found by a check, and kept."""

import contextlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vidi.data.cache import PixelCache
from vidi.data.checking.check import RULES
from vidi.data.checking.measured import MEASURED_BYTES
from vidi.data.dataset import Dataset
from vidi.data.readers.class_folders import NO_CLASS
from vidi.data.relabel import NO_LABEL
from vidi.errors import ResourceError
from vidi.files import digest_of
from vidi.images.store import FolderStore, ImageStore, stamp_within

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Ints = NDArray[np.int32]

LAYOUT = 2  # raised whenever the columns that are kept change
ODD = ("blank", "dark", "bright", "blurred", "tiny", "odd-shape")
FLAGS = ("unreadable", "exact-copies", "near-copies", "conflicting-labels", "suspect-labels", *ODD)  # by bit
BIT = {name: 1 << place for place, name in enumerate(FLAGS)}
ODD_BITS = sum(BIT[name] for name in ODD)
EXACT, NEAR, SAME_PHOTOGRAPH = range(3)  # rows of `Findings.groups`
DIGEST_BYTES = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageList:
    """The images of a source in the order of their paths, before any of them is decoded."""

    paths: Sequence[str]
    stamps: Sequence[str]  # change with a file's size or time; empty where nothing is known
    classes: tuple[str, ...]  # that the data names
    given: Ints  # (images,) the class that the data gives; -1: none
    is_test: Mask  # (images,) of the test part
    refused: Mapping[int, str]  # row → why the scan refuses the file
    store: ImageStore

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def row_of(self) -> Mapping[str, int]:
        """Path → row."""
        return {path: row for row, path in enumerate(self.paths)}

    @cached_property
    def folded(self) -> Sequence[str]:
        """The paths as they are searched."""
        return [path.casefold() for path in self.paths]

    @cached_property
    def by_name(self) -> Rows:
        """(images,) the rows in the order of their file names, whatever the folder."""
        keys = [path.rpartition("/")[2] for path in self.folded]
        return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)

    def is_as(self, other: Self) -> bool:
        """Whether both list the same files, which nobody has changed, with the same classes."""
        same = (self.paths, self.stamps, self.classes) == (other.paths, other.stamps, other.classes)
        return same and bool(np.array_equal(self.given, other.given))


def list_images(dataset: Dataset) -> ImageList:
    """The images of a data set, those without a class, and the files that its scan refused.

    Args:
        dataset: as it was read, without what people said of it.
    """
    new = [entry.path for entry in dataset.account.set_aside if entry.code in (NO_CLASS, NO_LABEL)]
    refused = {entry.path: entry.sentence for entry in dataset.account.refused}
    given = {image.path: next(iter(image.labels), -1) for image in dataset.images}
    tested = {image.path for image in dataset.images if image.part == "test"}
    paths = sorted({*given, *new, *refused}, key=lambda path: path.split("/"))
    return ImageList(
        paths=paths,
        stamps=[stamp_within(dataset.store, path) for path in paths],
        classes=dataset.classes,
        given=np.array([given.get(path, -1) for path in paths], np.int32),
        is_test=np.array([path in tested for path in paths], np.bool_),
        refused={row: refused[path] for row, path in enumerate(paths) if path in refused},
        store=dataset.store,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """What a check found of each image; the arrays of digests and suggestions may be filled before or after it."""

    digests: NDArray[np.uint8]  # (images, DIGEST_BYTES) SHA-256; zeros where it is not known
    is_known: Mask  # (images,) the digest
    sizes: NDArray[np.int64]  # (images, 3) height and width in pixels, and bytes
    flags: NDArray[np.int64]  # (images,) bits of `FLAGS` that no label settles: unreadable and odd images
    groups: Ints  # (3, images) number of the group of copies: exact, near, of one frame; -1: alone
    alike: Ints  # (images,) place in an order in which similar images are neighbours
    suggested: Ints  # (images,) the class that a pretrained network sees instead of its label; -1: none
    shares: NDArray[np.float32]  # (images,) its probability
    notes: dict[int, str]  # row → why it is unreadable, or what is odd about the file

    @classmethod
    def none_of(cls, images: ImageList) -> Self:
        """Before any check: only what the scan refused."""
        count = len(images)
        flags = np.zeros(count, np.int64)
        flags[list(images.refused)] = BIT["unreadable"]
        return cls(
            digests=np.zeros((count, DIGEST_BYTES), np.uint8),
            is_known=np.zeros(count, np.bool_),
            sizes=np.zeros((count, 3), np.int64),
            flags=flags,
            groups=np.full((3, count), -1, np.int32),
            alike=np.arange(count, dtype=np.int32),
            suggested=np.full(count, -1, np.int32),
            shares=np.zeros(count, np.float32),
            notes=dict(images.refused),
        )

    def carried_over(self, old: ImageList, new: ImageList) -> Self:
        """The same for another list of the images: of files that are there no more, or were changed, nothing."""
        found = type(self).none_of(new)
        pairs = [(row, old.row_of.get(path, -1)) for row, path in enumerate(new.paths)]
        kept = [(row, was) for row, was in pairs if was >= 0 and old.stamps[was] == new.stamps[row] != ""]
        rows, before = np.array(kept, np.int64).reshape(-1, 2).T
        for name in ("digests", "is_known", "sizes", "flags", "suggested", "shares"):
            getattr(found, name)[rows] = getattr(self, name)[before]
        found.groups[:, rows] = self.groups[:, before]
        found.notes.update({row: self.notes[was] for row, was in kept if was in self.notes})
        return found

    @property
    def is_complete(self) -> bool:
        """Whether every image was looked at."""
        return bool(((self.sizes[:, 0] > 0) | (self.flags & BIT["unreadable"] != 0)).all())

    def digest(self, row: int) -> str | None:
        """The SHA-256 of a file in hex; None where it is not known yet."""
        return self.digests[row].tobytes().hex() if self.is_known[row] else None

    def set_digest(self, row: int, digest: str) -> None:
        """Enter the digest of a file."""
        self.digests[row] = np.frombuffer(bytes.fromhex(digest), np.uint8)
        self.is_known[row] = True


def find_kept(cache: PixelCache, source: Path, *, at_once: bool) -> tuple[ImageList, Findings] | None:
    """What was kept of images when they were looked at last, without looking at them again; None without it.

    Args:
        cache: holds it.
        source: of the images.
        at_once: only where the images lie in a folder, so that they can be read before it is listed.
    """
    kept = cache.find_bytes(kept_key(source))
    if kept is None:
        return None
    with np.load(io.BytesIO(kept)) as arrays:
        told = json.loads(arrays["told"].tobytes())
        if at_once and not told["is_folder"]:
            return None
        images = ImageList(
            paths=_texts(arrays["paths"]),
            stamps=_texts(arrays["stamps"]),
            classes=tuple(told["classes"]),
            given=arrays["given"],
            is_test=arrays["is_test"],
            refused={int(row): sentence for row, sentence in told["refused"].items()},
            store=FolderStore(source),
        )
        notes = {int(row): sentence for row, sentence in told["notes"].items()}
        found = {name: arrays[name] for name in Findings.__slots__ if name != "notes"}
    return images, Findings(**found, notes=notes)


def keep(cache: PixelCache, source: Path, images: ImageList, found: Findings) -> None:
    """Keep both for the next start, if there is room."""
    stream = io.BytesIO()
    is_folder = images.store == FolderStore(source)
    told = {"is_folder": is_folder, "classes": images.classes, "refused": images.refused, "notes": found.notes}
    np.savez(
        stream,
        told=np.frombuffer(json.dumps(told).encode(), np.uint8),
        paths=_joined(images.paths),
        stamps=_joined(images.stamps),
        given=images.given,
        is_test=images.is_test,
        **{name: getattr(found, name) for name in Findings.__slots__ if name != "notes"},
    )
    with contextlib.suppress(ResourceError):
        cache.keep_bytes(kept_key(source), stream.getvalue())


def kept_key(source: Path, what: str = "columns") -> str:
    """Where what is kept of a folder lies in the cache."""
    return digest_of(json.dumps(["gallery", LAYOUT, RULES, MEASURED_BYTES, what, os.path.realpath(source)]).encode())


def _joined(texts: Iterable[str]) -> NDArray[np.uint8]:
    """Texts as bytes, each ended by a zero: no path holds one."""
    return np.frombuffer("".join(f"{text}\0" for text in texts).encode("utf-8", "surrogateescape"), np.uint8)


def _texts(joined: NDArray[np.uint8]) -> list[str]:
    return joined.tobytes().decode("utf-8", "surrogateescape").split("\0")[:-1]
