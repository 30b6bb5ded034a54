"""One number that makes probabilities honest: the temperature, fitted on calibration images."""

from dataclasses import dataclass

import numpy as np

from vidi.metrics.arrays import SMALLEST_PROBABILITY, Counts, Floats, Labels, check_answers
from vidi.metrics.classification import log_loss

FOLDS = 5
LEAST_GROUPS = 10  # of fewer independent images no cross-validated comparison says anything
SHARPEST, SOFTEST = 20.0, 0.05  # the range of 1 / temperature that is searched


@dataclass(frozen=True, slots=True)
class Temperature:
    """The fitted temperature, and why it is used or not."""

    value: float  # logits are divided by it; 1 where it is not kept
    is_kept: bool
    log_loss_before: float | None  # on the calibration images, temperature 1
    log_loss_after: float | None  # cross-validated: each image scored with a temperature fitted without it
    image_count: int
    sentence: str  # for people


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
    powers = np.exp(_log(probabilities) / temperature)
    tempered: Floats = powers / powers.sum(axis=1, keepdims=True)
    return tempered


def tempered_log_loss(probabilities: Floats, labels: Labels) -> float:
    """Log loss at the temperature that suits these images best: what a model is worth once it is calibrated.

    Args:
        probabilities: (batch, classes) float; at least one image.
        labels: (batch,) int; true class index.
    """
    loss = log_loss(apply_temperature(probabilities, best_temperature(probabilities, labels)), labels)
    assert loss is not None  # noqa: S101  # there are images
    return loss


def fit_temperature(
    probabilities: Floats, labels: Labels, *, groups: Counts | None = None, seed: int = 0
) -> Temperature:
    """The temperature that lowers the log loss on calibration images, kept only when it also does so on held-out ones.

    Args:
        probabilities: (batch, classes) float, as the model gives them before calibration.
        labels: (batch,) int; true class index.
        groups: (batch,) int; images of one group are never on both sides of a fold.
        seed: for the folds.

    Raises:
        ShapeError: the arrays do not describe the same images.

    Source: Guo et al. 2017, On calibration of modern neural networks, section 4.2; here with a weak prior at 1 so
    that a few calibration images without an error do not drive it to 0.
    """
    check_answers(probabilities, labels)
    before = log_loss(probabilities, labels)
    names, group_of_image = np.unique(np.arange(len(labels)) if groups is None else groups, return_inverse=True)
    if len(names) < LEAST_GROUPS:
        return Temperature(
            1.0, False, before, None, len(labels),
            f"not calibrated: {len(names)} independent calibration images, at least {LEAST_GROUPS} are needed",
        )  # fmt: skip
    fold_of_group = np.random.default_rng(seed).permutation(len(names)) % FOLDS
    fold_of_image = fold_of_group[group_of_image]
    after = _cross_validated(probabilities, labels, fold_of_image)
    assert before is not None  # noqa: S101 - there are images
    if not after < before:
        sentence = f"a temperature does not help: log loss {before:.4f} without, {after:.4f} with one"
        return Temperature(1.0, False, before, after, len(labels), sentence)
    value = best_temperature(probabilities, labels)
    sentence = f"temperature {value:.3f}: log loss {before:.4f} without, {after:.4f} with it"
    return Temperature(value, True, before, after, len(labels), sentence)


def best_temperature(probabilities: Floats, labels: Labels) -> float:
    """The temperature of least log loss on these images, under a prior at 1 that weighs as much as one image.

    With b = 1 / temperature, the sum of log losses + b - log(b) is convex in b: safeguarded Newton steps find its
    only minimum.
    """
    logits = _log(probabilities)
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


def _cross_validated(probabilities: Floats, labels: Labels, fold_of_image: Counts) -> float:
    """The log loss over all images, each with the temperature of the folds that it is not in."""
    total = 0.0
    for fold in np.unique(fold_of_image):
        held_out = fold_of_image == fold
        temperature = best_temperature(probabilities[~held_out], labels[~held_out])
        loss = log_loss(apply_temperature(probabilities[held_out], temperature), labels[held_out])
        total += (loss or 0.0) * int(held_out.sum())
    return total / len(labels)


def _log(probabilities: Floats) -> Floats:
    """Logarithms that stand for the logits: they differ from them by one constant for each image."""
    return np.log(np.maximum(probabilities.astype(np.float64), SMALLEST_PROBABILITY))
