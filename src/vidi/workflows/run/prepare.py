"""From what the user named to arrays that training may see: read, frame, check, split."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vidi.data.cache import PixelCache, cache_folder, pixels_key
from vidi.data.checked import CheckResult
from vidi.data.checking.check import check_dataset
from vidi.data.checking.kept import reading_keys
from vidi.data.dataset import Dataset
from vidi.data.splitting.split import Split, split_dataset
from vidi.data.splitting.split_plan import SplitPlan
from vidi.errors import ImageError, ResourceError, UsageError
from vidi.files import escape_path
from vidi.images.decode import read_header
from vidi.images.framing import Framing, choose_framing
from vidi.images.pool import read_images
from vidi.metrics.truth import OneClass, SeveralClasses, Truth
from vidi.training.defaults import LARGEST_COMPACT_SIDE, DataTraits
from vidi.training.mirror import mirrored_share
from vidi.workflows.interaction.request import DataRequest, decode_options, split_file_of
from vidi.workflows.run.start import Start

SIZES_LOOKED_AT = 2_000  # images whose headers decide the framing: of more, this many evenly spaced ones
PIXELS_LOOKED_AT = 256  # images decoded to see whether all are grey, and whether they stay the same in a mirror
LOOKED_AT = Framing(size=(16, 16), mode="stretch")  # their size then
SHARE_LEARNT = 0.7  # of the images, where the split is vidi's own


Begin = Callable[[NDArray[np.int64]], Mapping[str, Tensor]]  # rows to learn a head from → the network's tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Data ready to be learnt from."""

    request: DataRequest
    dataset: Dataset
    check: CheckResult
    split: Split
    framing: Framing
    pixels: NDArray[np.uint8]  # (images, height, width, 3), in the order of `dataset.images`
    labels: NDArray[np.int64]  # (images,), or what images of a multi-label set are dealt by: `Dataset.strata`
    cache_key: str  # of the pixels in the cache
    cached: list[str]  # every key of the cache that this run has used, at whatever size; shared by its copies
    sizes: Sequence[tuple[int, int]]  # (height, width) of the images, or of a sample
    start: Start | None = None  # weights to begin from
    begin: Begin | None = None  # the same for fine-tuning: a whole network, whose head knows the given images alone
    targets: NDArray[np.bool_] | None = None  # (images, classes), of a multi-label set
    left_out: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # of the train part: not learnt

    @property
    def truth(self) -> Truth:
        """What each image shows."""
        if self.targets is not None:
            return SeveralClasses(shown=self.targets, strata=self.labels)
        return OneClass(labels=self.labels, class_count=len(self.dataset.classes))


