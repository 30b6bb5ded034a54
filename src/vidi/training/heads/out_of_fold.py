"""Answers about all images, each by a head that has not seen the image, where images are many."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from vidi.metrics.temperature import best_temperature
from vidi.training.heads.linear import Labels, multinomial


def answer_out_of_fold(
    features: NDArray[np.floating], labels: Labels, *, fold_of: NDArray[np.int64], class_count: int, strength: float
) -> NDArray[np.float32]:
    """Probabilities by multinomial heads, of honest size.

    Args:
        features: (images, features), standardised or reduced: they are taken as they are.
        labels: (images,).
        fold_of: (images,) the fold in which each image is held out; -1 = in none.
        class_count: number of classes.
        strength: of the penalty.

    Returns:
        (held out, classes) float32, for the images with a fold, in their order; rows sum to 1.
    """
    logits, held_out = np.zeros((len(labels), class_count)), fold_of >= 0
    with threadpool_limits(1):
        for fold in np.unique(fold_of[held_out]).tolist():
            seen = fold_of != fold
            (head,) = multinomial(features[seen], labels[seen], np.ones(int(seen.sum())), class_count, [strength])
            logits[~seen] = head.logits(features[~seen])
    logits = logits[held_out]
    temperature = best_temperature(softmax(logits, axis=1), labels[held_out])
    return np.asarray(softmax(logits / temperature, axis=1), np.float32)
