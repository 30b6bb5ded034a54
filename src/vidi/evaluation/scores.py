"""The figures that come from counting images and averaging over them, each with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.metrics.arrays import Counts, Floats, Labels
from vidi.metrics.classification import ClassCounts, class_scores, count_classes
from vidi.metrics.intervals import Interval, bootstrap_intervals, f1_interval, mean_interval, wilson_interval
from vidi.model_file.values import key, rounded

ENOUGH_GROUPS = 30  # below, the percentile bootstrap is too crude and each figure takes its closed form
MACRO = slice(1, 3)  # macro precision and macro F1 in the row of figures, after balanced accuracy


@dataclass(frozen=True, slots=True)
class Estimate:
    """Measured number with its interval and number of images."""

    value: float | None  # None: no data
    interval: Interval | None  # at the 95 % level
    image_count: int

    @property
    def low(self) -> float | None:
        """The lower end of the interval; None where there is none."""
        return None if self.interval is None else self.interval.low

    @property
    def high(self) -> float | None:
        """The upper end of the interval; None where there is none."""
        return None if self.interval is None else self.interval.high

    def as_json(self) -> dict[str, float | int | None]:
        """`value`, `low`, `high` and `n`; null where there is no data."""
        return {
            "value": rounded(self.value),
            "low": rounded(self.low),
            "high": rounded(self.high),
            "n": self.image_count,
        }

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        low, high = entries["low"], entries["high"]
        interval = None if low is None or high is None else Interval(low, high)
        return cls(value=entries["value"], interval=interval, image_count=entries["n"])


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanOfClasses:
    """Figures that are means over the classes with test images."""

    recall: Estimate = field(metadata=key("balanced_accuracy"))
    precision: Estimate = field(metadata=key("macro_precision"))
    f1: Estimate = field(metadata=key("macro_f1"))


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures over all images, and for each class."""

    macro: MeanOfClasses
    shares: Mapping[str, Estimate]  # by the names of `share_values`
    means: Mapping[str, Estimate]  # by the names of `mean_values`
    recalls: tuple[Estimate, ...]
    precisions: tuple[Estimate, ...]
    f1s: tuple[Estimate, ...]


