"""How well some plain numbers tell classes apart: a step function of each number, added up, cross-fitted."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.arrays import Counts, Floats, Labels

BINS = 8  # steps for each number; fewer where it has fewer values


def step_columns(values: Floats) -> tuple[NDArray[np.float32], Counts]:
    """Numbers as indicators of the step that they fall into, cut at quantiles; equal numbers share a step.

    Args:
        values: (images, numbers) float, finite.

    Returns:
        (images, columns) float32 of 0 and 1, and (columns,) int64, the number that each column is of.

    >>> step_columns(np.array([[1.0], [1.0], [5.0]]))[0].tolist()
    [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    columns, owners = [], []
    for number, column in enumerate(values.T):
        kinds = np.unique(column)
        if len(kinds) > BINS:
            kinds = np.unique(np.quantile(column, np.arange(BINS) / BINS, method="lower"))
        step = np.searchsorted(kinds, column, side="right") - 1
        columns.append((step[:, None] == np.arange(len(kinds))).astype(np.float32))
        owners += [number] * len(kinds)
    return np.concatenate(columns, axis=1), np.array(owners, dtype=np.int64)


def standard_columns(values: Floats) -> NDArray[np.float32]:
    """Numbers with mean 0 and spread 1, (images, numbers) float32; a number that never changes becomes 0."""
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    scaled: NDArray[np.float32] = (centred / np.where(spread > 0, spread, 1.0)).astype(np.float32)
    return scaled


def cross_fitted_scores(
    columns: NDArray[np.float32],
    labels: Labels,
    folds: Counts,
    families: Sequence[NDArray[np.bool_]],
    *,
    penalties: Floats,
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """For each family of columns how much each image looks like each class, by a fit that has not seen its fold.

    Least squares on class indicators, each class weighing the same. One pass over the images serves every family
    and every fold: what a fold adds to the sums is taken off again.

    Args:
        columns: (images, columns), from `step_columns` and `standard_columns`.
        labels: (images,) int, every class from 0 on present.
        folds: (images,) int, from `split_folds`.
        families: (columns,) bool each: the columns that a fit may use.
        penalties: (columns,) float, what is added to the sum of squares of each: images' worth of doubt.

    Returns:
        For each family two arrays (images, classes): scores, higher is likelier; and for each score the limit above
        which an image is taken for the class when the question is only whether it is of that class.
    """
    count, class_count = len(labels), int(labels.max()) + 1
    weights = count / (class_count * np.bincount(labels, minlength=class_count)[labels])
    design = np.concatenate([columns, np.ones((count, 1), np.float32)], axis=1)
    numbers = range(int(folds.max()) + 1)
    squares, sums = [], []
    for number in numbers:
        rows = folds == number
        part, own = design[rows], labels[rows]
        squares.append((part * weights[rows, None].astype(np.float32)).T @ part)
        sums.append(np.stack([part[own == index].sum(axis=0) for index in range(class_count)], axis=1))
    square, total = np.sum(squares, axis=0, dtype=np.float64), np.sum(sums, axis=0, dtype=np.float64)
    scale = count / (class_count * np.bincount(labels, minlength=class_count))
    results = []
    for family in families:
        used = np.flatnonzero(np.append(family, True))
        penalty = np.diag(np.append(penalties, 1e-6)[used])
        scores, limits = np.empty((count, class_count)), np.empty((count, class_count))
        for number in numbers:
            rows = folds == number
            seen = (total - sums[number])[used]  # (columns, classes): sums over the images of each class
            fit = np.linalg.solve((square - squares[number])[np.ix_(used, used)] + penalty, seen * scale)
            scores[rows] = design[rows][:, used] @ fit
            limits[rows] = _limits(seen / np.maximum(seen[-1], 1.0), fit)
        results.append((scores, limits))
    return results


def _limits(means: Floats, fit: Floats) -> Floats:
    """(classes,): halfway between the mean score of a class's own images and that of the others.

    Args:
        means: (columns, classes), the mean image of each class.
        fit: (columns, classes).
    """
    mean_scores = means.T @ fit  # row: whose images; column: score for which class
    own = np.diag(mean_scores)
    others = (mean_scores.sum(axis=0) - own) / max(len(own) - 1, 1)
    limits: Floats = (own + others) / 2
    return limits
