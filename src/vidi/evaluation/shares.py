"""Shares of images with their intervals, many at once."""

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.evaluation import Estimate
from vidi.evaluation.scores import ENOUGH_GROUPS, effective_weights
from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.intervals import bootstrap_intervals, wilson_interval


def estimate_shares(hits: NDArray[np.bool_], groups: Counts, *, seed: int = 0) -> tuple[Estimate, ...]:
    """The share of True in each column: Wilson's interval, or by resampling where images belong together.

    Args:
        hits: (images, columns) bool.
        groups: (images,) int; images of one group stand or fall together.
        seed: of the resampling.

    >>> estimate_shares(np.array([[True], [True], [False]]), np.arange(3))[0].as_json()
    {'value': 0.666667, 'low': 0.20766, 'high': 0.938508, 'n': 3}
    """
    count = len(hits)
    if not count:
        return tuple(Estimate(None, None, 0) for _ in hits.T)
    weights, group_counts = effective_weights(np.zeros(count, np.int64), groups, 1)
    weight, group_count = float(weights[0]), int(group_counts[0])
    intervals = [wilson_interval(weight * float(hit), weight * count) for hit in hits.sum(axis=0)]
    if ENOUGH_GROUPS <= group_count < count:
        values = hits.astype(np.float64)

        def shares(weights: Floats) -> Floats:
            drawn: Floats = weights @ values / weights.sum()
            return drawn

        drawn = bootstrap_intervals(shares, groups, random=np.random.default_rng([seed, 3])) or intervals
        # Where resampling shows no spread, as at 100 %, the closed form with the effective number is honest.
        intervals = [
            other if other is not None and other.low < other.high else one
            for one, other in zip(intervals, drawn, strict=True)
        ]
    return tuple(
        Estimate(float(share), interval, count) for share, interval in zip(hits.mean(axis=0), intervals, strict=True)
    )
