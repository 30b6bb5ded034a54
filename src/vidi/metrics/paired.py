"""Two models on the same images: how much better is one, and how sure is that."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.metrics.arrays import Counts
from vidi.metrics.intervals import LEVEL, Interval, bootstrap_intervals


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """How far one model's share of right answers lies above another's."""

    value: float  # -1 to 1; above 0: the first is better
    interval: Interval
    image_count: int
    gained: int  # images that only the first has right
    lost: int  # images that only the other has right

    def sentence(self) -> str:
        """The difference for people, in percentage points.

        >>> even = PairedDifference(value=0.012, interval=Interval(-0.004, 0.0281), image_count=1500, gained=0, lost=0)
        >>> even.sentence()
        '+1.2 points (-0.4 to +2.8) on 1,500 images'
        """
        low, high = 100 * self.interval.low, 100 * self.interval.high
        return f"{100 * self.value:+.1f} points ({low:+.1f} to {high:+.1f}) on {self.image_count:,} images"

    def as_json(self) -> dict[str, object]:
        """Plain values for metrics.json."""
        low, high = self.interval.low, self.interval.high
        return {
            "value": round(self.value, 6),
            "low": round(low, 6),
            "high": round(high, 6),
            "images": self.image_count,
            "gained": self.gained,
            "lost": self.lost,
        }


def accuracy_difference(
    right: NDArray[np.bool_],
    other_right: NDArray[np.bool_],
    *,
    groups: Counts | None = None,
    seed: int = 0,
    level: float = LEVEL,
) -> PairedDifference | None:
    """The difference of two models' accuracies on the same images, with its interval; None without images.

    Only the images count about which the two disagree. Where images come in groups the interval is widened to hold
    also that of a bootstrap over the groups.

    Args:
        right: (images,) whether the first model is right.
        other_right: (images,) whether the other is.
        groups: (images,) int; images of one group stand or fall together. Each image its own, where left out.
        seed: for the resampling.
        level: how often such intervals hold the true difference.

    Raises:
        ShapeError: the two are not about as many images.

    Source: Bonett and Price 2012, Adjusted Wald confidence interval for a difference of binomial proportions based
    on paired data.

    >>> difference = accuracy_difference(np.array([True, True, True]), np.array([True, False, True]))
    >>> difference.gained, difference.lost, round(difference.interval.low, 3), round(difference.interval.high, 3)
    (1, 0, -0.456, 0.856)
    """
    if right.shape != other_right.shape or right.ndim != 1:
        raise ShapeError(f"answers of shapes {right.shape} and {other_right.shape}", "Give one value for each image.")
    count = len(right)
    if not count:
        return None
    gained, lost = int((right & ~other_right).sum()), int((other_right & ~right).sum())
    z = NormalDist().inv_cdf((1 + level) / 2)
    above, below = (gained + 1) / (count + 2), (lost + 1) / (count + 2)
    reach = z * math.sqrt((above + below - (above - below) ** 2) / (count + 2))
    interval = Interval(low=max(-1.0, above - below - reach), high=min(1.0, above - below + reach))
    if groups is not None and len(np.unique(groups)) < count:
        interval = interval.around(_over_groups(right, other_right, groups, seed=seed, level=level))
    return PairedDifference(
        value=(gained - lost) / count, interval=interval, image_count=count, gained=gained, lost=lost
    )


def _over_groups(
    right: NDArray[np.bool_], other_right: NDArray[np.bool_], groups: Counts, *, seed: int, level: float
) -> Interval | None:
    differences = right.astype(np.float64) - other_right
    found = bootstrap_intervals(
        lambda weights: np.array([weights @ differences / weights.sum()]),
        groups,
        random=np.random.default_rng([seed, 0xE5]),
        level=level,
    )
    return None if found is None else found[0]
