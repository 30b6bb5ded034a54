"""What a model's answers and images were like when it was calibrated: what later traffic is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ModelError
from vidi.metrics.arrays import Floats
from vidi.model_file.limits import Basis, Verdict
from vidi.model_file.values import BESIDE, NEED, key

TYPES = {8: "<i1", 16: "<i2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisedRows:
    """A matrix; each number is a whole number of its row's steps."""

    columns: int
    bits: int  # of each number: 8 or 16
    steps: tuple[float, ...]  # one for each row
    coded: bytes = field(metadata=key("data"))  # signed, little-endian, row by row

    def __post_init__(self) -> None:
        if self.bits not in TYPES or len(self.coded) * 8 != len(self.steps) * self.columns * self.bits:
            raise ModelError(
                f"{len(self.steps)} rows of {self.columns} numbers of {self.bits} bits have {len(self.coded):,} bytes",
                "Use a file that vidi wrote.",
            )

    @classmethod
    def of(cls, values: Floats, *, bits: int) -> "QuantisedRows":
        """The matrix (rows, columns) in 8 or 16 bits, wrong by half a step: by 1/254 or 1/65,534 of a row's maximum.

        >>> QuantisedRows.of(np.array([[12.7, -6.44], [0.0, 0.0]]), bits=8).values().astype(str).tolist()
        [['12.7', '-6.4'], ['0.0', '0.0']]
        """
        most = np.abs(values).max(axis=1) / (2 ** (bits - 1) - 1)
        steps = np.where(most > 0, most, 1.0)
        coded = np.round(values / steps[:, None]).astype(TYPES[bits])
        return cls(columns=values.shape[1], bits=bits, steps=tuple(steps.tolist()), coded=coded.tobytes())

    def values(self) -> NDArray[np.float32]:
        """(rows, columns) float32."""
        coded = np.frombuffer(self.coded, TYPES[self.bits]).reshape(len(self.steps), self.columns)
        values: NDArray[np.float32] = (coded * np.array(self.steps)[:, None]).astype(np.float32)
        return values


ReferencePart = Literal["calibration", "validation"]

