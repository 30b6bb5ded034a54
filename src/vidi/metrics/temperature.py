"""One number that makes probabilities honest: the temperature, fitted on calibration images."""

import numpy as np

from vidi.metrics.arrays import SMALLEST_PROBABILITY, Floats, Labels

SHARPEST, SOFTEST = 20.0, 0.05  # the range of 1 / temperature that is searched


def apply_temperature(probabilities: Floats, temperature: float) -> Floats:
    """The probabilities of the same model with its logits divided by `temperature`.

    Args:
        probabilities: (batch, classes) float; rows sum to 1.
        temperature: above 1 softens, below 1 sharpens.

    Returns:
        (batch, classes) float64; rows sum to 1.

    >>> apply_temperature(np.array([[0.8, 0.2]]), 2.0).round(4)
    array([[0.6667, 0.3333]])
    """
    powers = np.exp(log_probabilities(probabilities) / temperature)
    tempered: Floats = powers / powers.sum(axis=1, keepdims=True)
    return tempered


def best_temperature(probabilities: Floats, labels: Labels) -> float:
    """The temperature of least log loss on these images, under a prior at 1 that weighs as much as one image.

    With b = 1 / temperature, the sum of log losses + b - log(b) is convex in b: safeguarded Newton steps find its
    only minimum.

    Source: Guo et al. 2017, On calibration of modern neural networks, section 4.2; the prior keeps a few images without
    an error from driving it to 0.
    """
    logits = log_probabilities(probabilities)
    truth = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    low, high, sharpness = SOFTEST, SHARPEST, 1.0
    for _ in range(100):
        weights = apply_temperature(probabilities, 1 / sharpness)
        mean = (weights * logits).sum(axis=1)
        variance = (weights * logits**2).sum(axis=1) - mean**2
        slope = float((mean - truth).sum()) + 1 - 1 / sharpness
        curvature = float(np.maximum(variance, 0).sum()) + 1 / sharpness**2
        low, high = (sharpness, high) if slope < 0 else (low, sharpness)
        step = sharpness - slope / curvature
        following = step if low < step < high else (low * high) ** 0.5
        if abs(following - sharpness) < 1e-9 * sharpness:
            break
        sharpness = following
    return 1 / sharpness


def log_probabilities(probabilities: Floats) -> Floats:
    """Logarithms that stand for the logits: they differ from them by one constant for each image."""
    return np.log(np.maximum(probabilities.astype(np.float64), SMALLEST_PROBABILITY))
