"""All images of a data set as one array: taken from the cache, or decoded into it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.data.cache import Building, PixelCache, pixels_key
from vidi.data.checked import CheckResult
from vidi.data.dataset import Dataset
from vidi.errors import DataError
from vidi.files import escape_path
from vidi.images.account import Entry
from vidi.images.framing import Framing
from vidi.images.limits import DecodeOptions
from vidi.images.pool import ReadImage, read_images

MOST_LOST = 0.01  # of the images, between check and training: beyond it the data is not what was checked
DEFAULT_OPTIONS = DecodeOptions()


@dataclass(frozen=True, slots=True)
class Pixels:
    """The framed pixels of a data set, one row for each of `dataset.images`."""

    images: NDArray[np.uint8]  # (images, height, width, 3), read-only, memory-mapped; rows not used are black
    lost: tuple[Entry, ...]  # images that vanished or changed after the check
    lost_rows: tuple[int, ...]  # their indexes: to be left out of every part


def read_pixels(
    dataset: Dataset,
    check: CheckResult,
    framing: Framing,
    *,
    cache: PixelCache,
    options: DecodeOptions = DEFAULT_OPTIONS,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Pixels:
    """The pixels of every image that the check found good.

    What the cache holds for the same files and framing is used; otherwise each file is decoded once more, and one
    that is gone or no longer the file that was checked is named, not used.

    Args:
        dataset: the images.
        check: the outcome of `check_dataset` on them, with the digest of each file.
        framing: the size and the rule.
        cache: where the pixels are kept.
        options: how images are decoded.
        workers: decoding processes; one for each core when left out.
        on_progress: called with (images done, images in all); not called where the cache has them.

    Raises:
        DataError: more than one image of a hundred is gone or has changed.
        ResourceError: no room for the pixels.
    """
    digests = [record.digest for record in check.records]
    key = pixels_key(digests, framing, decoding=repr(options))
    shape = (len(digests), *framing.size, 3)
    found = cache.find(key, shape)
    if found is not None:
        return Pixels(found, (), ())
    wanted = [index for index, digest in enumerate(digests) if digest is not None]
    with cache.building(shape) as building:
        stream = read_images(
            dataset.store,
            [dataset.images[index].path for index in wanted],
            framing=framing,
            options=options,
            workers=workers,
        )
        lost: dict[int, Entry] = {}
        for done, (index, read) in enumerate(zip(wanted, stream, strict=True), start=1):
            entry = _take(building, index, read, digests[index])
            if entry is not None:
                lost[index] = entry
            if on_progress is not None:
                on_progress(done, len(wanted))
        _refuse_another_data_set(dataset, lost, len(wanted))
        kept = [None if index in lost else digest for index, digest in enumerate(digests)]
        images = building.keep(pixels_key(kept, framing, decoding=repr(options)))
    return Pixels(images, tuple(lost.values()), tuple(lost))


def _take(building: Building, index: int, read: ReadImage, digest: str | None) -> Entry | None:
    """Keep the pixels, or say why not."""
    if read.error is not None:
        return Entry(read.path, read.error.code, f"Lost since the check: {read.error.cause}")
    if read.digest != digest or read.image is None:
        return Entry(read.path, "unreadable", "The file is another than the one that was checked.")
    building.pixels[index] = read.image
    return None


def _refuse_another_data_set(dataset: Dataset, lost: dict[int, Entry], wanted_count: int) -> None:
    if len(lost) > MOST_LOST * wanted_count:
        first = next(iter(lost.values()))
        raise DataError(
            f"{dataset.source}: {len(lost):,} of {wanted_count:,} images vanished or changed since the check, "
            f"the first of them {escape_path(first.path)}",
            "Start again when nothing writes to the folder any more.",
        )
