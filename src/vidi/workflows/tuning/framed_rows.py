"""Some images of a data set at any size: whoever holds this reaches those images and no others."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidi.data.cache import PixelCache, pixels_key
from vidi.errors import DataError
from vidi.files import escape_path
from vidi.groups import hold_out_share
from vidi.images.framing import Framing, choose_framing
from vidi.images.limits import DecodeOptions
from vidi.images.pool import DecodeJob, read_images
from vidi.images.store import ImageStore
from vidi.metrics.truth import Truth
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.run.prepare import SplitImages

COPIED_TOGETHER = 256  # images
SHARE = 0.2  # of the training images, where the split has no part for calibration
FEWEST = 20  # of a calibration part: fewer could show nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class FramedRows:
    """Some images, decoded once for each size and kept in the cache."""

    store: ImageStore
    paths: tuple[str, ...]
    digests: tuple[str | None, ...]
    truth: Truth
    sizes: Sequence[tuple[int, int]]  # (height, width) of the data set's images; they decide how all are framed
    mode: Literal["stretch", "pad", "crop"] | None  # what the user asked for
    options: DecodeOptions
    workers: int | None
    cache: PixelCache
    keys: set[str] = field(default_factory=set)  # under which pixels were put into the cache
    held: dict[tuple[int, int], NDArray[np.uint8]] = field(default_factory=dict)  # what was asked for before

    def at(self, size: tuple[int, int], on_progress: Callable[[int, int], None] | None = None) -> NDArray[np.uint8]:
        """(images, height, width, 3) uint8, memory-mapped.

        Raises:
            DataError: a file is not there any more, or is another one.
            ResourceError: no room in the cache.
        """
        if size not in self.held:
            self.held[size] = self._read(choose_framing(self.sizes, size, mode=self.mode), on_progress)
        return self.held[size]

    def _read(self, framing: Framing, on_progress: Callable[[int, int], None] | None) -> NDArray[np.uint8]:
        """From the cache, where they are there, else from the files."""
        key, shape = self._key(framing), (len(self.paths), *framing.size, 3)
        found = self.cache.find(key, shape)
        if found is not None:
            return found
        stream = read_images(
            self.store, self.paths, DecodeJob(framing=framing, options=self.options), workers=self.workers
        )
        with self.cache.building(shape) as building:
            for index, read in enumerate(stream):
                if read.image is None or read.digest != self.digests[index]:
                    raise DataError(
                        f"{escape_path(read.path)} has changed since the search began",
                        "Restore the image, then continue the search.",
                    )
                building.pixels[index] = read.image
                if on_progress is not None:
                    on_progress(index + 1, len(self.paths))
            return building.keep(key)

    def take(self, pixels: NDArray[np.uint8], rows: NDArray[np.int64], framing: Framing) -> None:
        """Copy images that are decoded already, so that `at` finds them.

        Args:
            pixels: of the whole data set.
            rows: which of them are these images.
        """
        key, shape = self._key(framing), (len(rows), *framing.size, 3)
        if self.cache.find(key, shape) is None:
            with self.cache.building(shape) as building:
                for start in range(0, len(rows), COPIED_TOGETHER):
                    some = slice(start, start + COPIED_TOGETHER)
                    building.pixels[some] = pixels[rows[some]]
                building.keep(key)

    def seconds_to_read(self, size: tuple[int, int], *, sample: int) -> float:
        """About how long decoding all of them takes, from a sample."""
        some = self.paths[:: max(1, len(self.paths) // sample)][:sample]
        framing = choose_framing(self.sizes, size, mode=self.mode)
        began = time.monotonic()
        for _ in read_images(self.store, some, DecodeJob(framing=framing, options=self.options), isolated=False):
            pass
        return (time.monotonic() - began) * len(self.paths) / max(1, len(some))

    def forget(self) -> None:
        """Delete these pixels from the cache."""
        for key in self.keys:
            self.cache.remove(key)

    def _key(self, framing: Framing) -> str:
        key = pixels_key(self.digests, framing, decoding=repr(self.options))
        self.keys.add(key)
        return key


def framed_rows(
    images: SplitImages,
    rows: NDArray[np.int64],
    *,
    sizes: Sequence[tuple[int, int]],
    workers: int | None,
    cache: PixelCache,
) -> FramedRows:
    """These rows of a prepared data set and nothing else of it; at its own size without decoding again."""
    records = [images.check.records[row] for row in rows.tolist()]
    framed = FramedRows(
        store=images.dataset.store,
        paths=tuple(record.path for record in records),
        digests=tuple(record.digest for record in records),
        truth=images.truth.at(rows),
        sizes=sizes,
        mode=images.request.framing,
        options=decode_options(images.request),
        workers=workers,
        cache=cache,
    )
    framed.take(images.pixels, rows, images.framing)
    return framed


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRows:
    """Rows of the data set; the test part is in none of them."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    held_out: NDArray[np.int64]
    held_out_from: str  # calibration or train


def choose_rows(images: SplitImages) -> SearchRows:
    """Train and validation for the trials; calibration, or a fifth of train in whole groups, for the comparison.

    Raises:
        DataError: there are too few images for that.
    """
    split = images.split
    train, validation, held_out = (split.rows(part) for part in ("train", "validation", "calibration"))
    if not len(validation):
        raise DataError(
            "the split has no validation images, so recipes cannot be compared",
            "Add images, or use a split with a validation part.",
        )
    if len(held_out) >= FEWEST:
        return SearchRows(train=train, validation=validation, held_out=held_out, held_out_from="calibration")
    groups = [split.groups[row] for row in train.tolist()]
    chosen = hold_out_share(images.truth.strata[train], groups, share=SHARE, seed=[0, 0x7E5])
    if not chosen.any():
        raise DataError(
            f"{len(train):,} training images are too few to hold some out for the final comparison",
            "Add images: tuning needs about ten independent images per class.",
        )
    return SearchRows(train=train[~chosen], validation=validation, held_out=train[chosen], held_out_from="train")
