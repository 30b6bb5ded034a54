"""From which probability on an image is called a class, so that a target is kept: enough found, right, or quiet."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.arrays import Counts, Floats, Labels, check_same_length
from vidi.metrics.selective import FIRST_SHARE, error_bound, find_sure_limit, images_for_error

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Threshold:
    """The score from which on an image is called the class, and what may be promised of it."""

    value: float | None  # None: no score keeps the target on these images, nothing is called the class
    bound: float | None  # of the target rate: at least, or of false alarms at most, so much; None: not known
    is_promised: bool  # the bound keeps the target


def threshold_for_recall(
    scores: Floats, is_positive: Mask, *, recall: float, groups: Counts | None = None
) -> Threshold:
    """Highest threshold that reaches this recall, at the 95 % level.

    The threshold is one of the class's own scores, and which one depends on their number alone; the share of the
    class above it then has an exact distribution, and the bound needs no correction for having chosen.

    Args:
        scores: (batch,) float; higher is more likely the class. Of images that the model was not trained on.
        is_positive: (batch,) bool; which images show the class.
        recall: 0 to 1, the share of them that is to be found.
        groups: (batch,) int; images of one group are not independent. Each its own by default.

    Returns:
        Where there are too few images for a promise, the threshold that keeps the target on these images.

    Raises:
        ShapeError: the two arrays do not describe the same images.

    Source: Wilks 1941, Determination of sample sizes for setting tolerance limits; the bound is Clopper's and
    Pearson's.

    >>> threshold_for_recall(np.arange(100) / 100, np.ones(100, bool), recall=0.95).value
    0.01
    """
    check_same_length(scores, is_positive)
    own = np.sort(scores[is_positive])
    if not len(own):
        return Threshold(None, None, False)
    units = _independent(groups, is_positive, len(own))
    missed, bound, is_promised = _errors_allowed(len(own), units, share=1 - recall)
    return Threshold(float(own[min(missed, len(own) - 1)]), 1 - bound, is_promised)


def threshold_for_false_alarms(
    scores: Floats, is_positive: Mask, *, share: float, groups: Counts | None = None
) -> Threshold:
    """The lowest threshold at which at most this share of the other images is called the class, at the 95 % level.

    Args:
        scores: (batch,) float; higher is more likely the class. Of images that the model was not trained on.
        is_positive: (batch,) bool; which images show the class.
        share: 0 to 1, of the images that do not show it.
        groups: (batch,) int; images of one group are not independent. Each its own by default.

    Returns:
        Where there are too few images for a promise, the threshold that keeps the target on these images.

    Raises:
        ShapeError: the two arrays do not describe the same images.

    >>> round(threshold_for_false_alarms(np.arange(100) / 100, np.zeros(100, bool), share=0.05).value, 6)
    0.98
    """
    check_same_length(scores, is_positive)
    others = -np.sort(-scores[~is_positive])
    if not len(others):
        return Threshold(None, None, False)
    units = _independent(groups, ~is_positive, len(others))
    alarms, bound, is_promised = _errors_allowed(len(others), units, share=share)
    value = float(np.nextafter(others[min(alarms, len(others) - 1)], np.inf))
    return Threshold(value if value <= 1 else None, bound, is_promised)


def threshold_for_precision(
    scores: Floats, is_positive: Mask, *, precision: float, groups: Counts | None = None
) -> Threshold:
    """Lowest threshold that reaches this precision, at the 95 % level.

    It holds where the class is as frequent as among these images.

    Args:
        scores: (batch,) probability of the class, calibrated. Of images that the model was not trained on.
        is_positive: (batch,) bool; which images show the class.
        precision: 0 to 1.
        groups: (batch,) int; images of one group are not independent. Each its own by default.

    Returns:
        Where nothing can be promised, the lowest threshold that keeps the target on these images, without a bound.

    Raises:
        ShapeError: the two arrays do not describe the same images.
    """
    expected = math.ceil(FIRST_SHARE * float(scores.sum()))  # a quarter of the images that should be called so
    limit = find_sure_limit(scores, is_positive, max_error=1 - precision, groups=groups, first=expected)
    if limit is not None:
        return Threshold(limit.threshold, 1 - limit.bound, True)
    order = np.argsort(-scores, kind="stable")
    falling, hits = scores[order], np.cumsum(is_positive[order])
    last = np.searchsorted(-falling, -falling, side="right")  # how many score at least as much
    kept = np.flatnonzero(hits[last - 1] >= precision * last) if len(scores) else np.zeros(0, np.int64)
    return Threshold(float(falling[kept[-1]]) if len(kept) else None, None, False)


def least_costly(probabilities: Floats, costs: Floats) -> Labels:
    """The answer that is cheapest to give, if the probabilities are right.

    Args:
        probabilities: (batch, classes) float, calibrated.
        costs: (classes, classes); what it costs to answer with the column's class where the row's is true.

    Source: Elkan 2001, The foundations of cost-sensitive learning, section 1.

    >>> least_costly(np.array([[0.2, 0.8]]), np.array([[0.0, 10.0], [1.0, 0.0]]))
    array([0])
    """
    cheapest: Labels = (probabilities @ costs).argmin(axis=1)
    return cheapest


def _errors_allowed(count: int, units: int, *, share: float) -> tuple[int, float, bool]:
    """How many of `count` may err, the bound on the true share then, and whether that keeps the target."""

    def bound(errors: int) -> float:
        return error_bound(errors * units / count, units)

    if units < images_for_error(share):
        errors = math.floor(share * count)
        return errors, bound(errors), False
    low, high = 0, count  # `low` keeps the target, `high` does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bound(middle) <= share else (low, middle)
    return low, bound(low), True


def _independent(groups: Counts | None, rows: Mask, count: int) -> int:
    """How many independent images there are among some."""
    return count if groups is None else len(np.unique(groups[rows]))
