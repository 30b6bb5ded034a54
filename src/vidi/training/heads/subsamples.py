"""Heads that learn from parts of the images: what a learning curve is made from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from vidi.groups import draw_images, draw_share
from vidi.metrics.calibration import best_temperature
from vidi.metrics.components import principal_axes
from vidi.training.heads.directions import SMALLEST_SPREAD
from vidi.training.heads.linear import Examples, Floats, Labels, multinomial

SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # of the images to learn from
DRAWS = 2  # of each share below 1, in each fold
LEAST_GROUPS = 3.0  # of a class of middling size, in the smallest share
LEAST_SHARES = 3  # fewer points make no curve
MOST_WORK = 150_000  # images x classes: of more, only so many are looked at
LEAST_IMAGES = 2_000  # looked at, however many classes there are
DIMENSIONS = 256  # of 1,280: on clothing a head on these errs about as often as on all


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsBySize:
    """Which images were misclassified by heads trained on how many images."""

    counts: Floats  # (sizes,) number of training images, ascending
    wrong: Floats  # (held out, sizes), the share of draws in which an image was answered wrongly
    held_out: NDArray[np.int64]  # rows of the features


def errors_by_size(
    features: NDArray[np.floating],
    labels: Labels,
    *,
    groups: NDArray[np.int64],
    fold_of: NDArray[np.int64],
    class_count: int,
    strength: float,
    seed: int,
) -> ErrorsBySize | None:
    """Errors of multinomial heads on held-out images, by the number of images that they were trained on.

    Groups are drawn whole, class by class, and a smaller part lies within the larger ones. The penalty shrinks with the
    root of the part, which is about what cross-validation would choose for it.

    Args:
        features: (images, features), standardised or reduced; float32 is faster.
        labels: (images,).
        groups: (images,) int64.
        fold_of: (images,) the fold in which each image is held out; -1 = in none.

    Returns:
        None where there are too few images for three sizes.
    """
    shares = _shares(labels, groups)
    if len(shares) < LEAST_SHARES:
        return None
    most = max(LEAST_IMAGES, MOST_WORK // class_count)
    wrong, seen = np.zeros((len(labels), len(shares))), np.zeros(len(shares))
    fold_count = len(np.unique(fold_of[fold_of >= 0]))
    with threadpool_limits(1):
        for drawn in draw_parts(labels, groups, fold_of=fold_of, shares=shares, most=most, seed=seed):
            part, unseen, size, share = drawn.rows, fold_of == drawn.fold, drawn.size, shares[drawn.size]
            known = Examples(features[part], labels[part], np.ones(len(part)), class_count)
            (head,) = multinomial(known, [strength * share**0.5])
            wrong[unseen, size] += (head.logits(features[unseen]).argmax(axis=1) != labels[unseen]) / _draws(share)
            seen[size] += len(part) / _draws(share) / fold_count
    held_out = np.flatnonzero(fold_of >= 0)
    return ErrorsBySize(counts=seen, wrong=wrong[held_out], held_out=held_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subsample:
    """Images that one head learns from."""

    fold: int  # that is held out
    size: int  # index of the share
    draw: int  # of this share, from 0
    rows: NDArray[np.int64]


def draw_parts(
    labels: Labels,
    groups: NDArray[np.int64],
    *,
    fold_of: NDArray[np.int64],
    shares: Sequence[float],
    most: int,
    seed: int,
) -> Iterator[Subsample]:
    """Parts of the images to learn from, fold by fold; those of one draw lie within one another, groups are whole.

    Args:
        labels: (images,).
        groups: (images,) int64.
        fold_of: (images,) the fold in which each image is held out; -1 = in none.
        shares: of the images outside the fold, ascending.
        most: images; of more, only so many are drawn from.
    """
    looked_at = draw_images(groups, images=most, seed=[seed, 0x50])
    for fold in np.unique(fold_of[fold_of >= 0]).tolist():
        learned = np.flatnonzero((fold_of != fold) & looked_at)
        for size, share in enumerate(shares):
            for draw in range(_draws(share)):
                random = np.random.default_rng([seed, fold, draw, 0x5B])
                rows = learned[draw_share(labels[learned], groups[learned], share=share, random=random)]
                yield Subsample(fold=fold, size=size, draw=draw, rows=rows)


def _draws(share: float) -> int:
    """How often a share is drawn in each fold: the whole is always the same."""
    return 1 if share == 1 else DRAWS


def _shares(labels: Labels, groups: NDArray[np.int64]) -> list[float]:
    """The parts that hold enough groups of a class of middling size."""
    _, first = np.unique(groups, return_index=True)
    counts = np.bincount(labels[first])
    middling = float(np.median(counts[counts > 0])) if len(first) else 0.0
    return [share for share in SHARES if share * middling >= LEAST_GROUPS]


def answer_out_of_fold(
    features: NDArray[np.floating], labels: Labels, *, fold_of: NDArray[np.int64], class_count: int, strength: float
) -> NDArray[np.float32]:
    """Probabilities by multinomial heads, of honest size.

    Args:
        features: (images, features), standardised or reduced: they are taken as they are.
        labels: (images,).
        fold_of: (images,) the fold in which each image is held out; -1 = in none.

    Returns:
        (held out, classes) float32, for the images with a fold, in their order; rows sum to 1.
    """
    logits, held_out = np.zeros((len(labels), class_count)), fold_of >= 0
    with threadpool_limits(1):
        for fold in np.unique(fold_of[held_out]).tolist():
            seen = fold_of != fold
            known = Examples(features[seen], labels[seen], np.ones(int(seen.sum())), class_count)
            (head,) = multinomial(known, [strength])
            logits[~seen] = head.logits(features[~seen])
    logits = logits[held_out]
    temperature = best_temperature(softmax(logits, axis=1), labels[held_out])
    return np.asarray(softmax(logits / temperature, axis=1), np.float32)


def reduce_features(features: NDArray[np.float32], *, dimensions: int = DIMENSIONS) -> NDArray[np.float32]:
    """The first principal components of standardised features; all of them where there are fewer.

    Args:
        features: (images, features) float32.

    Returns:
        (images, at most `dimensions`) float32, centred.
    """
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + SMALLEST_SPREAD)
    if features.shape[1] <= dimensions:
        return np.asarray(scaled, np.float32)
    with threadpool_limits(1):
        return np.asarray(scaled @ principal_axes(scaled, dimensions), np.float32)
