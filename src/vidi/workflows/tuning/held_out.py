"""Which images a search may use, and which are held out for the comparison at its end."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.errors import DataError
from vidi.workflows.run.prepare import Prepared

SHARE = 0.2  # of the training images, where the split has no part for calibration
FEWEST = 20  # of a calibration part: fewer could show nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRows:
    """Rows of the data set; the test part is in none of them."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    held_out: NDArray[np.int64]
    held_out_from: str  # calibration or train


def choose_rows(prepared: Prepared) -> SearchRows:
    """Train and validation for the trials; calibration, or a fifth of train in whole groups, for the comparison.

    Raises:
        DataError: there are too few images for that.
    """
    split = prepared.split
    train, validation, held_out = (split.rows(part) for part in ("train", "validation", "calibration"))
    if not len(validation):
        raise DataError(
            "the split has no image for validation, so that no recipe can be told from another",
            "Add images, or give a split with a validation part.",
        )
    if len(held_out) >= FEWEST:
        return SearchRows(train=train, validation=validation, held_out=held_out, held_out_from="calibration")
    groups = [split.groups[row] for row in train.tolist()]
    chosen = set_aside(prepared.labels[train], groups, share=SHARE, seed=prepared.request.split_seed)
    if not chosen.any():
        raise DataError(
            f"{len(train):,} images to learn from are too few to hold some out for a comparison",
            "Tuning needs about ten independent images of each class; add images first.",
        )
    return SearchRows(train=train[~chosen], validation=validation, held_out=train[chosen], held_out_from="train")


def set_aside(labels: NDArray[np.int64], groups: Sequence[str], *, share: float, seed: int) -> NDArray[np.bool_]:
    """Which images to set aside, (images,) bool: of each class at most its share, whole groups at a time.

    Args:
        labels: (images,) class of each.
        groups: the group of each; the order of the images does not matter.
        share: of each class, rounded down.
        seed: decides which groups.
    """
    members: dict[str, list[int]] = {}
    for index, name in enumerate(groups):
        members.setdefault(name, []).append(index)
    left = np.floor(share * np.bincount(labels)).astype(np.int64)
    chosen = np.zeros(len(labels), np.bool_)
    names = sorted(members)
    for number in np.random.default_rng([seed, 0x7E5]).permutation(len(names)).tolist():
        rows = members[names[number]]
        counts = Counter(labels[rows].tolist())
        if all(count <= left[label] for label, count in counts.items()):
            chosen[rows] = True
            for label, count in counts.items():
                left[label] -= count
    return chosen
