"""Whether a part of the images fares worse than the rest, by more than chance."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.arrays import Counts, Floats


def worse_by_chance(right: NDArray[np.bool_], inside: NDArray[np.bool_], groups: Counts) -> float:
    """p-value of a part of the images being worse than the rest if both were equally hard.

    Independent images: Fisher's exact test, one-sided. Where images belong together, whole groups count: the larger of
    Fisher's value with every group as so many images as it is worth, and of a t test with the spread between groups.

    Args:
        right: (images,) bool, whether each was classified correctly.
        inside: (images,) bool, which are in the part; there must be some inside and some outside.
        groups: (images,) int; images of one group stand or fall together.

    Source: Cameron, Gelbach and Miller 2008, Bootstrap-based improvements for inference with clustered errors, sec. 2.

    >>> right, inside = np.array([False] * 5 + [True] * 5), np.array([True] * 5 + [False] * 5)
    >>> round(worse_by_chance(right, inside, np.arange(10)), 6)
    0.003968
    """
    from scipy.stats import hypergeom, t

    (hits, count), (others_hits, others) = (_worth(right[side], groups[side]) for side in (inside, ~inside))
    exact = float(hypergeom.cdf(hits, count + others, hits + others_hits, count))
    if len(np.unique(groups)) == len(groups):
        return exact
    influence = np.where(
        inside, (right - right[inside].mean()) / inside.sum(), -(right - right[~inside].mean()) / (~inside).sum()
    )
    numbers = np.unique(groups, return_inverse=True)[1]
    spread = float(np.sqrt((np.bincount(numbers, weights=influence) ** 2).sum()))
    freedom = min(len(np.unique(groups[side])) for side in (inside, ~inside)) - 1
    if spread == 0 or freedom < 1:
        return exact
    difference = float(right[inside].mean() - right[~inside].mean())
    return max(exact, float(t.cdf(difference / spread, freedom)))


def _worth(right: NDArray[np.bool_], groups: Counts) -> tuple[int, int]:
    """How many images were right, of how many, in images that stand for themselves (Kish's effective number)."""
    sizes = np.unique(groups, return_counts=True)[1]
    units = len(right) ** 2 / float((sizes.astype(np.float64) ** 2).sum())
    return round(units * float(right.mean())), round(units)


def adjust_for_looks(chances: Sequence[float]) -> Floats:
    """Chances made larger for how many were looked at: below 0.05 none of them is a false alarm, 95 times in 100.

    Args:
        chances: one for each look.

    Returns:
        (looks,) float, each between its chance and 1.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.

    >>> adjust_for_looks([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(chances, np.float64)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, values[order] * np.arange(len(values), 0, -1)))
    return adjusted
