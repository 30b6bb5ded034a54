"""What a model's answers and images were like when it was calibrated: what later traffic is compared with."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ModelError
from vidi.metrics.arrays import Floats
from vidi.model_file.limits import BASES, VERDICTS, Basis, Verdict
from vidi.model_file.values import (
    Json,
    entry,
    integer_entry,
    list_entry,
    number_entry,
    numbers_entry,
    object_entry,
    object_or_none,
    text_entry,
    wrong_value,
)

TYPES = {8: "<i1", 16: "<i2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisedRows:
    """A matrix; each number is a whole number of its row's steps."""

    columns: int
    bits: int  # of each number: 8 or 16
    steps: tuple[float, ...]  # one for each row
    coded: bytes  # signed, little-endian, row by row

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


def rows_to_json(rows: QuantisedRows) -> dict[str, Json]:
    """Plain values, for the file."""
    return {
        "columns": rows.columns,
        "bits": rows.bits,
        "steps": list(rows.steps),
        "data": base64.b64encode(rows.coded).decode("ascii"),
    }


def rows_from_json(document: Mapping[str, Json]) -> QuantisedRows:
    """What `rows_to_json` wrote, checked.

    Raises:
        ModelError: a value is missing or of the wrong kind, or there are not as many bytes as are stated.
    """
    try:
        coded = base64.b64decode(text_entry(document, "data"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ModelError("the data of a matrix is not base64", "Use a file that vidi wrote.") from error
    return QuantisedRows(
        columns=integer_entry(document, "columns"),
        bits=integer_entry(document, "bits"),
        steps=numbers_entry(document, "steps"),
        coded=coded,
    )


ReferencePart = Literal["calibration", "validation"]

PARTS: tuple[ReferencePart, ...] = ("calibration", "validation")
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

    image_count: int
    means: tuple[float, ...]  # (scores,)
    squares: tuple[float, ...]  # (scores,) means of their squares
    weights: tuple[float, ...]  # variances of the scores' principal components, where each score's variance is 1

    def __post_init__(self) -> None:
        if self.image_count < 1 or len(self.means) != len(self.squares) or not self.weights or min(self.weights) <= 0:
            raise ModelError("the drift reference's sums do not fit one another", "Use a file that vidi wrote.")


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangestImages:
    """Scores of the strangest fifth of the images."""

    limit: float  # their novelty is higher
    scores: SummedScores


@dataclass(frozen=True, slots=True, kw_only=True)
class SummedPlaces:
    """Where many images lie on the axes, component by component in robust standard deviations, and clipped."""

    middle: tuple[float, ...]  # (components,) of the axes: 0 …
    spread: tuple[float, ...]  # (components,) … and 1 of the scores
    shift: SummedScores  # (components,) the clipped scores
    width: SummedScores  # (components,) how far these lie from 0
    strangest: StrangestImages | None = None  # with `shift` of these alone; None: not known, or too few

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
    image_count: int
    group_count: int  # images of one group are not independent
    qualities: Mapping[str, Histogram]  # by the names of `vidi.images.statistics.QUALITIES`
    embeddings: ReferenceEmbeddings | None  # None where the file is to tell nothing of single images


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReference:
    """Answers about images that the network did not learn from, in figures, and such images."""

    basis: Basis  # answers by the shipped network, or by networks of the same recipe
    answer_count: int
    group_count: int  # answers about images of one group are not independent
    classes: tuple[int, ...]  # answers that name each class, in the model's order
    verdicts: Mapping[Verdict, int]  # answers of each verdict
    confidence: Histogram  # of the most probable class's probability
    images: ReferenceImages | None = None  # None: too few that the network did not learn from
    novelty: Histogram | None = None  # of the answers; None where the model cannot tell, or an older vidi wrote it

    def __post_init__(self) -> None:
        if min(self.answer_count, self.group_count, *self.classes, *self.verdicts.values()) < 0:
            raise ModelError("the drift reference holds a count below zero", "Use a file that vidi wrote.")


def reference_to_json(reference: DriftReference) -> dict[str, Json]:
    """The reference as plain values, for the file and for `vidi inspect --json`."""
    document: dict[str, Json] = {
        "basis": reference.basis,
        "answers": reference.answer_count,
        "groups": reference.group_count,
        "classes": list(reference.classes),
        "verdicts": {name: reference.verdicts[name] for name in VERDICTS},
        "confidence": _histogram_to_json(reference.confidence),
        "images": None if reference.images is None else _images_to_json(reference.images),
    }
    return document if reference.novelty is None else document | {"novelty": _histogram_to_json(reference.novelty)}


def reference_from_json(document: Mapping[str, Json]) -> DriftReference:
    """What `reference_to_json` wrote, checked.

    Raises:
        ModelError: a value is missing or of the wrong kind, or they do not fit one another.
    """
    basis, verdicts = text_entry(document, "basis"), object_entry(document, "verdicts")
    known = [one for one in BASES if one == basis]
    if not known:
        raise wrong_value("drift reference's basis", " or ".join(BASES), basis)
    return DriftReference(
        basis=known[0],
        answer_count=integer_entry(document, "answers"),
        group_count=integer_entry(document, "groups"),
        classes=_counts(document, "classes"),
        verdicts={name: integer_entry(verdicts, name) for name in VERDICTS},
        confidence=_histogram_from_json(object_entry(document, "confidence")),
        images=_images_from_json(object_or_none(document, "images")),
        novelty=_histogram_from_json(object_entry(document, "novelty")) if "novelty" in document else None,
    )


def _images_to_json(images: ReferenceImages) -> dict[str, Json]:
    return {
        "part": images.part,
        "images": images.image_count,
        "groups": images.group_count,
        "qualities": {name: _histogram_to_json(one) for name, one in images.qualities.items()},
        "embeddings": None if images.embeddings is None else _embeddings_to_json(images.embeddings),
    }


def _images_from_json(document: Mapping[str, Json] | None) -> ReferenceImages | None:
    if document is None:
        return None
    part, qualities = text_entry(document, "part"), object_entry(document, "qualities")
    known = [one for one in PARTS if one == part]
    if not known:
        raise wrong_value("drift reference's part", " or ".join(PARTS), part)
    embeddings = None if entry(document, "embeddings") is None else object_entry(document, "embeddings")
    return ReferenceImages(
        part=known[0],
        image_count=integer_entry(document, "images"),
        group_count=integer_entry(document, "groups"),
        qualities={name: _histogram_from_json(object_entry(qualities, name)) for name in qualities},
        embeddings=None if embeddings is None else _embeddings_from_json(embeddings),
    )


def _embeddings_to_json(embeddings: ReferenceEmbeddings) -> dict[str, Json]:
    document: dict[str, Json] = {
        "mean": rows_to_json(embeddings.mean),
        "axes": rows_to_json(embeddings.axes),
        "places": rows_to_json(embeddings.places),
    }
    return document if embeddings.summed is None else document | {"summed": _summed_to_json(embeddings.summed)}


def _embeddings_from_json(document: Mapping[str, Json]) -> ReferenceEmbeddings:
    return ReferenceEmbeddings(
        mean=rows_from_json(object_entry(document, "mean")),
        axes=rows_from_json(object_entry(document, "axes")),
        places=rows_from_json(object_entry(document, "places")),
        summed=_summed_from_json(object_entry(document, "summed")) if "summed" in document else None,
    )


def _summed_to_json(summed: SummedPlaces) -> dict[str, Json]:
    return {
        "middle": list(summed.middle),
        "spread": list(summed.spread),
        "shift": _scores_to_json(summed.shift),
        "width": _scores_to_json(summed.width),
        "strangest": None
        if summed.strangest is None
        else {"limit": summed.strangest.limit, **_scores_to_json(summed.strangest.scores)},
    }


def _summed_from_json(document: Mapping[str, Json]) -> SummedPlaces:
    strangest = object_or_none(document, "strangest")
    return SummedPlaces(
        middle=numbers_entry(document, "middle"),
        spread=numbers_entry(document, "spread"),
        shift=_scores_from_json(object_entry(document, "shift")),
        width=_scores_from_json(object_entry(document, "width")),
        strangest=None
        if strangest is None
        else StrangestImages(limit=number_entry(strangest, "limit"), scores=_scores_from_json(strangest)),
    )


def _scores_to_json(scores: SummedScores) -> dict[str, Json]:
    return {
        "images": scores.image_count,
        "means": list(scores.means),
        "squares": list(scores.squares),
        "weights": list(scores.weights),
    }


def _scores_from_json(document: Mapping[str, Json]) -> SummedScores:
    return SummedScores(
        image_count=integer_entry(document, "images"),
        means=numbers_entry(document, "means"),
        squares=numbers_entry(document, "squares"),
        weights=numbers_entry(document, "weights"),
    )


def _histogram_to_json(histogram: Histogram) -> dict[str, Json]:
    return {"edges": list(histogram.edges), "counts": list(histogram.counts)}


def _histogram_from_json(document: Mapping[str, Json]) -> Histogram:
    return Histogram(edges=numbers_entry(document, "edges"), counts=_counts(document, "counts"))


def _counts(document: Mapping[str, Json], name: str) -> tuple[int, ...]:
    values = list_entry(document, name)
    counts = tuple(value for value in values if isinstance(value, int) and not isinstance(value, bool))
    if len(counts) != len(values):
        raise wrong_value(name, "a list of whole numbers", values)
    return counts
