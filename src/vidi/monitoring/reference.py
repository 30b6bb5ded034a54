"""The drift reference of a model file, from answers and images that its network did not learn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidi.images.statistics import QUALITIES, ImageStatistics
from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.components import principal_axes
from vidi.model_file.decisions import judge, say
from vidi.model_file.drift_reference import (
    DriftReference,
    Histogram,
    Projection,
    QuantisedRows,
    ReferenceEmbeddings,
    ReferenceImages,
    ReferencePart,
)
from vidi.model_file.limits import VERDICTS, Basis, Verdict
from vidi.model_file.metadata import ModelMetadata
from vidi.monitoring.places import sum_places

LEAST = 20  # answers, and images: fewer tell nothing that traffic could be compared with
MOST_IMAGES = 5_000  # that are looked at
MOST_FOR_AXES = 1_000
MOST_PLACED = 500  # images whose embeddings are kept
MOST_COMPONENTS = 64
LEAST_VARIANCE = 1e-8  # of the first axis: what lies below is rounding
MOST_NUMBERS = 400_000  # in the axes, a byte each; ensembles' long embeddings get fewer axes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnseenImages:
    """Images that a network did not learn from, as its model file sees them."""

    part: ReferencePart
    embeddings: Floats  # (images, features)
    statistics: Sequence[ImageStatistics]
    groups: Counts  # (images,); images of one group are not independent
    novelty: Floats | None = None  # (images,) by the shipped network; None where it cannot tell


def thin_out(count: int) -> NDArray[np.int64]:
    """Which images are looked at: all, or 5,000 evenly spaced ones.

    >>> len(thin_out(30)), len(thin_out(100_000))
    (30, 5000)
    """
    if count <= MOST_IMAGES:
        return np.arange(count)
    return np.linspace(0, count - 1, MOST_IMAGES).round().astype(np.int64)


def make_reference(
    probabilities: Floats,
    metadata: ModelMetadata,
    *,
    basis: Basis,
    groups: Counts | None,
    novelty: Floats | None,
    images: UnseenImages | None,
) -> DriftReference | None:
    """Sum up answers and images.

    Args:
        probabilities: (answers, classes), calibrated, about images that the network that gave them did not learn from.
        metadata: of the model file, with its limits and operating points.
        groups: (answers,); None: each image is a group of its own.
        novelty: of images; used only where it is of the same ones.
        images: that the shipped network did not learn from; None: there are none.

    Returns:
        None with fewer than 20 answers; without images where these are fewer than 20.
    """
    if len(probabilities) < LEAST:
        return None
    rows = probabilities.astype(np.float32)
    own = novelty if novelty is not None and len(novelty) == len(rows) else None
    strange = [None] * len(rows) if own is None else own.tolist()
    judged = [judge(row, metadata, novelty=one) for row, one in zip(rows, strange, strict=True)]
    verdicts: Mapping[Verdict, int] = {name: sum(one.verdict == name for one in judged) for name in VERDICTS}
    return DriftReference(
        basis=basis,
        answer_count=len(rows),
        group_count=len(rows) if groups is None else len(np.unique(groups)),
        classes=tuple(say(rows, metadata).sum(axis=0).tolist()),
        verdicts=verdicts,
        confidence=Histogram.of(rows.max(axis=1)),
        images=None if images is None or len(images.groups) < LEAST else sum_up_images(images),
        novelty=None if own is None else Histogram.of_tail(own),
    )


def sum_up_images(images: UnseenImages) -> ReferenceImages:
    """Histograms of the images' qualities, and some embeddings."""
    return ReferenceImages(
        part=images.part,
        image_count=len(images.groups),
        group_count=len(np.unique(images.groups)),
        qualities={
            name: Histogram.of(np.array([getattr(one, name) for one in images.statistics])) for name in QUALITIES
        },
        embeddings=place_embeddings(images.embeddings, images.groups, images.novelty),
    )


def place_embeddings(embeddings: Floats, groups: Counts, novelty: Floats | None = None) -> ReferenceEmbeddings:
    """Find the axes from some of the images, sum up where the others lie on them, and keep at most 500 of these.

    Images differ most along axes that were found from themselves; the others lie as new images do.

    Args:
        embeddings: (images, features) float.
        groups: (images,); a group stays together.
        novelty: (images,); None: not known.
    """
    is_placed = apart_from_axes(groups)
    known = embeddings[~is_placed].astype(np.float64)
    mean = known.mean(axis=0)
    count = max(1, min(MOST_COMPONENTS, len(known) - 1, MOST_NUMBERS // embeddings.shape[1]))
    axes = QuantisedRows.of(_telling_axes(known - mean, count), bits=8)
    centre = QuantisedRows.of(mean[None], bits=16)
    placed = Projection(centre.values()[0], axes.values()).place(embeddings[is_placed])
    return ReferenceEmbeddings(
        mean=centre,
        axes=axes,
        places=QuantisedRows.of(placed[:MOST_PLACED].T, bits=16),
        summed=sum_places(placed, None if novelty is None else novelty[is_placed]),
    )


def _telling_axes(centred: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """(axes, features): the principal axes along which the images differ at all, or the first alone."""
    axes = principal_axes(centred, count).T
    variances = (centred @ axes.T).var(axis=0)
    variances[0] = max(float(variances[0]), np.finfo(np.float64).tiny)
    telling: NDArray[np.float64] = axes[variances > LEAST_VARIANCE * variances[0]]
    return telling


def apart_from_axes(groups: Counts) -> NDArray[np.bool_]:
    """(images,) bool: whole groups in a random order, half of the images or all but 1,000; at least one of several."""
    members, sizes = np.unique(groups, return_counts=True)
    order = np.random.default_rng(0).permutation(len(members))
    until = np.cumsum(sizes[order])
    wanted = max(len(groups) - MOST_FOR_AXES, len(groups) // 2)
    taken = order[: max(1, int(np.searchsorted(until, wanted, side="right")))]
    return np.isin(groups, members[taken]) if len(members) > 1 else np.arange(len(groups)) % 2 == 0


def without_embeddings(reference: DriftReference | None) -> DriftReference | None:
    """The reference of a file that is to tell nothing of single images: counts and histograms alone."""
    if reference is None or reference.images is None:
        return reference
    return replace(reference, images=replace(reference.images, embeddings=None))
