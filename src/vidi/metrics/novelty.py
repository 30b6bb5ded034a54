"""How unlike the training images an image is, from its embedding."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.arrays import Floats, Labels, check_same_length
from vidi.metrics.components import principal_axes

Doubles = NDArray[np.float64]

MOST_COMPONENTS = 128  # directions that are kept of an embedding
SHRINKAGE = 0.3  # share of a round covariance that is mixed in
OUTSIDE = 2.0  # times the mean variance within classes: what a direction outside the components is taken to have
MOST_POWER = 20.0  # in logarithms of distance, that logits may change it by
SMALLEST = 1e-6  # of a length or a variance


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxLogitScore:
    """How high a network's strongest logit is: images of another kind seldom raise any of them."""

    weight: Doubles  # (classes, features): the network's own head …
    bias: Doubles  # (classes,)
    usual: float  # the mean over training images
    power: float  # how much one unit less adds to the logarithm of the distance

    def factor(self, embeddings: Floats) -> Doubles:
        """(batch, features) to (batch,): what the distance is multiplied by; 1 where the strongest logit is usual."""
        below = self.usual - strongest(embeddings, self.weight, self.bias)
        factor: Doubles = np.exp(np.clip(self.power * below, -MOST_POWER, MOST_POWER))
        return factor


def strongest(embeddings: Floats, weight: Floats, bias: Floats) -> Doubles:
    """(batch,): the highest logit of each embedding."""
    highest: Doubles = (embeddings.astype(np.float64) @ weight.T + bias).max(axis=1)
    return highest


@dataclass(frozen=True, slots=True, kw_only=True)
class NoveltyScore:
    """How far an embedding's direction lies from the nearest class, squared, where classes are made round.

    What lies outside the components is added as if the classes had twice their mean variance there: images of
    another kind show it in directions in which the training images hardly differ.
    """

    mean: Doubles  # (features,), of the directions
    projection: Doubles  # (features, components)
    prototypes: Doubles  # (classes, components): where the classes lie
    variances: Doubles  # (components,): within the classes, along each component
    weight: float  # of a squared length outside the components; 0 where they span everything
    counters: Doubles | None = None  # (kinds, components): where negatives lie
    offset: float = 0.0  # what is added to how much nearer to them an image is than to the classes
    sureness: MaxLogitScore | None = None  # of a network that has learned the embedding together with its logits

    def of(self, embeddings: Floats) -> Doubles:
        """(batch, features) to (batch,): higher is stranger."""
        distance, resemblance = self.both(embeddings)
        return np.maximum(distance, resemblance + self.offset)

    def both(self, embeddings: Floats) -> tuple[Doubles, Doubles]:
        """The distance from the nearest class, and by how much that is more than from the nearest negatives.

        The second is -inf where there are none.
        """
        centred = directions(embeddings) - self.mean
        placed = centred @ self.projection
        to_classes = _nearest(placed, self.prototypes)
        outside = (centred**2).sum(axis=1) - placed**2 @ self.variances
        distance: Doubles = to_classes + (placed**2).sum(axis=1) + self.weight * outside
        if self.sureness is not None:
            distance = distance * self.sureness.factor(embeddings)
        if self.counters is None:
            return distance, np.full(len(distance), -np.inf)
        return distance, to_classes - _nearest(placed, self.counters)

    def knowing(self, negatives: Floats, kinds: Labels) -> "NoveltyScore":
        """The score that knows where some images lie that show none of the classes; `offset` is still to be chosen.

        Args:
            negatives: (images, features) float, at least one.
            kinds: (images,) int; those of one kind lie together.
        """
        placed = (directions(negatives) - self.mean) @ self.projection
        return replace(self, counters=np.stack([placed[kinds == kind].mean(axis=0) for kind in np.unique(kinds)]))


def _nearest(placed: Doubles, prototypes: Doubles) -> Doubles:
    """(batch,): the squared distance from the nearest prototype, less the squared length of what is placed."""
    nearest: Doubles = (-2 * placed @ prototypes.T + (prototypes**2).sum(axis=1)).min(axis=1)
    return nearest


def balancing_offset(distance: Floats, resemblance: Floats) -> float:
    """The offset with which known images that are far away and those that look like negatives count alike.

    The values that a hundredth of the images exceed become equal.

    Args:
        distance: (images,) of known images, from `NoveltyScore.both`.
        resemblance: (images,) of the same.

    >>> balancing_offset(np.array([1.0, 3.0]), np.array([-7.0, -9.0]))
    10.0
    """
    rank = max(1, len(distance) // 100)
    return float(np.sort(distance)[-rank] - np.sort(resemblance)[-rank])


def directions(embeddings: Floats) -> Doubles:
    """(batch, features) to the same, each of length 1: how strongly a network answers says less than what."""
    values = embeddings.astype(np.float64)
    scaled: Doubles = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), SMALLEST)
    return scaled


def components_for_folds(image_count: int) -> int:
    """Number of directions to keep if the limit comes from scores on four fifths of the images.

    With all that the images span, which are fewer for a fold, the whole's distances were longer than the folds', and
    far more known images unknown than was meant.

    >>> components_for_folds(100), components_for_folds(1_000)
    (75, 128)
    """
    return max(1, min(MOST_COMPONENTS, 3 * image_count // 4))


def fit_novelty(
    embeddings: Floats,
    labels: Labels,
    *,
    components: int | None = None,
    head: tuple[Floats, Floats] | None = None,
    shrinkage: float = SHRINKAGE,
) -> NoveltyScore:
    """The score from the embeddings of training images: classes are Gaussians of one covariance.

    Args:
        embeddings: (batch, features) float.
        labels: (batch,) int; classes without an image have no place.
        components: directions that are kept, at most; None: `MOST_COMPONENTS`.
        head: weights (classes, features) and biases (classes,) that were learned with the embedding; None: the distance
            alone counts.
        shrinkage: share of a round covariance that is mixed in; 0 takes the classes' own.

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
    kept = principal_axes(centred, components or MOST_COMPONENTS)
    within = (centred - means[codes]) @ kept
    covariance = within.T @ within / len(values)
    size = max(float(np.trace(covariance)) / len(covariance), SMALLEST)
    covariance = (1 - shrinkage) * covariance + shrinkage * size * np.eye(len(covariance))
    variances, axes_within = np.linalg.eigh(covariance)
    projection = kept @ (axes_within / np.sqrt(variances))
    score = NoveltyScore(
        mean=mean,
        projection=projection,
        prototypes=means @ projection,
        variances=variances,
        weight=1 / (OUTSIDE * size) if kept.shape[1] < values.shape[1] else 0.0,
    )
    return score if head is None else replace(score, sureness=_fit_sureness(score, embeddings, *head))


def _fit_sureness(score: NoveltyScore, embeddings: Floats, weight: Floats, bias: Floats) -> MaxLogitScore:
    """Logits and logarithms of distances count alike, each by how far it spreads over the training images."""
    highest = strongest(embeddings, weight, bias)
    spread = float(np.log(np.maximum(score.of(embeddings), SMALLEST)).std())
    return MaxLogitScore(
        weight=weight.astype(np.float64),
        bias=bias.astype(np.float64),
        usual=float(highest.mean()),
        power=spread / max(float(highest.std()), SMALLEST),
    )


def novelty_limit(novelty: Floats, *, share: float) -> float | None:
    """The value that at most this share of images like these exceed, on average.

    Args:
        novelty: (batch,) of images that neither the network nor the score was trained on.
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
