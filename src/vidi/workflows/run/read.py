"""The user's images, and what is known before decoding them at full size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidi.background import importing
from vidi.data.dataset import Dataset
from vidi.errors import DataError, ImageError
from vidi.files import escape_path
from vidi.images.decode import read_header
from vidi.images.framing import Framing
from vidi.images.pool import DecodeJob, read_images
from vidi.training.traits import DataTraits, mirrored_share
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import read_requested
from vidi.workflows.requests.data import DataRequest

SIZES_LOOKED_AT = 2_000  # images whose headers decide the framing: of more, this many evenly spaced ones
PIXELS_LOOKED_AT = 256  # images decoded to see whether all are grey, and whether they stay the same in a mirror
LOOKED_AT = Framing(size=(16, 16), mode="stretch")  # their size then
UNKNOWN_SIZE = (128, 128)  # taken where no image can be read; the check that follows says so
SHARE_LEARNED = 0.7  # of the images, where the split is vidi's own


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundData:
    """Data set with facts from its headers and a small sample."""

    request: DataRequest
    dataset: Dataset
    sizes: Sequence[tuple[int, int]]  # (height, width) of the images, or of a sample
    traits: DataTraits


def find_images(request: DataRequest) -> FoundData:
    """Find the requested images.

    Raises:
        UsageError: the source or a class is not there.
        DataError: there is nothing to learn from, or an image was forgotten that the request knows an answer about.
    """
    return _look_at(request, read_requested(request))


def find_while_importing(module: str, request: DataRequest, *, events: Events = SILENCE) -> FoundData:
    """Find the requested images while a module is imported that takes seconds, as all that need torch do.

    A wrong source is refused, and the first line is said, before that begins.

    Raises:
        UsageError: the source or a class is not there.
        DataError: there is nothing to learn from.
        ImportError: of the module.
    """
    dataset = read_requested(request)
    source, images, classes = escape_path(dataset.source), len(dataset.images), len(dataset.classes)
    events.say(f"reading {source}: {images:,} images of {classes:,} classes")
    with importing(module):
        return _look_at(request, dataset)


def _look_at(request: DataRequest, dataset: Dataset) -> FoundData:
    if request.labels_state not in (None, dataset.labels_state):
        raise DataError(
            f"an image of {escape_path(request.source)} was forgotten after this run began",
            "Start a new run: what the weights learned from an image stays in them.",
        )
    dataset = dataset.with_left_out()
    sizes = look_at_sizes(dataset)
    pinned = replace(request, labels_state=dataset.labels_state)  # the file of labels may grow while the run goes on
    return FoundData(request=pinned, dataset=dataset, sizes=sizes, traits=traits_of(dataset, sizes))


def look_at_sizes(dataset: Dataset) -> list[tuple[int, int]]:
    """Read (height, width) of the upright images from their headers; of many images, an even sample."""
    step = max(1, len(dataset.images) // SIZES_LOOKED_AT)
    sizes = []
    for image in dataset.images[::step]:
        try:
            sizes.append(read_header(dataset.store.read(image.path)).size)
        except ImageError:
            continue  # the check that follows decodes it, and names it
    return sizes


def traits_of(dataset: Dataset, sizes: Sequence[tuple[int, int]]) -> DataTraits:
    """Return the facts for choosing a recipe: counts, the usual size and a sample's traits."""
    sample = dataset.images[:: max(1, len(dataset.images) // PIXELS_LOOKED_AT)]
    seen = read_images(dataset.store, [image.path for image in sample], DecodeJob(framing=LOOKED_AT), isolated=False)
    read = [
        (one.image, min(image.labels, default=0))
        for one, image in zip(seen, sample, strict=True)
        if one.image is not None
    ]
    learned = sum(image.part in (None, "train") for image in dataset.images)
    shares = 1.0 if learned < len(dataset.images) else SHARE_LEARNED
    return traits_from(
        [image for image, _ in read],
        [label for _, label in read],
        sizes=sizes,
        image_count=round(learned * shares),
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
    """Return the facts for choosing a recipe from a sample of the images.

    Args:
        sample: framed small, (16, 16, 3) uint8 each; perhaps none.
        labels: the class of each.
        sizes: (height, width) of the images as they are.
        image_count: images that will be used for training.
        class_count: classes in all.
    """
    usual = np.median(np.array(sizes or [UNKNOWN_SIZE]), axis=0)
    return DataTraits(
        image_count=max(2, image_count),
        class_count=class_count,
        usual_size=(int(usual[0]), int(usual[1])),
        is_grey=bool(sample) and all(bool((image == image[:, :, :1]).all()) for image in sample),
        mirrored_share=mirrored_share(np.stack(sample), np.array(labels)) if sample else None,
    )