def number_groups_or_images(groups: Sequence[object] | None, image_count: int) -> Counts:
    """The group of each image as a number; an image without a group is one of its own.

    Raises:
        ShapeError: there are not as many groups as images.

    >>> number_groups_or_images(["ann", None, "ann", ""], 4)
    array([0, 1, 0, 2])
    """
    if groups is None:
        return np.arange(image_count)
    if len(groups) != image_count:
        raise ShapeError(
            f"groups are given for {len(groups):,} of {image_count:,} images",
            "Use one group, or None, per image.",
        )
    numbers: dict[object, int] = {}
    keys = [(row, None) if group is None or group == "" else group for row, group in enumerate(groups)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def estimate_share(hits: NDArray[np.bool_], among: NDArray[np.bool_], groups: Counts, *, seed: int) -> Estimate:
    """A share with its interval: Wilson's where images are independent, else the bootstrap's over groups.

    Args:
        hits: (batch,) bool; none outside `among`.
        among: (batch,) bool; of these images the share is taken.
        groups: (batch,) int; images of one group are drawn together.
    """
    count = int(among.sum())
    if not count:
        return Estimate(None, None, 0)
    interval = wilson_interval(int(hits.sum()), count)
    if len(np.unique(groups)) < len(groups):
        drawn = bootstrap_intervals(
            lambda weights: np.array([(weights * hits).sum() / max((weights * among).sum(), 1e-9)]),
            groups,
            random=np.random.default_rng([seed, 2]),
        )
        interval = interval if drawn is None or drawn[0] is None else drawn[0].around(interval)
    return Estimate(float(hits.sum() / count), interval, count)


def score_images(
    predicted: Labels,
    labels: Labels,
    *,
    class_count: int,
    groups: Counts,
    share_values: Mapping[str, NDArray[np.bool_]],
    mean_values: Mapping[str, Floats],
    random: np.random.Generator,
) -> Scores:
    """Count and average, with intervals.

    Independent images have closed forms (Wilson and what builds on it). Grouped ones are resampled by group where at
    least 30 groups stand behind a figure; below, and where resampling shows no spread at all, the closed form is taken
    with the effective number of independent images. Losses are always resampled.

    Args:
        predicted: (batch,) int class index.
        labels: (batch,) int class index.
        groups: (batch,) int; images of one group are drawn together.
        share_values: by name, (batch,) bool; the share of True is estimated, as for accuracy.
        mean_values: by name, (batch,) float; the mean is estimated, as for log loss.
    """
    values = np.stack([*share_values.values(), *mean_values.values()], axis=1).astype(np.float64)
    share_count, mean_count = len(share_values), len(mean_values)

    def figures(weights: Floats) -> Floats:
        counts = count_classes(predicted, labels, class_count=class_count, weights=weights)
        means = weights @ values / weights.sum() if len(weights) else np.full(values.shape[1], np.nan)
        return _row_of_figures(counts, means)

    counts = count_classes(predicted, labels, class_count=class_count)
    units = _count_units(predicted, labels, groups, class_count=class_count)
    hits = np.array([column.sum() for column in share_values.values()], np.int64)
    closed = _closed_forms(counts, hits, mean_count, units=units)
    resampled = bootstrap_intervals(figures, groups, random=random) or [None] * len(closed)
    if units.is_grouped:
        enough = units.per_figure(counts, share_count=share_count, mean_count=mean_count)
        intervals = [
            other if other is not None and (one is None or (groups_behind and other.low < other.high)) else one
            for one, other, groups_behind in zip(closed, resampled, enough, strict=True)
        ]
    else:
        intervals = [other if one is None else one for one, other in zip(closed, resampled, strict=True)]
    # Errors of different classes hang together, which the closed form of a mean does not see.
    intervals[MACRO] = [
        one and one.around(other) for one, other in zip(intervals[MACRO], resampled[MACRO], strict=True)
    ]
    image_counts = [len(labels)] * (3 + values.shape[1])
    for column in (counts.images, counts.calls, counts.images):
        image_counts += column.astype(int).tolist()
    estimates = [
        Estimate(None if np.isnan(value) else float(value), interval, n)
        for value, interval, n in zip(figures(np.ones(len(labels))), intervals, image_counts, strict=True)
    ]
    return _name(estimates, shares=list(share_values), means=list(mean_values), class_count=class_count)


def _row_of_figures(counts: ClassCounts, means: Floats) -> Floats:
    """Balanced accuracy, macro precision, macro F1, the means, then recall, precision and F1 of each class."""
    tables = class_scores(counts)
    is_known = ~np.isnan(tables)
    overall = [table[known].mean() if known.any() else np.nan for table, known in zip(tables, is_known, strict=True)]
    return np.concatenate([overall, means, tables.ravel()])


@dataclass(frozen=True, slots=True)
class _GroupUnits:
    """How many independent observations stand behind counts of grouped images."""

    is_grouped: bool
    weight: float  # of one image among all, in observations
    of_images: Floats  # (classes,) of one image of the class
    of_calls: Floats  # (classes,) of one image that was called so
    group_count: int
    groups_of_images: Counts  # (classes,)
    groups_of_calls: Counts  # (classes,)

    def per_figure(self, counts: ClassCounts, *, share_count: int, mean_count: int) -> list[bool]:
        """For each figure of the row whether enough groups stand behind it for the bootstrap."""
        tested = counts.images > 0
        behind_classes = np.minimum(self.groups_of_images, self.groups_of_calls)[tested]
        overall = bool(tested.any()) and int(behind_classes.min()) >= ENOUGH_GROUPS
        return [
            *([overall] * 3),
            *([self.group_count >= ENOUGH_GROUPS] * (share_count + mean_count)),
            *(self.groups_of_images >= ENOUGH_GROUPS).tolist(),
            *(self.groups_of_calls >= ENOUGH_GROUPS).tolist(),
            *(np.minimum(self.groups_of_images, self.groups_of_calls) >= ENOUGH_GROUPS).tolist(),
        ]


def _count_units(predicted: Labels, labels: Labels, groups: Counts, *, class_count: int) -> _GroupUnits:
    of_images, groups_of_images = effective_weights(labels, groups, class_count)
    of_calls, groups_of_calls = effective_weights(predicted, groups, class_count)
    overall, group_count = effective_weights(np.zeros_like(labels), groups, 1)
    return _GroupUnits(
        is_grouped=int(group_count[0]) < len(labels),
        weight=float(overall[0]),
        of_images=of_images,
        of_calls=of_calls,
        group_count=int(group_count[0]),
        groups_of_images=groups_of_images,
        groups_of_calls=groups_of_calls,
    )


def effective_weights(columns: Labels, groups: Counts, class_count: int) -> tuple[Floats, Counts]:
    """For each class what an image of it weighs, and how many groups it has.

    Images of one group are taken to stand or fall together: Kish's effective size, (sum of sizes)^2 / sum of squares.
    """
    pairs, sizes = np.unique(np.stack([columns, groups], axis=1), axis=0, return_counts=True)
    totals = np.bincount(pairs[:, 0], weights=sizes, minlength=class_count)
    squares = np.bincount(pairs[:, 0], weights=sizes.astype(np.float64) ** 2, minlength=class_count)
    weights: Floats = np.divide(totals, squares, out=np.ones(class_count), where=squares > 0)
    return weights, np.bincount(pairs[:, 0], minlength=class_count).astype(np.int64)


def _closed_forms(
    counts: ClassCounts, share_hits: Counts, mean_count: int, *, units: _GroupUnits
) -> list[Interval | None]:
    """The intervals that need no resampling, in the order of the row of figures; None where there is none."""
    by_image, by_call = units.of_images, units.of_calls
    both = np.minimum(by_image, by_call)
    hits, images, calls = counts.hits, counts.images, counts.calls
    of_recall = [wilson_interval(*pair) for pair in zip(hits * by_image, images * by_image, strict=True)]
    of_precision = [
        wilson_interval(hit, n) if tested else None
        for hit, n, tested in zip(hits * by_call, calls * by_call, images > 0, strict=True)
    ]
    of_f1 = [f1_interval(*triple) for triple in zip(hits * both, images * both, calls * both, strict=True)]
    tables = [[None if np.isnan(value) else value for value in row] for row in class_scores(counts).tolist()]
    return [
        *map(mean_interval, tables, (of_recall, of_precision, of_f1)),
        *(wilson_interval(units.weight * float(hit), units.weight * images.sum()) for hit in share_hits),
        *([None] * mean_count),
        *of_recall,
        *of_precision,
        *of_f1,
    ]


def _name(estimates: list[Estimate], *, shares: list[str], means: list[str], class_count: int) -> Scores:
    rest = iter(estimates)
    return Scores(
        macro=MeanOfClasses(recall=next(rest), precision=next(rest), f1=next(rest)),
        shares={name: next(rest) for name in shares},
        means={name: next(rest) for name in means},
        recalls=tuple(islice(rest, class_count)),
        precisions=tuple(islice(rest, class_count)),
        f1s=tuple(islice(rest, class_count)),
    )
