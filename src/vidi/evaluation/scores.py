"""The figures that come from counting images and averaging over them, each with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.evaluation.evaluation import Estimate
from vidi.metrics.arrays import Counts, Floats, Labels
from vidi.metrics.classification import ClassCounts, count_classes, f1_scores, precisions, recalls
from vidi.metrics.intervals import Interval, bootstrap_intervals, f1_interval, mean_interval, wilson_interval

MACRO = slice(1, 3)  # macro precision and macro F1 in the row of figures, after balanced accuracy


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures over all images, and for each class."""

    balanced_accuracy: Estimate
    macro_precision: Estimate
    macro_f1: Estimate
    shares: tuple[Estimate, ...]  # one for each column of `share_values`
    means: tuple[Estimate, ...]  # one for each column of `mean_values`
    recalls: tuple[Estimate, ...]
    precisions: tuple[Estimate, ...]
    f1s: tuple[Estimate, ...]


def number_groups(groups: Sequence[object] | None, image_count: int) -> Counts:
    """The group of each image as a number; an image without a group is one of its own.

    Raises:
        ShapeError: there are not as many groups as images.

    >>> number_groups(["ann", None, "ann", ""], 4)
    array([0, 1, 0, 2])
    """
    if groups is None:
        return np.arange(image_count)
    if len(groups) != image_count:
        raise ShapeError(
            f"groups are given for {len(groups):,} of {image_count:,} images",
            "Give one group, or None, for each image.",
        )
    numbers: dict[object, int] = {}
    keys = [(row, None) if group is None or group == "" else group for row, group in enumerate(groups)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def score_images(
    predicted: Labels,
    labels: Labels,
    *,
    class_count: int,
    groups: Counts,
    share_values: NDArray[np.bool_],
    mean_values: Floats,
    random: np.random.Generator,
) -> Scores:
    """Count and average, with intervals: closed forms for independent images, the bootstrap for grouped ones.

    Args:
        predicted: (batch,) int class index.
        labels: (batch,) int class index.
        class_count: how many classes there are.
        groups: (batch,) int; images of one group are drawn together.
        share_values: (batch, shares) bool; the share of True is estimated, as for accuracy.
        mean_values: (batch, means) float; the mean is estimated, as for log loss.
        random: for the resampling.
    """
    values = np.concatenate([share_values, mean_values], axis=1).astype(np.float64)

    def figures(weights: Floats) -> Floats:
        counts = count_classes(predicted, labels, class_count=class_count, weights=weights)
        means = weights @ values / weights.sum() if len(weights) else np.full(values.shape[1], np.nan)
        return _row_of_figures(counts, means)

    counts = count_classes(predicted, labels, class_count=class_count)
    group_count = len(np.unique(groups))
    is_grouped = group_count < len(labels)
    # Where the bootstrap sees no spread (no errors, one group), each group counts as one image in the closed forms.
    closed = _closed_forms(
        counts, share_values.sum(axis=0), mean_values.shape[1], weight=group_count / len(labels) if is_grouped else 1.0
    )
    resampled = bootstrap_intervals(figures, groups, random=random) or [None] * len(closed)
    intervals = [_choose(*both, is_grouped=is_grouped) for both in zip(closed, resampled, strict=True)]
    if not is_grouped:  # errors of different classes hang together, which the closed form of a mean does not see
        intervals[MACRO] = [
            one and one.around(other) for one, other in zip(closed[MACRO], resampled[MACRO], strict=True)
        ]
    image_counts = [len(labels)] * (3 + values.shape[1])
    for column in (counts.images, counts.calls, counts.images):
        image_counts += column.astype(int).tolist()
    estimates = [
        Estimate(None if np.isnan(value) else float(value), interval, n)
        for value, interval, n in zip(figures(np.ones(len(labels))), intervals, image_counts, strict=True)
    ]
    return _name(estimates, share_count=share_values.shape[1], mean_count=mean_values.shape[1], class_count=class_count)


def _row_of_figures(counts: ClassCounts, means: Floats) -> Floats:
    """Balanced accuracy, macro precision, macro F1, the means, then recall, precision and F1 of each class."""
    tables = [np.array(score(counts), dtype=np.float64) for score in (recalls, precisions, f1_scores)]  # None is NaN
    overall = [table[~np.isnan(table)].mean() if not np.isnan(table).all() else np.nan for table in tables]
    return np.concatenate([overall, means, *tables])


def _closed_forms(counts: ClassCounts, share_hits: Counts, mean_count: int, *, weight: float) -> list[Interval | None]:
    """The intervals that need no resampling, in the order of the row of figures; None where there is none."""
    hits, images, calls = weight * counts.hits, weight * counts.images, weight * counts.calls
    of_recall = [wilson_interval(hit, n) for hit, n in zip(hits, images, strict=True)]
    of_precision = [
        wilson_interval(hit, n) if tested else None for hit, n, tested in zip(hits, calls, images > 0, strict=True)
    ]
    of_f1 = [f1_interval(hit, n, called) for hit, n, called in zip(hits, images, calls, strict=True)]
    return [
        mean_interval(recalls(counts), of_recall),
        mean_interval(precisions(counts), of_precision),
        mean_interval(f1_scores(counts), of_f1),
        *(wilson_interval(weight * float(hit), images.sum()) for hit in share_hits),
        *([None] * mean_count),
        *of_recall,
        *of_precision,
        *of_f1,
    ]


def _choose(closed: Interval | None, resampled: Interval | None, *, is_grouped: bool) -> Interval | None:
    """Of two intervals of one figure the one that is right for these images."""
    if is_grouped and resampled is not None and resampled.low < resampled.high:
        return resampled
    return resampled if closed is None else closed


def _name(estimates: list[Estimate], *, share_count: int, mean_count: int, class_count: int) -> Scores:
    rest = iter(estimates)
    return Scores(
        balanced_accuracy=next(rest),
        macro_precision=next(rest),
        macro_f1=next(rest),
        shares=tuple(islice(rest, share_count)),
        means=tuple(islice(rest, mean_count)),
        recalls=tuple(islice(rest, class_count)),
        precisions=tuple(islice(rest, class_count)),
        f1s=tuple(islice(rest, class_count)),
    )
