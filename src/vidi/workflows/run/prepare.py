"""From images to arrays for training: check, split, and framing to another size."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.data.cache import PixelCache, cache_folder, pixels_key
from vidi.data.checked import DataCheck
from vidi.data.checking.check import check_dataset
from vidi.data.dataset import Dataset
from vidi.data.splitting.split import Split, split_dataset
from vidi.data.splitting.split_plan import SplitPlan
from vidi.errors import ResourceError
from vidi.files import escape_path
from vidi.images.framing import Framing, choose_framing
from vidi.images.pool import DecodeJob, read_images
from vidi.metrics.truth import Truth
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import decode_options, split_file_of
from vidi.workflows.interaction.run_folder import SPLITS
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.run.budget import Stopwatch
from vidi.workflows.run.read import FoundData


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitImages:
    """Images as one network sees them, and the part of each; nothing but `reframe` gives the same in another form."""

    found: FoundData
    check: DataCheck  # with the images that the split sets aside
    split: Split
    framing: Framing
    pixels: NDArray[np.uint8]  # (images, height, width, 3), in the order of `dataset.images`; read-only
    cache: PixelCache  # where they are kept; it knows which entries this run has used
    cache_key: str  # under which name
    truth: Truth

    @property
    def dataset(self) -> Dataset:
        """The images and their classes."""
        return self.found.dataset

    @property
    def request(self) -> DataRequest:
        """The user's options for the data."""
        return self.found.request


def split_images(
    found: FoundData,
    folder: Path,
    *,
    image_size: tuple[int, int],
    workers: int | None = None,
    events: Events = SILENCE,
) -> SplitImages:
    """Decode and check every image once, keep the framed pixels, and assign every usable image to a part.

    Args:
        found: what `find_images` gave; the sizes decide how images are framed.
        folder: where it holds a splits.csv, those assignments stay; else those of the user's file.
        image_size: (height, width) of the network's input, pixels.

    Raises:
        ResourceError: there is no room for the pixels.
        DataError: too little is left to learn from, or the user's split leaks.
    """
    request, dataset = found.request, found.dataset
    # A cache that cannot be written never stops a training, and is reported once.
    cache = PixelCache(cache_folder(), go_on=events.say)
    framing = choose_framing(found.sizes, image_size, mode=request.framing)
    options = decode_options(request)
    check = check_dataset(
        dataset, options=options, framing=framing, cache=cache, workers=workers, on_progress=events.reading
    )
    key = pixels_key([record.digest for record in check.records], framing, decoding=repr(options))
    pixels = cache.find(key, (len(dataset.images), *framing.size, 3))
    if pixels is None:
        raise ResourceError(
            f"the decoded images disappeared from {escape_path(cache.folder)}",
            "Start again, and do not clear the cache while vidi runs.",
        )
    plan = SplitPlan(
        parts=request.parts,
        allow_leaks=request.allow_leaks,
        frozen_test=request.split_file is not None,
    )
    own = folder / SPLITS
    split = split_dataset(dataset, check, plan=plan, previous=own if own.exists() else split_file_of(request))
    # The check sets both of two images in conflict aside, the split perhaps only one.
    used = [image.path for image, part in zip(dataset.images, split.parts, strict=True) if part]
    return SplitImages(
        found=found,
        check=replace(check, account=check.account.setting_aside(split.set_aside).using(used)),
        split=split,
        framing=framing,
        pixels=pixels,
        cache=cache,
        cache_key=key,
        truth=dataset.truth(),
    )


def reframe(images: SplitImages, image_size: tuple[int, int], *, watch: Stopwatch, events: Events) -> SplitImages:
    """Frame the same data to another size; images outside the cache are decoded again.

    Args:
        image_size: (height, width) of the network's input, pixels.

    Raises:
        ResourceError: no room for the pixels.
    """
    if image_size == images.framing.size:
        return images
    framing = choose_framing(images.found.sizes, image_size, mode=images.request.framing)
    options, named = decode_options(images.request), images.dataset.images
    key = pixels_key([record.digest for record in images.check.records], framing, decoding=repr(options))
    shape = (len(named), *framing.size, 3)
    pixels = images.cache.find(key, shape)
    if pixels is None:
        stream = read_images(
            images.dataset.store, [image.path for image in named], DecodeJob(framing=framing, options=options)
        )
        with watch.on("reading"), images.cache.building(shape) as building:
            for index, read in enumerate(stream):
                if read.image is not None and read.digest == images.check.records[index].digest:
                    building.pixels[index] = read.image
                events.reading(index + 1, len(named))
            pixels = building.keep(key)
    return replace(images, framing=framing, pixels=pixels, cache_key=key)


def forget_images(images: SplitImages) -> None:
    """Delete what this run has kept of the user's images outside its folder: pixels and features."""
    images.cache.remove_used()
