"""The split that the user made, taken as named: which parts stand, and which are still to be cut from train."""

from collections.abc import Collection
from dataclasses import dataclass

from vidi.data.dataset import Dataset
from vidi.data.splitting.split_plan import EXTRA, PARTS, SplitPlan
from vidi.errors import DataError
from vidi.files import escape_path


@dataclass(frozen=True, slots=True)
class NamedParts:
    """The user's split after `--parts`; without one every image is free."""

    parts: tuple[str, ...]  # for each image; "" where vidi decides
    missing: frozenset[str]  # parts that are to be cut from the free images
    by_user: bool  # the user made a split


def name_parts(dataset: Dataset, plan: SplitPlan) -> NamedParts:
    """What each image's part is used as.

    `train` with one other part: that other is the test part. Validation and calibration that the user did not name
    are cut from train.

    Raises:
        DataError: images without a part beside images with one, no train part, or no other part.
    """
    if all(image.part is None for image in dataset.images):
        _refuse_unknown_parts(dataset, plan)
        return NamedParts(("",) * len(dataset.images), frozenset(PARTS), by_user=False)
    for image in dataset.images:
        if image.part is None:
            raise DataError(
                f"{escape_path(dataset.source)}: {escape_path(image.path)} has no part, but other images have one",
                "Set a part (train, validation, test) for every image, or for none.",
            )
    _refuse_unknown_parts(dataset, plan)
    used = [plan.parts.get(image.part or "", image.part or "") for image in dataset.images]
    named = frozenset(used)
    _refuse_half_a_split(dataset, named)
    others = named - {"train", EXTRA}
    if others == {"validation"} and "validation" not in plan.parts.values():
        used = ["test" if part == "validation" else part for part in used]
        named = named - {"validation"} | {"test"}
    parts = tuple("" if part == "train" else part for part in used)
    return NamedParts(parts, frozenset(PARTS) - named, by_user=True)


def _listed(names: Collection[str]) -> str:
    return ", ".join(map(escape_path, sorted(names)))


def _refuse_unknown_parts(dataset: Dataset, plan: SplitPlan) -> None:
    known = {image.part for image in dataset.images if image.part is not None}
    for name in plan.parts:
        if name not in known:
            raise DataError(
                f"--parts names {name!r}, but {escape_path(dataset.source)} has {_listed(known) or 'no parts'}",
                "Name a part that is there, or leave `--parts` out.",
            )


def _refuse_half_a_split(dataset: Dataset, named: frozenset[str]) -> None:
    if "train" not in named:
        raise DataError(
            f"{escape_path(dataset.source)} has the parts {_listed(named)}, but none to train on",
            "Name one, such as `--parts test=train`, or keep the images in plain class folders.",
        )
    if named <= {"train", EXTRA}:
        raise DataError(
            f"{escape_path(dataset.source)} has {_listed(named)}, but no part to test on",
            "Name one, such as `--parts extra=test`, or keep the images in plain class folders.",
        )
