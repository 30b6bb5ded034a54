"""What arrays of answers must look like before anything is computed from them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]
Counts = NDArray[np.int64]

# A float32 softmax can underflow to 0; its logarithm is taken of the smallest normal float32 instead.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)


def check_answers(probabilities: Floats, labels: Labels) -> None:
    """Refuse arrays that do not describe the same images, or that hold no probabilities.

    Args:
        probabilities: (batch, classes) float.
        labels: (batch,) int; true class index.

    Raises:
        ShapeError: wrong shapes, different lengths, a label that is no column, or a number that is not finite.
    """
    if probabilities.ndim != 2 or labels.ndim != 1 or len(probabilities) != len(labels):
        raise ShapeError(
            f"probabilities have the shape {probabilities.shape} and labels {labels.shape}",
            "Give (batch, classes) and (batch,) of the same images, in the same order.",
        )
    if len(labels) and not (labels.min() >= 0 and labels.max() < probabilities.shape[1]):
        raise ShapeError(
            f"labels run from {labels.min()} to {labels.max()}, but there are {probabilities.shape[1]} classes",
            "Labels are column numbers of the probabilities, from 0.",
        )
    if not np.isfinite(probabilities).all():
        row = int(np.flatnonzero(~np.isfinite(probabilities).all(axis=1))[0])
        raise ShapeError(
            f"the probabilities of image {row} are not all finite numbers", "Check the model that gave them."
        )


def check_same_length(first: NDArray[Any], second: NDArray[Any]) -> None:
    """Refuse two arrays that do not describe the same images.

    Raises:
        ShapeError: their lengths differ.
    """
    if len(first) != len(second):
        raise ShapeError(
            f"one array describes {len(first):,} images and the other {len(second):,}",
            "Give both for the same images, in the same order.",
        )


def mean_of_known(values: "list[float | None]") -> float | None:
    """The mean of the values that exist; None where none does.

    >>> mean_of_known([0.5, None, 1.0])
    0.75
    """
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
