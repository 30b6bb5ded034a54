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
        fold_of: (images,) the fold in which each image is held out.
        class_count: number of classes.
        strength: of the penalty.

    Returns:
        (images, classes) float32; rows sum to 1.
    """
    logits = np.zeros((len(labels), class_count))
    with threadpool_limits(1):
        for fold in np.unique(fold_of).tolist():
            seen = fold_of != fold
            (head,) = multinomial(features[seen], labels[seen], np.ones(int(seen.sum())), class_count, [strength])
            logits[~seen] = head.logits(features[~seen])
    temperature = best_temperature(softmax(logits, axis=1), labels)
    return np.asarray(softmax(logits / temperature, axis=1), np.float32)
