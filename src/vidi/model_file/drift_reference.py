"""What a model's answers and images were like when it was calibrated: what later traffic is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ModelError
from vidi.metrics.arrays import Floats
from vidi.model_file.limits import BASES, VERDICTS, Basis, Verdict
from vidi.model_file.quantised import QuantisedRows, rows_from_json, rows_to_json
from vidi.model_file.values import (
    Json,
    entry,
    integer_entry,
    list_entry,
    numbers_entry,
    object_entry,
    object_or_none,
    text_entry,
    wrong_value,
)

ReferencePart = Literal["calibration", "validation"]

PARTS: tuple[ReferencePart, ...] = ("calibration", "validation")
MOST_BINS = 50
VALUES_IN_BIN = 4  # at least, on average


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
        exact: NDArray[np.float64] = values.astype(np.float64)
        inner: NDArray[np.float64] = np.unique(np.quantile(exact, np.linspace(0, 1, bins + 1)))
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
class ReferenceEmbeddings:
    """Some images' embeddings on the principal axes of others', so that they lie as new images do."""

    mean: QuantisedRows  # (1, features), 16 bits
    axes: QuantisedRows  # (components, features), 8 bits
    places: QuantisedRows  # (components, images), 16 bits: what these very axes make of the images

    def __post_init__(self) -> None:
        fits = len(self.mean.steps) == 1 and self.mean.columns == self.axes.columns
        if not fits or len(self.places.steps) != len(self.axes.steps):
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

    def __post_init__(self) -> None:
        if min(self.answer_count, self.group_count, *self.classes, *self.verdicts.values()) < 0:
            raise ModelError("the drift reference holds a count below zero", "Use a file that vidi wrote.")


def reference_to_json(reference: DriftReference) -> dict[str, Json]:
    """The reference as plain values, for the file and for `vidi inspect --json`."""
    return {
        "basis": reference.basis,
        "answers": reference.answer_count,
        "groups": reference.group_count,
        "classes": list(reference.classes),
        "verdicts": {name: reference.verdicts[name] for name in VERDICTS},
        "confidence": _histogram_to_json(reference.confidence),
        "images": None if reference.images is None else _images_to_json(reference.images),
    }


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
    )


def _images_to_json(images: ReferenceImages) -> dict[str, Json]:
    embeddings = images.embeddings
    return {
        "part": images.part,
        "images": images.image_count,
        "groups": images.group_count,
        "qualities": {name: _histogram_to_json(one) for name, one in images.qualities.items()},
        "embeddings": None
        if embeddings is None
        else {
            "mean": rows_to_json(embeddings.mean),
            "axes": rows_to_json(embeddings.axes),
            "places": rows_to_json(embeddings.places),
        },
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
        embeddings=None
        if embeddings is None
        else ReferenceEmbeddings(
            mean=rows_from_json(object_entry(embeddings, "mean")),
            axes=rows_from_json(object_entry(embeddings, "axes")),
            places=rows_from_json(object_entry(embeddings, "places")),
        ),
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
