"""How unlike the training images an image is, told from its embedding."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.arrays import Floats, Labels, check_same_length

Doubles = NDArray[np.float64]

MOST_COMPONENTS = 128  # directions that are kept of an embedding
SHRINKAGE = 0.3  # share of a round covariance that is mixed in
SMALLEST = 1e-6  # of a length or a variance


@dataclass(frozen=True, slots=True, kw_only=True)
class NoveltyScore:
    """How far an embedding's direction lies from the nearest class, squared, where classes are made round.

    What lies outside the components is added as if the classes had their mean variance there: images of another kind
    show it in directions in which the training images hardly differ.
    """

    mean: Doubles  # (features,), of the directions
    projection: Doubles  # (features, components)
    prototypes: Doubles  # (classes, components): where the classes lie
    variances: Doubles  # (components,): within the classes, along each component
    weight: float  # of a squared length outside the components; 0 where they span everything

    def of(self, embeddings: Floats) -> Doubles:
        """(batch, features) to (batch,): higher is stranger."""
        centred = directions(embeddings) - self.mean
        placed = centred @ self.projection
        to_classes = -2 * placed @ self.prototypes.T + (self.prototypes**2).sum(axis=1)
        outside = (centred**2).sum(axis=1) - placed**2 @ self.variances
        novelty: Doubles = to_classes.min(axis=1) + (placed**2).sum(axis=1) + self.weight * outside
        return novelty


def directions(embeddings: Floats) -> Doubles:
    """(batch, features) to the same, each of length 1: how strongly a network answers says less than what."""
    values = embeddings.astype(np.float64)
    scaled: Doubles = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), SMALLEST)
    return scaled


def fit_novelty(embeddings: Floats, labels: Labels) -> NoveltyScore:
    """The score from the embeddings of training images: classes are Gaussians of one covariance.

    Args:
        embeddings: (batch, features) float.
        labels: (batch,) int; classes without an image have no place.

    Raises:
        ShapeError: the two arrays do not describe the same images.

    Source: Lee et al. 2018, A simple unified framework for detecting out-of-distribution samples; of directions:
    Mueller and Hein 2025, Mahalanobis++.
    """
    check_same_length(embeddings, labels)
    values = directions(embeddings)
    mean = values.mean(axis=0)
    centred = values - mean
    present, codes = np.unique(labels, return_inverse=True)
    members = np.eye(len(present))[codes]
    means = (members.T @ centred) / members.sum(axis=0)[:, None]
    axes = np.linalg.eigh(centred.T @ centred / len(values))[1]
    kept = axes[:, ::-1][:, : min(MOST_COMPONENTS, values.shape[1])]
    within = (centred - means[codes]) @ kept
    covariance = within.T @ within / len(values)
    size = max(float(np.trace(covariance)) / len(covariance), SMALLEST)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * size * np.eye(len(covariance))
    variances, axes_within = np.linalg.eigh(covariance)
    projection = kept @ (axes_within / np.sqrt(variances))
    return NoveltyScore(
        mean=mean,
        projection=projection,
        prototypes=means @ projection,
        variances=variances,
        weight=1 / size if kept.shape[1] < values.shape[1] else 0.0,
    )


def novelty_limit(novelty: Floats, *, share: float) -> float | None:
    """The value that at most this share of images like these exceed, on average.

    Args:
        novelty: (batch,) of images that neither the network nor the score has learnt from.
        share: of known images that may be called unknown.

    Returns:
        None with fewer images than 1 / share - 1.

    >>> novelty_limit(np.arange(99.0), share=0.02)
    97.0
    """
    rank = int(np.floor(round((len(novelty) + 1) * share, 9)))
    if rank < 1:
        return None
    return float(np.partition(novelty, len(novelty) - rank)[len(novelty) - rank])
