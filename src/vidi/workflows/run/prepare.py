"""From images to arrays for training: check, split, and framing to another size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vidi.data.cache import pixels_key
from vidi.data.checked import CheckResult
from vidi.data.checking.check import check_dataset
from vidi.data.dataset import Dataset
from vidi.data.splitting.split import Split, split_dataset
from vidi.data.splitting.split_plan import SplitPlan
from vidi.errors import ResourceError
from vidi.files import escape_path
from vidi.images.account import Account
from vidi.images.framing import Framing, choose_framing
from vidi.images.pool import DecodeJob, read_images
from vidi.metrics.truth import Truth
from vidi.training.recipe import Recipe
from vidi.workflows.interaction.request import decode_options, split_file_of
from vidi.workflows.interaction.run_folder import SPLITS
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.run.context import Context
from vidi.workflows.run.read import Found
from vidi.workflows.run.start import Start


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedImages:
    """Images decoded once: the result of the check, and their pixels."""

    found: Found
    check: CheckResult
    framing: Framing
    pixels: NDArray[np.uint8]  # (images, height, width, 3), in the order of `dataset.images`
    cache_key: str  # of the pixels in the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What fine-tuning begins from."""

    recipe: Recipe  # of the head, with the network that is fine-tuned
    tensors: Callable[[NDArray[np.int64]], Mapping[str, Tensor]]  # its own, with a head fitted on the given rows alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Data ready for training; it never changes, and a step that changes something returns a new one."""

    found: Found
    check: CheckResult  # with the images that the split sets aside
    split: Split
    framing: Framing
    pixels: NDArray[np.uint8]  # (images, height, width, 3), in the order of `dataset.images`; read-only
    cache_key: str  # of the pixels in the cache
    truth: Truth
    start: Start | None = None  # weights to begin from
    begin: Beginning | None = None  # the same for fine-tuning
    left_out: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # of the train part: not learned

    @property
    def dataset(self) -> Dataset:
        """The images and their classes."""
        return self.found.dataset

    @property
    def request(self) -> DataRequest:
        """The user's options for the data."""
        return self.found.request


def check_images(
    found: Found, context: Context, *, image_size: tuple[int, int], workers: int | None = None
) -> CheckedImages:
    """Decode and check every image once, and keep the framed pixels.

    Args:
        found: what `find_images` gave; the sizes decide how images are framed.
        context: its cache keeps the pixels, its events receive the progress.
        image_size: (height, width) of the network's input, pixels.
        workers: decoding processes.

    Raises:
        ResourceError: there is no room for the pixels.
    """
    context.watch.turn_to("reading")
    dataset, cache = found.dataset, context.cache
    framing = choose_framing(found.sizes, image_size, mode=found.request.framing)
    options = decode_options(found.request)
    check = check_dataset(
        dataset, options=options, framing=framing, cache=cache, workers=workers, on_progress=context.events.reading
    )
    key = pixels_key([record.digest for record in check.records], framing, decoding=repr(options))
    pixels = cache.find(key, (len(dataset.images), *framing.size, 3))
    if pixels is None:
        raise ResourceError(
            f"the decoded images disappeared from {escape_path(cache.folder)}",
            "Start again, and do not clear the cache while vidi runs.",
        )
    return CheckedImages(found=found, check=check, framing=framing, pixels=pixels, cache_key=key)


def split_images(checked: CheckedImages, context: Context) -> Prepared:
    """Assign every usable image to a part: train, validation, calibration or test.

    Args:
        checked: of `check_images`.
        context: where its folder holds a splits.csv, those assignments stay; else those of the user's file.

    Raises:
        DataError: too little is left to learn from, or the user's split leaks.
    """
    request, dataset = checked.found.request, checked.found.dataset
    plan = SplitPlan(
        parts=request.parts,
        allow_leaks=request.allow_leaks,
        frozen_test=request.split_file is not None,
    )
    own = context.folder / SPLITS
    split = split_dataset(dataset, checked.check, plan=plan, previous=own if own.exists() else split_file_of(request))
    return Prepared(
        found=checked.found,
        check=replace(checked.check, account=_account(checked, split)),
        split=split,
        framing=checked.framing,
        pixels=checked.pixels,
        cache_key=checked.cache_key,
        truth=dataset.truth(),
    )


def _account(checked: CheckedImages, split: Split) -> Account:
    """What became of every file: the check sets both of two images in conflict aside, the split perhaps only one."""
    images = checked.found.dataset.images
    used = [image.path for image, part in zip(images, split.parts, strict=True) if part]
    return checked.check.account.setting_aside(split.set_aside).using(used)


def reframe(prepared: Prepared, image_size: tuple[int, int], context: Context) -> Prepared:
    """Frame the same data to another size; images outside the cache are decoded again.

    Args:
        prepared: of `split_images`.
        image_size: (height, width) of the network's input, pixels.
        context: its cache keeps the pixels, its events receive the progress.

    Raises:
        ResourceError: no room for the pixels.
    """
    if image_size == prepared.framing.size:
        return prepared
    framing = choose_framing(prepared.found.sizes, image_size, mode=prepared.request.framing)
    options, images = decode_options(prepared.request), prepared.dataset.images
    key = pixels_key([record.digest for record in prepared.check.records], framing, decoding=repr(options))
    shape = (len(images), *framing.size, 3)
    pixels = context.cache.find(key, shape)
    if pixels is None:
        stream = read_images(
            DecodeJob(store=prepared.dataset.store, framing=framing, options=options), [image.path for image in images]
        )
        with context.watch.on("reading"), context.cache.building(shape) as building:
            for index, read in enumerate(stream):
                if read.image is not None and read.digest == prepared.check.records[index].digest:
                    building.pixels[index] = read.image
                context.events.reading(index + 1, len(images))
            pixels = building.keep(key)
    return replace(prepared, framing=framing, pixels=pixels, cache_key=key)
