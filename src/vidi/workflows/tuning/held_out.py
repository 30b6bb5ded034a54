"""Which images a search may use, and which are held out for the comparison at its end."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.errors import DataError
from vidi.groups import hold_out_share
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
            "the split has no validation images, so recipes cannot be compared",
            "Add images, or use a split with a validation part.",
        )
    if len(held_out) >= FEWEST:
        return SearchRows(train=train, validation=validation, held_out=held_out, held_out_from="calibration")
    groups = [split.groups[row] for row in train.tolist()]
    chosen = hold_out_share(prepared.truth.strata[train], groups, share=SHARE, seed=[0, 0x7E5])
    if not chosen.any():
        raise DataError(
            f"{len(train):,} training images are too few to hold some out for the final comparison",
            "Add images: tuning needs about ten independent images per class.",
        )
    return SearchRows(train=train[~chosen], validation=validation, held_out=train[chosen], held_out_from="train")
