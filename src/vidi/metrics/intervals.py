"""How sure a measured number is: Wilson intervals and their combinations, bootstrap over groups, many tests at once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.arrays import Counts, Floats

LEVEL = 0.95  # the level of every interval that vidi prints
REPEATS = 1000  # resamples: the ends of a 95 % interval then rest on 25 resamples each
MOST_RESAMPLED_VALUES = 50_000_000  # resamples x groups; a large test part needs fewer resamples, not more time


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the true value plausibly lies."""

    low: float
    high: float

    def around(self, other: "Interval | None") -> "Interval":
        """The smallest interval that holds both."""
        return self if other is None else Interval(min(self.low, other.low), max(self.high, other.high))


def wilson_interval(hits: float, count: float, *, level: float = LEVEL) -> Interval | None:
    """The interval of a share of independent images; None without images.

    It is honest at the edges: no error among 40 images does not mean 100 %.

    Args:
        hits: how many of them.
        count: of how many.
        level: how often such intervals hold the true share.

    Source: Wilson 1927, Probable inference, the law of succession, and statistical inference.

    >>> round(wilson_interval(40, 40).low, 4)
    0.9124
    """
    return None if count <= 0 else _wilson(hits, count, level=level)


def _normal_quantile(share: float) -> float:
    """The standard normal distribution's value below which that share lies."""
    from statistics import NormalDist  # it imports fractions and decimals, which no other part of vidi needs

    return NormalDist().inv_cdf(share)


def _wilson(hits: float, count: float, *, level: float) -> Interval:
    z = _normal_quantile((1 + level) / 2)
    share = hits / count
    centre = share + z**2 / (2 * count)
    reach = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    scale = 1 + z**2 / count
    # Rounding must not leave the share itself outside, which happens at 0 and 1.
    return Interval(
        low=max(0.0, min((centre - reach) / scale, share)), high=min(1.0, max((centre + reach) / scale, share))
    )


def failures_by_chance(failures: float, count: float, *, allowed: float) -> float:
    """Exact one-sided p-value of a number of failures if at most a share of the images fails.

    Args:
        count: of so many; what images count that hang together may be less than a whole number.
        allowed: the share that may.

    Source: Clopper and Pearson 1934 (the binomial tail).

    >>> round(failures_by_chance(3, 10, allowed=0.05), 4)
    0.0115
    """
    from scipy.special import bdtrc

    failed, all_of_them = int(failures), int(count)  # rounded down: in favour of the promise
    return 1.0 if failed < 1 else float(bdtrc(min(failed, all_of_them) - 1, all_of_them, allowed))


def f1_interval(hits: float, images: float, calls: float, *, level: float = LEVEL) -> Interval | None:
    """The interval of an F1 score; None for a class without test images.

    F1 = 2 J / (1 + J) rises with the share J of hits among all images that are or were called the class, so
    the Wilson interval of J is carried over.

    Source: Lam 2023, Confidence intervals for the F1 score: a comparison of four methods (Wilson, indirect).
    """
    if images <= 0:
        return None
    interval = _wilson(hits, images + calls - hits, level=level)
    return Interval(low=2 * interval.low / (1 + interval.low), high=2 * interval.high / (1 + interval.high))


def mean_interval(values: Sequence[float | None], intervals: Sequence[Interval | None]) -> Interval | None:
    """The interval of a mean of independent measurements, each with its own; None where none is known.

    Args:
        values: one for each class; None where there is no data.
        intervals: the interval of each.

    Source: Zou and Donner 2008, Construction of confidence limits about effect measures (MOVER).

    >>> round(mean_interval([0.5, 0.5], [Interval(0.4, 0.6), Interval(0.4, 0.6)]).low, 4)
    0.4293
    """
    known = [
        (value, interval)
        for value, interval in zip(values, intervals, strict=True)
        if value is not None and interval is not None
    ]
    if not known:
        return None
    mean = sum(value for value, _ in known) / len(known)
    below = math.sqrt(sum((value - interval.low) ** 2 for value, interval in known)) / len(known)
    above = math.sqrt(sum((interval.high - value) ** 2 for value, interval in known)) / len(known)
    return Interval(low=max(0.0, mean - below), high=min(1.0, mean + above))


