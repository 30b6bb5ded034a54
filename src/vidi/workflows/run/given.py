"""Images that a Python caller holds, found and prepared as those of a data set are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidi.data.cache import PixelCache, cache_folder
from vidi.data.checked import DataCheck, ImageRecord
from vidi.data.dataset import Dataset, LabelledImage
from vidi.data.splitting.split import Split
from vidi.data.splitting.split_plan import SplitRule
from vidi.errors import DataError
from vidi.files import digest_of
from vidi.groups import join_links, links_of_equal, split_three_parts
from vidi.images.account import Account, Entry
from vidi.images.framing import choose_framing
from vidi.images.given import Given
from vidi.images.store import GivenFilesStore
from vidi.metrics.truth import OneClass, SeveralClasses, Truth
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.given import decode_given, look_at_given
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.run.prepare import SplitImages
from vidi.workflows.run.read import LOOKED_AT, PIXELS_LOOKED_AT, SIZES_LOOKED_AT, FoundData, traits_from

READER = "python"
LEAST_HELD_OUT = 20  # images in a held-out part: of fewer neither an epoch nor a temperature can be chosen


def as_truth(truth: NDArray[np.int64] | NDArray[np.bool_], *, class_count: int) -> Truth:
    """What a caller knows, as (images,) class indexes or (images, classes) of yes and no."""
    if truth.ndim == 2:
        return SeveralClasses.of(truth.astype(np.bool_))
    return OneClass(labels=truth.astype(np.int64), class_count=class_count)


def find_given(images: Sequence[Given], truth: Truth, *, classes: tuple[str, ...], name: str) -> FoundData:
    """The images as a data set, with what a sample of them shows; files are read where they are.

    Raises:
        DataError: none of them can be read.
    """
    sizes = look_at_given(images[:: max(1, len(images) // SIZES_LOOKED_AT)])
    if not sizes:
        raise DataError("none of the images can be read", "`vidi check` lists what is wrong with them.")
    step = max(1, len(images) // PIXELS_LOOKED_AT)
    seen = zip(decode_given(images[::step], LOOKED_AT), truth.strata[::step].tolist(), strict=True)
    sample = [(one[0], label) for one, label in seen if not isinstance(one, Entry)]
    traits = traits_from(
        [image for image, _ in sample],
        [label for _, label in sample],
        sizes=sizes,
        image_count=len(images),
        class_count=len(classes),
    )
    several = isinstance(truth, SeveralClasses)
    named = (
        LabelledImage(one if isinstance(one, str) else f"image {number}", frozenset(np.flatnonzero(shown).tolist()))
        for number, (one, shown) in enumerate(zip(images, truth.shown, strict=True))
    )
    dataset = Dataset(
        name=name,
        source=READER,
        reader=READER,
        classes=classes,
        images=tuple(named),
        store=GivenFilesStore(),
        multi_label=several,
    )
    asked = DataRequest(source=READER, multi_label=several)
    return FoundData(request=asked, dataset=dataset, sizes=sizes, traits=traits)


def prepare_given(
    images: Sequence[Given],
    found: FoundData,
    *,
    image_size: tuple[int, int],
    held_out: float,
    seed: int,
    groups: Sequence[str] | None,
    events: Events,
) -> SplitImages:
    """Frame every image once, and deal the parts; what cannot be used is named and left out.

    Args:
        image_size: (height, width) of the network's input, pixels.
        held_out: share of the images in each of the two held-out parts.
        groups: of each image; those of one group, and those that are equal once framed, stay together.

    Raises:
        DataError: fewer than two classes have usable images.
    """
    framing, truth = choose_framing(found.sizes, image_size), found.dataset.truth()
    pixels = np.zeros((len(images), *framing.size, 3), np.uint8)
    records: list[ImageRecord] = []
    for number, one in enumerate(decode_given(images, framing)):
        events.reading(number + 1, len(images))
        path = found.dataset.images[number].path
        if isinstance(one, Entry):
            records.append(ImageRecord(path, None, refusal=one))
            continue
        pixels[number], size = one
        records.append(ImageRecord(path, digest_of(pixels[number].tobytes()), size=size))
    usable = np.flatnonzero([record.refusal is None for record in records])
    refused = [record.refusal for record in records if record.refusal is not None]
    _require_two_classes(truth.at(usable), found.dataset.classes, len(refused))
    links = links_of_equal(record.digest for record in records)
    if groups is not None:
        links += links_of_equal(groups)
    names = [str(group) for group in join_links(len(images), links).tolist()]  # by name, as the folders' groups are
    assigned = split_three_parts(
        truth.strata[usable],
        [names[row] for row in usable.tolist()],
        share=held_out,
        least=LEAST_HELD_OUT,
        seed=seed,
    )
    parts = np.full(len(images), "", dtype="<U11")
    for part, rows in zip(("train", "validation", "calibration"), assigned, strict=True):
        parts[usable[rows]] = part
    share = round(100 * held_out)
    return SplitImages(
        found=found,
        check=DataCheck(
            records=tuple(records), near_duplicates=(), findings=(), account=Account(used=len(usable), refused=refused)
        ),
        split=Split(
            parts=tuple(parts.tolist()),
            groups=tuple(names),
            rule=SplitRule((100 - 2 * share, share, share, 0), seed),
            set_aside=(),
            assignments=(),
            leaks=(),
            suspect_test_rows=(),
            untested_classes=found.dataset.classes,
        ),
        framing=framing,
        pixels=pixels,
        cache=PixelCache(cache_folder()),  # nothing is kept
        cache_key="",
        truth=truth,
    )


def _require_two_classes(truth: Truth, classes: Sequence[str], refused: int) -> None:
    shown = np.flatnonzero(truth.class_sizes)
    if len(shown) < 2:
        found = f"only {classes[shown[0]]!r} has" if len(shown) else "no class has"
        others = f"; {refused:,} images cannot be used" if refused else ""
        raise DataError(f"{found} usable images{others}", "Use images of at least two classes.")
