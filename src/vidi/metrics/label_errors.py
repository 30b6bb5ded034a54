"""Labels that are likely wrong, by what a model says that has not seen the image."""

import math

import numpy as np
from numpy.typing import NDArray

from vidi.errors import from_extra
from vidi.metrics.arrays import Counts, Floats, Labels, check_answers
from vidi.metrics.multi_label import EVEN, check_targets

WRONG_AT_LEAST = 1 / 3  # the chance from which a label is listed
MOST_BELIEVED = 0.15  # of its label: where two classes are hard to tell apart, more is honest doubt
SUREST = 0.25  # of the answers about a class, by which it is judged how many of its labels are wrong
LEAST_ACCURACY = 0.7  # below, fewer than a third of all contradictions are wrong labels where a tenth of the labels are
MOST_RIVALS = 9  # classes that an image could be taken for by mistake: of many, few are at all alike


def can_accuse(probabilities: Floats, labels: Labels) -> bool:
    """Whether a model is right often enough that a label which it contradicts may be doubted.

    Args:
        probabilities: (batch, classes) float; each row by a model that was not trained on that image.
        labels: (batch,) int; the class that was given.

    >>> can_accuse(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
    False
    """
    return bool(len(labels)) and float((probabilities.argmax(axis=1) == labels).mean()) >= LEAST_ACCURACY


def find_label_errors(probabilities: Floats, labels: Labels) -> Counts:
    """Find the images whose label is likely wrong, least likely label first.

    Confident learning estimates how many labels are wrong, and proposes as many images. Where classes look alike it
    counts honest doubt among them, so of its proposals those are kept whose label the model believes hardly more than
    it would a wrong one: wrong labels, spread over the classes that an image could be taken for, give every class a
    share of (rate of wrong labels) / (such classes), and that share / (the probability of the image's label) is the
    chance that this label is one of them.

    Args:
        probabilities: (batch, classes) float; each row by a model that was not trained on that image.
        labels: (batch,) int; the class that was given.

    Returns:
        (likely errors,) int64 row numbers; empty where fewer than two classes have images, and by a model that
        contradicts too many labels to accuse any.

    Raises:
        ShapeError: the arrays do not describe the same images.
        MissingPackageError: cleanlab is not installed.

    Source: Northcutt, Jiang and Chuang 2021, Confident learning: estimating uncertainty in dataset labels.
    """
    check_answers(probabilities, labels)
    if len(np.unique(labels)) < 2 or not can_accuse(probabilities, labels):
        return np.zeros(0, np.int64)
    proposed = _proposals(probabilities, labels)
    rivals = min(probabilities.shape[1] - 1, MOST_RIVALS)
    share = len(proposed) / len(labels) / rivals
    believed = probabilities[proposed, labels[proposed]]
    likely: Counts = proposed[believed < min(share / WRONG_AT_LEAST, MOST_BELIEVED)]
    return likely


def find_unlikely_labels(probabilities: Floats, labels: Labels) -> Counts:
    """Find the images whose label a model believes as little as a wrong one, least likely label first.

    The quick sibling of `find_label_errors`, for labels of a few images by a model that learned from others. How many
    labels are wrong is seen in the quarter of the answers where the model is surest; where an image could be taken for
    up to nine other classes, that share / 9 / (the probability of the label) is the chance that the label is wrong.

    Args:
        probabilities: (batch, classes) float; each row by a model that was not trained on that image.
        labels: (batch,) int; the class that was given.

    Returns:
        (unlikely labels,) int64 row numbers; empty by a model that contradicts too many labels to accuse any.

    Raises:
        ShapeError: the arrays do not describe the same images.

    >>> rows = np.tile([0.98, 0.02], (8, 1))
    >>> find_unlikely_labels(rows, np.array([0, 0, 0, 0, 0, 0, 0, 1])).tolist()
    []
    >>> find_unlikely_labels(rows, np.array([1, 0, 0, 0, 0, 0, 0, 1])).tolist()
    [0, 7]
    """
    check_answers(probabilities, labels)
    if not can_accuse(probabilities, labels):
        return np.zeros(0, np.int64)
    believed = probabilities[np.arange(len(labels)), labels]
    order = np.argsort(-probabilities.max(axis=1), kind="stable")[: math.ceil(SUREST * len(labels))]
    share = float((probabilities[order].argmax(axis=1) != labels[order]).mean()) if len(order) else 0.0
    rivals = max(1, min(probabilities.shape[1] - 1, MOST_RIVALS))
    found: Counts = np.flatnonzero(believed < min(share / rivals / WRONG_AT_LEAST, MOST_BELIEVED))
    return found[np.argsort(believed[found], kind="stable")]


def find_wrong_targets(probabilities: Floats, targets: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(batch, classes) bool: where what an image is said to show of a class is likely wrong; each class by itself.

    How many labels of a class are wrong is seen where the model is surest, in a quarter of its answers: there honest
    doubt is least. That share / (the probability of the image's label) is the chance that this label is one of them.

    Args:
        probabilities: (batch, classes) float, of each class by itself, by models that were not trained on the image.
        targets: (batch, classes) bool; what was given.

    Raises:
        ShapeError: the arrays do not describe the same images and classes.
    """
    check_targets(probabilities, targets)
    if not len(targets):
        return np.zeros(targets.shape, np.bool_)
    believed = np.where(targets, probabilities, 1 - probabilities)
    doubt = np.minimum(probabilities, 1 - probabilities)
    surest = np.argsort(doubt, axis=0, kind="stable")[: math.ceil(SUREST * len(targets))]
    share = (np.take_along_axis(believed, surest, axis=0) < EVEN).mean(axis=0)
    return np.asarray(believed < np.minimum(share / WRONG_AT_LEAST, MOST_BELIEVED), np.bool_)


def suggest_labels(probabilities: Floats, labels: Labels) -> Counts:
    """The most probable class beside the one that was given.

    Args:
        probabilities: (batch, classes) float.
        labels: (batch,) int; the class that was given.

    >>> suggest_labels(np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]), np.array([0, 1])).tolist()
    [1, 2]
    """
    others = np.array(probabilities, np.float64)
    others[np.arange(len(labels)), labels] = -1
    best: Counts = others.argmax(axis=1)
    return best


def _proposals(probabilities: Floats, labels: Labels) -> Counts:
    """What confident learning proposes: as many as the confident joint counts off its diagonal, by self-confidence."""
    with from_extra("likely label errors are found with cleanlab", extra="labels"):
        from cleanlab.filter import find_label_issues
    rows = find_label_issues(
        labels.astype(np.int64),
        probabilities.astype(np.float64),
        filter_by="low_self_confidence",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    return np.asarray(rows, np.int64)