def area_interval(area: float, positives: int, negatives: int) -> Interval | None:
    """The interval of an area under the ROC curve; None unless there are images of both kinds.

    The true areas that lie within z standard errors of the measured one, the error taken at the true area: honest
    at 1 as Wilson's is.

    Args:
        area: as measured.
        positives: how many images of the class.
        negatives: how many of all others.

    Source: Newcombe 2006, Confidence intervals for an effect size measure based on the Mann-Whitney statistic,
    part 2, method 5; the variance is Hanley and McNeil's, 1982.
    """
    if positives < 1 or negatives < 1:
        return None
    z = _normal_quantile((1 + LEVEL) / 2)
    others = (positives + negatives) / 2 - 1

    def is_plausible(true: float) -> bool:
        spread = 1 + others * (1 - true) / (2 - true) + others * true / (1 + true)
        return (true - area) ** 2 <= z**2 * true * (1 - true) * spread / (positives * negatives)

    return Interval(low=_edge(is_plausible, area, outside=0.0), high=_edge(is_plausible, area, outside=1.0))


def _edge(is_plausible: Callable[[float], bool], inside: float, *, outside: float) -> float:
    """Where plausible values end between the measured value and a limit, by halving."""
    for _ in range(40):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if is_plausible(middle) else (inside, middle)
    return (inside + outside) / 2


def group_mean_interval(values: Floats, groups: Counts) -> Interval | None:
    """The interval of a mean of images, of which those of one group are not independent; None of one group alone.

    Student's, with the spread of the groups' sums.

    Args:
        values: (images,) float.
        groups: (images,) int.

    Source: Cochran 1977, Sampling techniques, section 11.8 (ratio to size).

    >>> round(group_mean_interval(np.array([1.0, 2.0, 3.0]), np.arange(3)).high, 4)
    4.4841
    """
    from scipy.special import stdtrit

    _, units = np.unique(groups, return_inverse=True)
    count = int(units.max()) + 1
    if count < 2:
        return None
    mean = float(values.mean())
    sums = np.bincount(units, values - mean)
    error = math.sqrt(float((sums**2).sum()) * count / (count - 1)) / len(values)
    reach = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * error
    return Interval(mean - reach, mean + reach)


def bootstrap_intervals(
    statistics: Callable[[Floats], Floats],
    groups: Counts,
    *,
    random: "np.random.Generator",
    level: float = LEVEL,
    repeats: int = REPEATS,
) -> list[Interval | None] | None:
    """The intervals of any statistics of images, of which those of one group are drawn together.

    Args:
        statistics: from (images,) weights, how often each image was drawn, to (statistics,) numbers; NaN for no data.
        groups: (images,) int; images of one group stand or fall together. Each image its own, where independent.
        level: how often such intervals hold the true value.
        repeats: how often is drawn; fewer where that would be over 50 million numbers, but at least 200 times.

    Returns:
        For each statistic the middle `level` of its drawn values, None where no draw has data; None in place of the
        whole list with fewer than two groups.

    Source: Efron and Tibshirani 1993, An introduction to the bootstrap, section 13.3.
    """
    _, group_of_image = np.unique(groups, return_inverse=True)
    group_count = int(group_of_image.max()) + 1 if len(groups) else 0
    if group_count < 2:
        return None
    width = max(group_count, len(statistics(np.ones(len(groups)))))
    values = []
    for _ in range(max(200, min(repeats, MOST_RESAMPLED_VALUES // width))):
        drawn = np.bincount(random.integers(0, group_count, group_count), minlength=group_count)
        values.append(statistics(drawn[group_of_image].astype(np.float64)))
    return [_middle(column[~np.isnan(column)], level) for column in np.array(values).T]


def _middle(values: Floats, level: float) -> Interval | None:
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high))


def shown_together(p_values: Sequence[float], least: Sequence[float], *, chance: float) -> NDArray[np.bool_]:
    """The tests that show something, so chosen that one among them is mistaken in at most this share of the cases.

    Tests that could not have shown anything, whatever their outcome, are not counted (Tarone); of the rest the
    smallest p-value is held to `chance` / count, the next to `chance` / (count - 1) and so on (Holm).

    Args:
        least: the smallest p-value that each could have had, given how many observations it rests on.
        chance: of naming anything where there is nothing.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure; Tarone 1990, A modified Bonferroni
    method for discrete data.

    >>> shown_together([0.001, 0.04, 1.0], [0.001, 0.001, 1.0], chance=0.05).tolist()
    [True, True, False]
    >>> shown_together([0.04, 0.04], [0.001, 0.001], chance=0.05).tolist()
    [False, False]
    """
    values, smallest = np.asarray(p_values, float), np.asarray(least, float)
    able = smallest <= chance
    for count in range(1, len(values) + 1):
        able = smallest <= chance / count
        if able.sum() <= count:
            break
    tested = np.flatnonzero(able)
    order = tested[np.argsort(values[tested], kind="stable")]
    shown = np.zeros(len(values), np.bool_)
    for step, test in enumerate(order.tolist()):
        if values[test] > chance / (len(order) - step):
            break
        shown[test] = True
    return shown