def prepare(
    dataset: Dataset,
    request: DataRequest,
    *,
    sizes: Sequence[tuple[int, int]],
    image_size: tuple[int, int],
    own: Path,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Decode every image once, check, split, and keep the framed pixels.

    Args:
        dataset: what `read_requested` gave.
        request: what the user said.
        sizes: what `look_at_sizes` gave; they decide how images are framed.
        image_size: (height, width) of the network's input, pixels.
        own: the run's splits.csv; where it exists its assignments stay, else those of the user's file.
        workers: decoding processes.
        on_progress: called with (images done, images in all).

    Raises:
        DataError: too little is left to learn from, or the user's split leaks.
    """
    framing = choose_framing(sizes, image_size, mode=request.framing)
    options = decode_options(request)
    cache = PixelCache(cache_folder())
    check = check_dataset(
        dataset, options=options, framing=framing, cache=cache, workers=workers, on_progress=on_progress
    )
    plan = SplitPlan(seed=request.split_seed, parts=request.parts, allow_leaks=request.allow_leaks)
    split = split_dataset(dataset, check, plan=plan, previous=own if own.exists() else split_file_of(request))
    check = replace(check, account=check.account.setting_aside(split.set_aside))
    key = pixels_key([record.digest for record in check.records], framing, decoding=repr(options))
    pixels = cache.find(key, (len(dataset.images), *framing.size, 3))
    if pixels is None:
        raise ResourceError(
            f"the decoded pixels vanished from {escape_path(cache.folder)}",
            "Start again; keep the cache while vidi runs.",
        )
    return Prepared(
        request=request,
        dataset=dataset,
        check=check,
        split=split,
        framing=framing,
        pixels=pixels,
        labels=np.array(dataset.strata(), dtype=np.int64),
        targets=dataset.targets() if dataset.multi_label else None,
        cache_key=key,
        cached=[key, *reading_keys([image.path for image in dataset.images], framing=framing, options=options)],
        sizes=sizes,
    )


def reframe(
    prepared: Prepared, image_size: tuple[int, int], *, on_progress: Callable[[int, int], None] | None = None
) -> Prepared:
    """The same data framed to another size; every image is decoded once more, unless the cache has it.

    Args:
        prepared: of `prepare`.
        image_size: (height, width) of the network's input, pixels.
        on_progress: called with (images done, images in all).

    Raises:
        ResourceError: no room for the pixels.
    """
    if image_size == prepared.framing.size:
        return prepared
    framing = choose_framing(prepared.sizes, image_size, mode=prepared.request.framing)
    options, images = decode_options(prepared.request), prepared.dataset.images
    cache = PixelCache(cache_folder())
    key = pixels_key([record.digest for record in prepared.check.records], framing, decoding=repr(options))
    shape = (len(images), *framing.size, 3)
    pixels = cache.find(key, shape)
    if pixels is None:
        stream = read_images(prepared.dataset.store, [image.path for image in images], framing=framing, options=options)
        with cache.building(shape) as building:
            for index, read in enumerate(stream):
                if read.image is not None and read.digest == prepared.check.records[index].digest:
                    building.pixels[index] = read.image
                if on_progress is not None:
                    on_progress(index + 1, len(images))
            pixels = building.keep(key)
    prepared.cached.append(key)
    return replace(prepared, framing=framing, pixels=pixels, cache_key=key)


def look_at_sizes(dataset: Dataset) -> list[tuple[int, int]]:
    """(height, width) of the images, upright, from their headers; of many images, of evenly spaced ones."""
    step = max(1, len(dataset.images) // SIZES_LOOKED_AT)
    sizes = []
    for image in dataset.images[::step]:
        try:
            sizes.append(read_header(dataset.store.read(image.path)).size)
        except ImageError:
            continue  # the check that follows decodes it, and names it
    return sizes


def traits_of(dataset: Dataset, sizes: Sequence[tuple[int, int]]) -> DataTraits:
    """What the choice of a recipe looks at: counts, the usual size, and what a sample of the images looks like."""
    sample = dataset.images[:: max(1, len(dataset.images) // PIXELS_LOOKED_AT)]
    seen = read_images(dataset.store, [image.path for image in sample], framing=LOOKED_AT, isolated=False)
    read = [
        (one.image, min(image.labels, default=0))
        for one, image in zip(seen, sample, strict=True)
        if one.image is not None
    ]
    learnt = sum(image.part in (None, "train") for image in dataset.images)
    shares = 1.0 if learnt < len(dataset.images) else SHARE_LEARNT
    return traits_from(
        [image for image, _ in read],
        [label for _, label in read],
        sizes=sizes,
        image_count=round(learnt * shares),
        class_count=len(dataset.classes),
    )


def traits_from(
    sample: Sequence[NDArray[np.uint8]],
    labels: Sequence[int],
    *,
    sizes: Sequence[tuple[int, int]],
    image_count: int,
    class_count: int,
) -> DataTraits:
    """What the choice of a recipe looks at, from a sample of the images.

    Args:
        sample: framed small, (16, 16, 3) uint8 each; perhaps none.
        labels: the class of each.
        sizes: (height, width) of the images as they are.
        image_count: images that will be learnt from.
        class_count: classes in all.
    """
    usual = np.median(np.array(sizes or [(LARGEST_COMPACT_SIDE, LARGEST_COMPACT_SIDE)]), axis=0)
    return DataTraits(
        image_count=max(2, image_count),
        class_count=class_count,
        usual_size=(int(usual[0]), int(usual[1])),
        is_grey=bool(sample) and all(bool((image == image[:, :, :1]).all()) for image in sample),
        mirrored_share=mirrored_share(np.stack(sample), np.array(labels)) if sample else None,
    )


def parse_image_size(text: str) -> tuple[int, int]:
    """What `--imgsz` says: `128` or `HEIGHTxWIDTH`.

    Raises:
        UsageError: it says something else.

    >>> parse_image_size("128x64")
    (128, 64)
    """
    pieces = text.lower().split("x")
    if len(pieces) > 2 or not all(piece.strip().isdigit() for piece in pieces):
        raise UsageError(f"--imgsz {text!r} is no size", "Write one number, or HEIGHTxWIDTH such as 128x64.")
    height, width = int(pieces[0]), int(pieces[-1])
    if not (8 <= height <= 1024 and 8 <= width <= 1024):
        raise UsageError(f"--imgsz {text} is out of range", "Each side may have 8 to 1,024 pixels.")
    return height, width
