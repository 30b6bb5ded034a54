"""Two classifiers on the same images: which is better, by how much, and whether the images can show it."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.arrays import Counts, check_same_length
from vidi.metrics.intervals import LEVEL, Interval, bootstrap_intervals, wilson_interval

Flags = NDArray[np.bool_]
Verdict = Literal["better", "worse", "not shown"]
ENOUGH_GROUPS = 30  # for the bootstrap over them
POWER = 0.8  # how often a comparison with `images_needed` images shows a difference of the size that was seen


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """What the same images say of two classifiers."""

    image_count: int
    group_count: int  # independent units among them
    groups_lost: int  # of which the first has more images right
    groups_won: int
    both_right: int
    only_first: int  # images that the first alone has right
    only_second: int
    difference: float  # accuracy of the second less that of the first
    interval: Interval  # of the difference
    p_value: float  # how often chance alone gives a difference as large, where neither is better
    level: float  # of the interval, and of the verdict

    @property
    def verdict(self) -> Verdict:
        """Whether the second is better; only where test and interval agree."""
        return self.verdict_at(1 - self.level)

    def verdict_at(self, chance: float) -> Verdict:
        """The same with another share of mistaken verdicts than that of the interval.

        Args:
            chance: how often a winner may be named where neither is better.
        """
        if self.p_value > chance or self.interval.low <= 0 <= self.interval.high:
            return "not shown"
        return "better" if self.difference > 0 else "worse"

    def gain_as_json(self) -> dict[str, object]:
        """Plain values for metrics.json: what the second gains over the first."""
        return {
            "value": round(self.difference, 6),
            "low": round(self.interval.low, 6),
            "high": round(self.interval.high, 6),
            "images": self.image_count,
            "gained": self.only_second,
            "lost": self.only_first,
        }

    @property
    def first_accuracy(self) -> float:
        return (self.both_right + self.only_first) / self.image_count

    @property
    def second_accuracy(self) -> float:
        return (self.both_right + self.only_second) / self.image_count


def compare_paired(
    first_is_right: Flags,
    second_is_right: Flags,
    *,
    groups: Counts | None = None,
    random: np.random.Generator | None = None,
    level: float = LEVEL,
) -> PairedComparison | None:
    """Compare two classifiers that answered the same images; None without images.

    The verdict rests on the images that only one of them has right, by the exact sign test (McNemar's). The interval
    of the difference is Newcombe's. Where images belong together, a group counts once, by which classifier has more of
    it right, and the interval also holds that of the bootstrap over groups; with fewer than 30 groups it is that of as
    many images as are independent (Kish's effective number).

    Args:
        first_is_right: (images,) bool.
        second_is_right: (images,) bool, in the same order.
        groups: (images,) int; images of one group stand or fall together. None: each is its own.
        random: where the bootstrap's draws come from; seed 0 by default.
        level: of the interval and of the verdict.

    Raises:
        ShapeError: the arrays do not describe the same images.

    Source: McNemar 1947, Note on the sampling error of the difference between correlated proportions; Newcombe 1998,
    Improved confidence intervals for the difference between binomial proportions based on paired data, method 10.

    >>> first, second = np.array([True] * 10 + [False] * 10), np.array([True] * 20)
    >>> compare_paired(first, second).verdict
    'better'
    """
    check_same_length(first_is_right, second_is_right)
    if not len(first_is_right):
        return None
    units = np.arange(len(first_is_right)) if groups is None else np.asarray(groups)
    check_same_length(first_is_right, units)
    gain = second_is_right.astype(np.int64) - first_is_right.astype(np.int64)
    both, first, second = (int((first_is_right & second_is_right).sum()), int((gain < 0).sum()), int((gain > 0).sum()))
    _, unit_of_image = np.unique(units, return_inverse=True)
    net = np.bincount(unit_of_image, weights=gain)
    # Below 30 groups the bootstrap shows too little, and the images count as what they are independent of.
    weight = effective_weight(unit_of_image) if len(net) < ENOUGH_GROUPS else 1.0
    counts = np.array([both, first, second, len(gain) - both - first - second]) * weight
    interval = paired_interval(*counts.tolist(), level=level)
    if len(net) < len(gain):
        drawn = bootstrap_intervals(
            lambda weights: np.array([(weights * gain).sum() / max(weights.sum(), 1.0)]),
            unit_of_image,
            random=random or np.random.default_rng(0),
            level=level,
        )
        interval = interval.around(drawn[0] if drawn else Interval(-1.0, 1.0))
    return PairedComparison(
        image_count=len(gain),
        group_count=len(net),
        groups_lost=int((net < 0).sum()),
        groups_won=int((net > 0).sum()),
        both_right=both,
        only_first=first,
        only_second=second,
        difference=(second - first) / len(gain),
        interval=interval,
        p_value=sign_test(int((net < 0).sum()), int((net > 0).sum())),
        level=level,
    )


def effective_weight(units: Counts) -> float:
    """What one image counts where those of one unit stand or fall together: Kish's effective number / images.

    Args:
        units: (images,) int from 0.

    >>> effective_weight(np.array([0, 0, 1, 1]))
    0.5
    """
    sizes = np.bincount(units).astype(np.float64)
    return float(sizes.sum() / (sizes**2).sum())


def sign_test(losses: int, wins: int) -> float:
    """How often a fair coin gives counts as far apart as these, either way: the exact two-sided p-value.

    >>> sign_test(0, 5), sign_test(3, 3)
    (0.0625, 1.0)
    """
    thrown, fewer = losses + wins, min(losses, wins)
    ways, one = 0, 1  # of `thrown` coins with 0, 1, … heads; whole numbers, so that nothing is rounded
    for heads in range(fewer + 1):
        ways += one
        one = one * (thrown - heads) // (heads + 1)
    return float(min(1.0, 2 * ways / (1 << thrown)))


def worse_by_chance(losses: int, wins: int) -> float:
    """How often a fair coin gives at least as many losses: the exact one-sided p-value.

    >>> worse_by_chance(5, 0), worse_by_chance(0, 5)
    (0.03125, 1.0)
    """
    thrown = losses + wins
    return sum(math.comb(thrown, heads) for heads in range(losses, thrown + 1)) / (1 << thrown)


def paired_interval(
    both: float, only_first: float, only_second: float, neither: float, *, level: float = LEVEL
) -> Interval:
    """The interval of the second's share right less the first's, from the four counts of one set of images.

    Source: Newcombe 1998, method 10 (Wilson's intervals of both shares, joined with their correlation).
    """
    count = both + only_first + only_second + neither
    second, first = both + only_second, both + only_first
    of_second, of_first = wilson_interval(second, count, level=level), wilson_interval(first, count, level=level)
    if of_second is None or of_first is None:
        return Interval(-1.0, 1.0)
    share, other = second / count, first / count
    correlation = _correlation(both, only_first, only_second, neither)

    def reach(one: float, two: float) -> float:
        return math.sqrt(max(0.0, one**2 - 2 * correlation * one * two + two**2))

    difference = share - other
    return Interval(
        low=max(-1.0, difference - reach(share - of_second.low, of_first.high - other)),
        high=min(1.0, difference + reach(of_second.high - share, other - of_first.low)),
    )


def _correlation(both: float, only_first: float, only_second: float, neither: float) -> float:
    """Between the two being right, with Newcombe's correction for continuity."""
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if margins == 0:
        return 0.0
    product, half = both * neither - only_first * only_second, (both + only_first + only_second + neither) / 2
    corrected = product - half if product > half else min(product, 0)
    return corrected / math.sqrt(margins)


def images_needed(comparison: PairedComparison, *, chance: float | None = None) -> int | None:
    """About how many images would show a difference of the size that was seen; None where there was none.

    Groups are what is counted: of images that belong together it takes as many more as a group has on average.

    Args:
        chance: how often a winner may be named where neither is better; as for its verdict by default.
    """
    units, images = comparison.group_count, comparison.image_count
    gap = (comparison.groups_won - comparison.groups_lost) / units
    if gap == 0:
        return None
    apart = (comparison.groups_won + comparison.groups_lost) / units
    needed = units_needed(apart, gap, chance=1 - comparison.level if chance is None else chance)
    return math.ceil(needed * images / units)


def units_needed(apart: float, gap: float, *, chance: float = 1 - LEVEL) -> float:
    """How many independent images (or groups) show a difference in `POWER` of the comparisons.

    Args:
        apart: the share of them that one classifier alone has right; at least the gap.
        gap: the difference of the two shares right, not 0.
        chance: how often a winner may be named where neither is better.

    Source: Connor 1987, Sample size for testing differences in proportions for the paired-sample design.

    >>> round(units_needed(0.1, 0.02))
    1960
    """
    normal = NormalDist()
    at_rest = normal.inv_cdf(1 - chance / 2) * math.sqrt(apart)
    seen = normal.inv_cdf(POWER) * math.sqrt(max(0.0, apart - gap**2))
    # Where all fall one way, the exact test still needs so many: 2 / 2^n is to be at most the chance.
    least = math.ceil(math.log2(2 / chance)) / apart
    return max(least, ((at_rest + seen) / gap) ** 2)