MOST_BINS = 50
VALUES_IN_BIN = 4  # at least, on average
# Shares of the values below the edges of a histogram whose upper end matters.
TAIL = (0.0, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How often values lie from one edge up to, but not at, the next; none lies outside."""

    edges: tuple[float, ...]  # rising
    counts: tuple[int, ...]  # one fewer

    def __post_init__(self) -> None:
        rises = all(low < high for low, high in zip(self.edges, self.edges[1:], strict=False))
        if not self.counts or len(self.edges) != len(self.counts) + 1 or not rises or min(self.counts) < 0:
            raise ModelError(
                f"a histogram has {len(self.edges)} edges and {len(self.counts)} counts, or its edges do not rise",
                "Use a file that vidi wrote.",
            )

    @classmethod
    def of(cls, values: Floats) -> "Histogram":
        """The histogram of some values, at least one, in up to 50 bins that hold about as many each.

        >>> Histogram.of(np.array([2.0, 2.0, 2.0]))
        Histogram(edges=(2.0, 2.0000000000000004), counts=(3,))
        """
        bins = max(1, min(MOST_BINS, len(values) // VALUES_IN_BIN))
        return cls._cut(values, np.linspace(0, 1, bins + 1))

    @classmethod
    def of_tail(cls, values: Floats) -> "Histogram":
        """The histogram of some values, at least one, in bins that are the narrower the fewer values lie above them.

        >>> Histogram.of_tail(np.arange(1000.0)).counts
        (250, 250, 250, 50, 100, 50, 30, 10, 5, 5)
        """
        return cls._cut(values, np.array([*TAIL, 1.0]))

    @classmethod
    def _cut(cls, values: Floats, shares: NDArray[np.float64]) -> "Histogram":
        """Edges below which so large shares of the values lie; the first is 0, the last 1."""
        exact: NDArray[np.float64] = values.astype(np.float64)
        inner: NDArray[np.float64] = np.unique(np.quantile(exact, shares))
        edges = np.append(inner[: max(1, len(inner) - 1)], np.nextafter(exact.max(), np.inf))
        counts, _ = np.histogram(exact, edges)
        return cls(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()))


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Where embeddings lie along a model's reference axes."""

    mean: NDArray[np.float32]  # (features,)
    axes: NDArray[np.float32]  # (components, features), of about length 1

    def place(self, embeddings: Floats) -> NDArray[np.float32]:
        """(batch, features) to (batch, components)."""
        centred: NDArray[np.float32] = embeddings.astype(np.float32) - self.mean
        return centred @ self.axes.T


@dataclass(frozen=True, slots=True, kw_only=True)
class SummedScores:
    """Scores of many images, summed up: they say nothing of any single image."""

    image_count: int = field(metadata=key("images"))
    means: tuple[float, ...]  # (scores,)
    squares: tuple[float, ...]  # (scores,) means of their squares
    weights: tuple[float, ...]  # variances of the scores' principal components, where each score's variance is 1

    def __post_init__(self) -> None:
        if self.image_count < 1 or len(self.means) != len(self.squares) or not self.weights or min(self.weights) <= 0:
            raise ModelError("the drift reference's sums do not fit one another", "Use a file that vidi wrote.")


@dataclass(frozen=True, slots=True, kw_only=True)
class MostNovelImages:
    """Scores of the strangest fifth of the images."""

    limit: float  # their novelty is higher
    scores: SummedScores = field(metadata=BESIDE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SummedPlaces:
    """Where many images lie on the axes, component by component in robust standard deviations, and clipped."""

    middle: tuple[float, ...]  # (components,) of the axes: 0 …
    spread: tuple[float, ...]  # (components,) … and 1 of the scores
    shift: SummedScores  # (components,) the clipped scores
    width: SummedScores  # (components,) how far these lie from 0
    # With `shift` of these alone; None: not known, or too few.
    strangest: MostNovelImages | None = field(default=None, metadata=NEED)

    def __post_init__(self) -> None:
        parts = [self.shift, self.width, *([] if self.strangest is None else [self.strangest.scores])]
        lengths = {len(self.middle), len(self.spread), *(len(one.means) for one in parts)}
        if len(lengths) > 1 or min(self.spread, default=0) <= 0:
            raise ModelError("the drift reference's sums do not fit one another", "Use a file that vidi wrote.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceEmbeddings:
    """Some images' embeddings on the principal axes of others', so that they lie as new images do."""

    mean: QuantisedRows  # (1, features), 16 bits
    axes: QuantisedRows  # (components, features), 8 bits
    places: QuantisedRows  # (components, images), 16 bits: what these very axes make of the images
    summed: SummedPlaces | None = None  # of these and of many more; None in the files of an older vidi

    def __post_init__(self) -> None:
        fits = len(self.mean.steps) == 1 and self.mean.columns == self.axes.columns
        components = len(self.axes.steps)
        is_summed = self.summed is None or len(self.summed.middle) == components
        if not fits or len(self.places.steps) != components or not is_summed:
            raise ModelError(
                "the drift reference's mean, axes and places do not fit one another", "Use a file that vidi wrote."
            )

    @property
    def image_count(self) -> int:
        """Images whose embeddings are kept."""
        return self.places.columns

    @property
    def component_count(self) -> int:
        """Axes."""
        return len(self.axes.steps)

    def projection(self) -> Projection:
        """What places further embeddings; decode it once."""
        return Projection(self.mean.values()[0], self.axes.values())

    def placed(self) -> NDArray[np.float32]:
        """(images, components): where the reference's own images lie."""
        return np.ascontiguousarray(self.places.values().T)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceImages:
    """Images that the network did not learn from, as the model file sees them."""

    part: ReferencePart
    image_count: int = field(metadata=key("images"))
    group_count: int = field(metadata=key("groups"))  # images of one group are not independent
    qualities: Mapping[str, Histogram]  # by the names of `vidi.images.statistics.QUALITIES`
    embeddings: ReferenceEmbeddings | None  # None where the file is to tell nothing of single images


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReference:
    """Answers about images that the network did not learn from, in figures, and such images."""

    basis: Basis  # answers by the shipped network, or by networks of the same recipe
    answer_count: int = field(metadata=key("answers"))
    group_count: int = field(metadata=key("groups"))  # answers about images of one group are not independent
    classes: tuple[int, ...]  # answers that name each class, in the model's order
    verdicts: Mapping[Verdict, int]  # answers of each verdict
    confidence: Histogram  # of the most probable class's probability
    # None: too few that the network did not learn from.
    images: ReferenceImages | None = field(default=None, metadata=NEED)
    novelty: Histogram | None = None  # of the answers; None where the model cannot tell, or an older vidi wrote it

    def __post_init__(self) -> None:
        if min(self.answer_count, self.group_count, *self.classes, *self.verdicts.values()) < 0:
            raise ModelError("the drift reference holds a count below zero", "Use a file that vidi wrote.")
