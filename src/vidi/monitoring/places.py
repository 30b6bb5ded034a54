"""What is compared of each image by the reference: bounded scores, also of its place on the axes, and their sums."""

from dataclasses import dataclass

import numpy as np

from vidi.errors import ShapeError
from vidi.metrics.arrays import Counts, Floats
from vidi.model_file.drift_reference import Histogram, MostNovelImages, ReferenceEmbeddings, SummedPlaces, SummedScores
from vidi.monitoring.contrast import RunningSums, weights_of

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


STRANGEST = 0.8  # of the images are less strange than those that are also compared by themselves
LEAST_STRANGE = 20  # images; the sums of fewer tell nothing that traffic could be compared with


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownPlaces:
    """What a reference knows of its images' places."""

    scale: PlaceScale
    summed: SummedPlaces

    @classmethod
    def of(cls, kept: ReferenceEmbeddings) -> "KnownPlaces":
        """From the sums in the file; in the files of an older vidi, from the images that it holds."""
        summed = sum_places(kept.placed()) if kept.summed is None else kept.summed
        return cls(scale=PlaceScale(middle=np.array(summed.middle), spread=np.array(summed.spread)), summed=summed)

    def scores(self, places: Floats) -> Floats:
        """Places (images, components) in robust standard deviations from the reference's middle, and clipped.

        Raises:
            ShapeError: they are not on the reference's axes.
        """
        if places.shape[1] != len(self.summed.middle):
            raise ShapeError(
                f"embeddings have {places.shape[1]} components, other than the model's reference",
                "Place them by the projection of this very model.",
            )
        return self.scale.clip(places)


def sum_places(places: Floats, novelty: Floats | None = None) -> SummedPlaces:
    """Sum up where images lie, and where the strangest fifth of them does.

    Args:
        places: (images, components) on the reference's axes, of images that the axes were not found from.
        novelty: (images,); None: not known.
    """
    scale = PlaceScale.of(places)
    scores = scale.clip(places)
    return SummedPlaces(
        middle=_rounded(scale.middle),
        spread=_rounded(scale.spread),
        shift=sum_scores(scores),
        width=sum_scores(np.abs(scores)),
        strangest=None if novelty is None else _strangest(scores, novelty),
    )


def _strangest(scores: Floats, novelty: Floats) -> MostNovelImages | None:
    limit = float(np.quantile(novelty.astype(np.float64), STRANGEST))
    some = scores[novelty > limit]
    return MostNovelImages(limit=limit, scores=sum_scores(some)) if len(some) >= LEAST_STRANGE else None


def sum_scores(scores: Floats) -> SummedScores:
    """Sum up scores (images, scores), at least one image's."""
    exact = scores.astype(np.float64)
    return SummedScores(
        image_count=len(scores),
        means=_rounded(exact.mean(axis=0)),
        squares=_rounded((exact**2).mean(axis=0)),
        weights=_rounded(weights_of(exact)),
    )


def _rounded(values: Floats) -> tuple[float, ...]:
    """Numbers of eight digits: they take half the room in a file."""
    return tuple(float(f"{value:.8g}") for value in values.tolist())


def own_sums(parts: tuple[SummedScores, ...], share: float, stream: Floats) -> RunningSums:
    """Running sums of the parts' scores, and then of their squares, beside a reference's.

    Args:
        parts: of the same images.
        share: independent images among these, from 0 to 1.
        stream: (blocks + 1, scores) as `sum_up` gives them.
    """
    size = parts[0].image_count * share
    means = [value for part in parts for value in part.means]
    squares = [value for part in parts for value in part.squares]
    return RunningSums(size=size, own=np.array([*means, *squares]) * size, stream=stream)
