"""How often, and for which classes, answers are right. What cannot be measured is None, never 0 or NaN."""

from dataclasses import dataclass

import numpy as np

from vidi.metrics.arrays import SMALLEST_PROBABILITY, Counts, Floats, Labels, check_answers, check_same_length


def count_confusion(predicted: Labels, labels: Labels, *, class_count: int) -> Counts:
    """How many images of each class were taken for each class.

    Returns:
        (classes, classes) int64; row = true class, column = predicted class.

    >>> count_confusion(np.array([0, 1, 1]), np.array([0, 1, 0]), class_count=2)
    array([[1, 1],
           [0, 1]])
    """
    check_same_length(predicted, labels)
    cells = labels.astype(np.int64) * class_count + predicted.astype(np.int64)
    return np.bincount(cells, minlength=class_count**2).reshape(class_count, class_count).astype(np.int64)


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """What every score of a class is computed from; each (classes,) and weighted where images are."""

    hits: Floats  # images of the class that were called so
    images: Floats  # images of the class
    calls: Floats  # images that were called so


def count_classes(predicted: Labels, labels: Labels, *, class_count: int, weights: Floats | None = None) -> ClassCounts:
    """Hits, images and calls of each class, without the whole confusion matrix.

    Args:
        predicted: (batch,) int class index.
        labels: (batch,) int class index.
        weights: (batch,) how often each image counts; once by default.
    """
    check_same_length(predicted, labels)
    weight = np.ones(len(labels)) if weights is None else weights
    hit = predicted == labels
    return ClassCounts(
        hits=_totals(labels[hit], weight[hit], class_count),
        images=_totals(labels, weight, class_count),
        calls=_totals(predicted, weight, class_count),
    )


def class_scores(counts: ClassCounts) -> Floats:
    """Recall, precision and F1 of each class as rows of one array; NaN where there is nothing to divide by.

    Nothing is known of a class without test images. One with test images that is never called has an F1 of 0.

    Returns:
        (3, classes) float64.

    >>> class_scores(count_classes(np.array([0, 1, 1]), np.array([0, 1, 0]), class_count=2)).round(2)
    array([[0.5 , 1.  ],
           [1.  , 0.5 ],
           [0.67, 0.67]])
    """
    parts = np.stack([counts.hits, counts.hits, 2 * counts.hits])
    wholes = np.stack([counts.images, counts.calls, counts.images + counts.calls])
    shares: Floats = np.full(parts.shape, np.nan)
    return np.divide(parts, wholes, out=shares, where=(counts.images > 0) & (wholes > 0))


def ranks_of_truth(probabilities: Floats, labels: Labels) -> Counts:
    """How many classes were thought more probable than the true one; 0 is a right answer.

    Returns:
        (batch,) int64.
    """
    truth = np.take_along_axis(probabilities, labels[:, None], axis=1)
    earlier = np.arange(probabilities.shape[1]) < labels[:, None]
    ahead = (probabilities > truth) | ((probabilities == truth) & earlier)
    ranks: Counts = ahead.sum(axis=1).astype(np.int64)
    return ranks


def log_losses(probabilities: Floats, labels: Labels) -> Floats:
    """The negative natural logarithm of each true class's probability: 0 is perfect.

    Returns:
        (batch,) float64, at most 87.3 (a probability of 0 is read as the smallest normal float32).
    """
    check_answers(probabilities, labels)
    truth = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0].astype(np.float64)
    return -np.log(np.clip(truth, SMALLEST_PROBABILITY, 1.0))


def brier_losses(probabilities: Floats, labels: Labels) -> Floats:
    """The squared distance from each row of probabilities to the truth: 0 is perfect, 2 is the worst.

    Returns:
        (batch,) float64.

    Source: Brier 1950, Verification of forecasts expressed in terms of probability, equation 2.
    """
    check_answers(probabilities, labels)
    # |p - truth|^2 = |p|^2 - 2 p(truth) + 1: no second array of the size of the first.
    squares = np.einsum("ij,ij->i", probabilities, probabilities, dtype=np.float64)
    truth = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0].astype(np.float64)
    losses: Floats = np.maximum(squares - 2 * truth + 1, 0.0)
    return losses


def _totals(class_indexes: Labels, weights: Floats, class_count: int) -> Floats:
    totals: Floats = np.bincount(class_indexes, weights=weights, minlength=class_count).astype(np.float64)
    return totals
