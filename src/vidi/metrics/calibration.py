"""How far stated confidence is from accuracy, and how far chance alone may lead; the temperature that mends it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.arrays import SMALLEST_PROBABILITY, Floats, Labels, check_answers
from vidi.metrics.intervals import LEVEL, Interval

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


BINS = 15
REPEATS = 1000
MOST_DRAWN_VALUES = 4_000_000  # numbers drawn at a time: 32 MB


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Some images of like confidence."""

    confidence: float  # mean of the stated confidence
    accuracy: float  # share that is right
    image_count: int


@dataclass(frozen=True, slots=True)
class PerfectBand:
    """What a perfectly calibrated model of the same confidences would show, by chance alone."""

    calibration_error: Interval
    accuracies: tuple[Interval, ...]  # one for each reliability bin


def reliability_bins(probabilities: Floats, labels: Labels, *, bins: int = BINS) -> tuple[ReliabilityBin, ...]:
    """Stated confidence against observed accuracy, in bins of equally many images, least confident first.

    Args:
        probabilities: (batch, classes) float; rows sum to 1.
        labels: (batch,) int; true class index.
        bins: number of bins; at most one for each image is used.
    """
    confidence, correct, parts = _sorted_into_bins(probabilities, labels, bins=bins)
    return tuple(
        ReliabilityBin(
            confidence=float(confidence[part].mean()), accuracy=float(correct[part].mean()), image_count=len(part)
        )
        for part in parts
    )


def expected_calibration_error(probabilities: Floats, labels: Labels, *, bins: int = BINS) -> float | None:
    """How far stated confidence is from observed accuracy, averaged over images; None without images.

    Images are sorted by confidence and cut into bins of equal count; each bin
    adds its |accuracy - mean confidence|, weighted by its share of the images.

    Args:
        probabilities: (batch, classes) float; rows sum to 1.
        labels: (batch,) int; true class index.
        bins: number of bins; at most one for each image is used.

    Returns:
        A fraction in [0, 1]; 0 is perfect calibration.

    Raises:
        ShapeError: the two arrays do not describe the same images.

    Source: Nguyen and O'Connor 2015, Posterior calibration and exploratory analysis, section 3.

    >>> probabilities = np.array([[0.75, 0.25], [0.75, 0.25]])
    >>> expected_calibration_error(probabilities, labels=np.array([0, 1]), bins=1)
    0.25
    """
    if not len(labels):
        check_answers(probabilities, labels)
        return None
    confidence, correct, parts = _sorted_into_bins(probabilities, labels, bins=bins)
    # A bin's share x |accuracy - confidence| is |sum of its gaps| / images: no division by a bin's size.
    gap = correct - confidence
    return float(sum(abs(gap[part].sum()) for part in parts) / len(labels))


def perfect_model_band(
    probabilities: Floats, *, random: "np.random.Generator", bins: int = BINS, repeats: int = REPEATS
) -> PerfectBand | None:
    """The range of calibration errors that a perfect model of these confidences shows 95 times in 100.

    Each image is made right with exactly its stated confidence, again and again; None without images.

    Args:
        probabilities: (batch, classes) float; rows sum to 1.
        repeats: how many perfect models are drawn.

    Source: Broecker and Smith 2007, Increasing the reliability of reliability diagrams.
    """
    if not len(probabilities):
        return None
    confidence = np.sort(probabilities.max(axis=1).astype(np.float64), kind="stable")
    sizes = [len(part) for part in np.array_split(confidence, min(bins, len(confidence)))]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    expected = np.add.reduceat(confidence, starts)
    at_once = max(1, MOST_DRAWN_VALUES // len(confidence))
    hits = np.concatenate(
        [
            np.add.reduceat(
                random.random((min(at_once, repeats - start), len(confidence))) < confidence, starts, axis=1
            )
            for start in range(0, repeats, at_once)
        ],
        dtype=np.float64,
    )
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    errors = np.abs(hits - expected).sum(axis=1) / len(confidence)
    accuracies = np.quantile(hits / sizes, ends, axis=0).T
    return PerfectBand(
        calibration_error=Interval(*map(float, np.quantile(errors, ends))),
        accuracies=tuple(Interval(float(low), float(high)) for low, high in accuracies),
    )


def _sorted_into_bins(
    probabilities: Floats, labels: Labels, *, bins: int
) -> tuple[Floats, NDArray[np.bool_], list[NDArray[np.intp]]]:
    """Confidence, correctness, and the rows of each bin."""
    check_answers(probabilities, labels)
    if not len(labels):
        return np.zeros(0), np.zeros(0, dtype=np.bool_), []
    confidence = probabilities.max(axis=1).astype(np.float64)
    order = np.argsort(confidence, kind="stable")
    return confidence, probabilities.argmax(axis=1) == labels, np.array_split(order, min(bins, len(order)))
