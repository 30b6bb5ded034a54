"""Made answers of a classifier for tests of figures."""

import numpy as np
from numpy.typing import NDArray


def made_answers(
    *, images: int = 200, classes: int = 4, skill: float = 2.0, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities (images, classes) of a model of some skill, and the true labels (images,)."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, images)
    logits = random.normal(size=(images, classes))
    logits[np.arange(images), labels] += skill
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True), labels


def honest_answers(*, images: int, classes: int = 3, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities of a perfectly calibrated model: each label is drawn from its own row."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(classes), images)
    labels = (random.random((images, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=classes - 1)
    return probabilities, labels.astype(np.int64)
