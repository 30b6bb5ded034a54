"""What is compared of each image: bounded scores, by the reference, whose sums tell a change from chance."""

from dataclasses import dataclass

import numpy as np

from vidi.metrics.arrays import Counts, Floats
from vidi.model_file.drift_reference import Histogram

CLIP = 2.5  # robust standard deviations: beyond it, how far an image lies says no more
USUAL_RANGE = 1.349  # standard deviations between the quartiles of normal values


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BinnedScores:
    """Values in the bins of a reference's histogram, and below and above it."""

    positions: Floats  # (bins + 2,): share of the reference below the middle of each bin, 0 and 1 beyond its ends
    counts: Floats  # (bins + 2,) of the reference
    bins: Counts  # (images,) of the stream


def bin_values(values: Floats, histogram: Histogram) -> BinnedScores:
    """Find each value's bin.

    Edges are rounded as the values were: many values may equal an edge, and must not fall on its other side because
    they were logged in single precision.

    Args:
        values: (images,) in the precision in which they were measured or logged.
        histogram: of the reference.

    >>> found = bin_values(np.array([0.1, 0.5, 2.0], np.float32), Histogram.of(np.array([0.1, 0.1, 0.3, 1.0])))
    >>> found.bins.tolist(), found.counts.tolist()
    ([1, 1, 2], [0.0, 4.0, 0.0])
    """
    edges = np.array(histogram.edges, values.dtype)
    bins = np.searchsorted(edges[:-1], values, side="right")
    bins[values > edges[-1]] = len(edges)
    counts = np.array([0, *histogram.counts, 0], np.float64)
    total = max(1.0, float(counts.sum()))
    return BinnedScores(
        positions=(np.cumsum(counts) - counts / 2) / total, counts=counts, bins=bins.astype(np.int64, copy=False)
    )


def find_cut(histogram: Histogram, share: float) -> tuple[float, float]:
    """The edge below which about this share of the reference lies, and the share at or above it.

    >>> find_cut(Histogram(edges=(0.0, 1.0, 2.0, 3.0), counts=(8, 1, 1)), 0.8)
    (1.0, 0.2)
    """
    counts = np.array(histogram.counts, np.float64)
    above = counts[::-1].cumsum()[::-1] / max(1.0, float(counts.sum()))
    nearest = int(np.abs(above - (1 - share)).argmin())
    return histogram.edges[nearest], float(above[nearest])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlaceScale:
    """Where a reference's embeddings lie, component by component, and how far they spread: no odd image decides."""

    middle: Floats  # (components,)
    spread: Floats  # (components,) robust standard deviations

    @classmethod
    def of(cls, own: Floats) -> "PlaceScale":
        """The scale of a reference's embeddings (images, components)."""
        lower, middle, upper = np.percentile(own, [25, 50, 75], axis=0)
        spread = (upper - lower) / USUAL_RANGE
        other = np.maximum(own.std(axis=0), np.finfo(np.float32).tiny)
        return cls(middle=middle, spread=np.where(spread > 0, spread, other))

    def clip(self, places: Floats) -> Floats:
        """Embeddings (images, components) in robust standard deviations from the reference's middle, and clipped."""
        clipped: Floats = np.clip((places - self.middle) / self.spread, -CLIP, CLIP)
        return clipped
