"""All looks at a stream for one kind of change: how strong the evidence is, and when it is strongest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidi.metrics.arrays import Counts, Floats
from vidi.monitoring.comparisons import WEIGHTS, KindComparison
from vidi.monitoring.looks import BLOCK, FIRST, PlannedLooks

LOOKS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Searched:
    """A level is the logarithm of the smallest false-alarm rate at which a look had raised the alarm."""

    comparison: KindComparison
    by_look: Floats  # (looks,) lowest level of the aspects
    lowest: Floats  # (aspects,)
    strongest: Counts  # (aspects,) look with the lowest level

    @property
    def level(self) -> float:
        """The lowest of all."""
        return float(self.lowest.min())


def search_all(comparisons: Sequence[KindComparison], looks: PlannedLooks) -> tuple[Searched, ...]:
    """Make every comparison at every look; each kind has its share of the rate, and each look its share of that."""
    total = sum(WEIGHTS[one.kind] for one in comparisons)
    return tuple(_search(one, looks, WEIGHTS[one.kind] / total) for one in comparisons)


def _search(comparison: KindComparison, looks: PlannedLooks, weight: float) -> Searched:
    by_look = np.empty(len(looks.ends))
    lowest = np.full(len(comparison.aspects), np.inf)
    strongest = np.zeros(len(comparison.aspects), np.int64)
    for start in range(0, len(looks.ends), LOOKS_AT_ONCE):
        some = slice(start, start + LOOKS_AT_ONCE)
        levels = comparison.levels(looks.starts[some], looks.ends[some])
        levels -= np.log(looks.shares[some] * weight)[:, None]
        by_look[some] = levels.min(axis=1)
        rows = levels.argmin(axis=0)
        found = levels[rows, np.arange(len(lowest))]
        strongest = np.where(found < lowest, rows + start, strongest)
        lowest = np.minimum(found, lowest)
    return Searched(comparison=comparison, by_look=by_look, lowest=lowest, strongest=strongest)


def find_beginning(searched: Sequence[Searched], looks: PlannedLooks) -> int:
    """Images before the change: where the window that ends at the strongest look must begin to be stronger still."""
    one = min(searched, key=lambda found: found.level)
    end = int(looks.ends[one.by_look.argmin()])
    starts = np.arange(0, end - FIRST + 1, BLOCK)
    levels = [
        one.comparison.levels(some, np.full(len(some), end)).min(axis=1)
        for some in np.array_split(starts, 1 + len(starts) // LOOKS_AT_ONCE)
    ]
    return int(starts[np.concatenate(levels).argmin()])
