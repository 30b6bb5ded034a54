"""How well a score puts the images of one class before all others, whatever the threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.arrays import Floats, check_same_length


@dataclass(frozen=True, slots=True)
class RocCurve:
    """Found images against false alarms at every threshold, from the strictest on; each (points,)."""

    false_positive_rate: Floats
    true_positive_rate: Floats


@dataclass(frozen=True, slots=True)
class PrecisionRecallCurve:
    """Precision against recall at every threshold, from the strictest on; each (points,)."""

    recall: Floats
    precision: Floats
    threshold: Floats


def roc_curve(scores: Floats, is_positive: NDArray[np.bool_]) -> RocCurve | None:
    """The receiver operating characteristic; None unless there are images of both kinds.

    Args:
        scores: (batch,) higher is more likely positive.
        is_positive: (batch,) bool.

    >>> roc_curve(np.array([0.9, 0.1]), np.array([True, False])).true_positive_rate
    array([0., 1., 1.])
    """
    hits, alarms, _ = _counts_by_threshold(scores, is_positive)
    if not len(hits) or not hits[-1] or not alarms[-1]:
        return None
    return RocCurve(
        false_positive_rate=np.concatenate([[0.0], alarms / alarms[-1]]),
        true_positive_rate=np.concatenate([[0.0], hits / hits[-1]]),
    )


def area_under_roc(scores: Floats, is_positive: NDArray[np.bool_]) -> float | None:
    """The chance that a positive image scores higher than a negative one, ties counting half; None without both.

    Source: Fawcett 2006, An introduction to ROC analysis, section 7.

    >>> area_under_roc(np.array([0.9, 0.8, 0.1]), np.array([True, False, False]))
    1.0
    """
    curve = roc_curve(scores, is_positive)
    return None if curve is None else float(np.trapezoid(curve.true_positive_rate, curve.false_positive_rate))


def precision_recall_curve(scores: Floats, is_positive: NDArray[np.bool_]) -> PrecisionRecallCurve | None:
    """Precision and recall at every threshold; None without positive images.

    >>> precision_recall_curve(np.array([0.9, 0.8, 0.1]), np.array([True, False, True])).precision
    array([1.        , 0.5       , 0.66666667])
    """
    hits, alarms, thresholds = _counts_by_threshold(scores, is_positive)
    if not len(hits) or not hits[-1]:
        return None
    return PrecisionRecallCurve(recall=hits / hits[-1], precision=hits / (hits + alarms), threshold=thresholds)


def average_precision(scores: Floats, is_positive: NDArray[np.bool_]) -> float | None:
    """The mean precision over the positive images, strictest threshold first; None without positive images.

    Source: Manning, Raghavan and Schuetze 2008, Introduction to information retrieval, section 8.4.

    >>> average_precision(np.array([0.9, 0.8, 0.1]), np.array([True, False, True]))
    0.8333333333333333
    """
    curve = precision_recall_curve(scores, is_positive)
    if curve is None:
        return None
    return float(np.sum(np.diff(curve.recall, prepend=0.0) * curve.precision))


def thinned(first: Floats, second: Floats, *, points: int = 100) -> tuple[list[float], list[float]]:
    """At most about `points` points of a curve, its ends always among them, for drawing.

    >>> thinned(np.arange(5.0), np.arange(5.0), points=3)
    ([0.0, 2.0, 4.0], [0.0, 2.0, 4.0])
    """
    rows = np.unique(np.linspace(0, len(first) - 1, min(points, len(first))).round().astype(np.int64))
    return [round(float(value), 5) for value in first[rows]], [round(float(value), 5) for value in second[rows]]


def _counts_by_threshold(scores: Floats, is_positive: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Hits, false alarms and the threshold after each group of equal scores, highest first."""
    check_same_length(scores, is_positive)
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(order) else np.zeros(0, np.intp)
    hits = np.cumsum(is_positive[order], dtype=np.float64)[ends]
    return hits, ends + 1 - hits, ordered[ends]
