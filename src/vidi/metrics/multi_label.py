"""Images that may show several classes: losses, honest probabilities, and thresholds, each class by itself."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.groups import split_folds
from vidi.metrics.affine import FittedStep
from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.operating import Mask

Doubles = NDArray[np.float64]

LEAST_GROUPS = 10  # of fewer independent images no cross-validated comparison says anything
PRIOR_IMAGES = 20.0  # how strongly a scale is held at 1 and a shift at 0
LEAST_FOR_F1 = 20  # images of a class: by fewer a threshold would be chosen by chance
EVEN = 0.5  # the threshold where it is no more likely that the class is there than that it is not
SHARPNESS = (-3.0, 3.0)  # the range of the logarithm of 1 / temperature that is searched
NEAREST = 1e-7  # how near to 0 or 1 a probability is believed: that of float32


def check_targets(probabilities: Floats, targets: Mask) -> None:
    """Refuse arrays that do not describe the same images and classes.

    Raises:
        ShapeError: they differ in shape, or a probability is not finite.
    """
    if probabilities.ndim != 2 or probabilities.shape != targets.shape:
        raise ShapeError(
            f"probabilities have the shape {probabilities.shape} and targets {targets.shape}",
            "Give (batch, classes) each, of the same images in the same order.",
        )
    if not np.isfinite(probabilities).all():
        raise ShapeError("a probability is no finite number", "Check the model that gave them.")


def binary_log_losses(probabilities: Floats, targets: Mask) -> Doubles:
    """(batch,): the mean over the classes of minus the logarithm of what each class's truth was given.

    Args:
        probabilities: (batch, classes) float, of each class by itself.
        targets: (batch, classes) bool; what the images show.

    >>> binary_log_losses(np.array([[0.5, 0.5]]), np.array([[True, False]])).round(4)
    array([0.6931])
    """
    right = np.where(targets, probabilities, 1 - probabilities.astype(np.float64))
    losses: Doubles = -np.log(np.maximum(right, NEAREST)).mean(axis=1)
    return losses


def probability_of_all(probabilities: Floats, called: Mask) -> Doubles:
    """(batch,): how likely all that is said of an image is right, the classes taken as independent.

    Args:
        probabilities: (batch, classes) float, of each class by itself.
        called: (batch, classes) bool; what the images are called.

    >>> probability_of_all(np.array([[0.5, 0.25]]), np.array([[True, False]])).tolist()
    [0.375]
    """
    each = probabilities.astype(np.float64)
    return np.asarray(np.where(called, each, 1 - each).prod(axis=1), np.float64)


def least_of_truth(probabilities: Floats, targets: Mask) -> Doubles:
    """(batch,): the probability of the least probable class that an image shows; 1 where it shows none.

    >>> least_of_truth(np.array([[0.5, 0.25], [0.5, 0.25]]), np.array([[True, True], [False, False]])).tolist()
    [0.25, 1.0]
    """
    return np.asarray(np.where(targets, probabilities, 1.0).min(axis=1), np.float64)


@dataclass(frozen=True, slots=True)
class SigmoidStep:
    """What stands between the logits and the sigmoid: a scale and a shift for each class."""

    method: str  # none or sigmoid
    scale: Doubles  # (classes,) or (1,)
    shift: Doubles  # the same

    def apply(self, probabilities: Floats) -> Doubles:
        """The calibrated probabilities (batch, classes) of answers before calibration."""
        return _sigmoid(logits_of(probabilities) * self.scale + self.shift)


UNCHANGED = SigmoidStep("none", np.ones(1), np.zeros(1))


def logits_of(probabilities: Floats) -> Doubles:
    """(batch, classes) probabilities of each class by itself to logits.

    >>> logits_of(np.array([[0.5]])).tolist()
    [[0.0]]
    """
    kept = np.clip(probabilities.astype(np.float64), NEAREST, 1 - NEAREST)
    return np.asarray(np.log(kept) - np.log1p(-kept), np.float64)


def fit_sigmoid(probabilities: Floats, targets: Mask, *, groups: Counts | None = None) -> FittedStep[SigmoidStep]:
    """A scale and a shift for each class, where they help on images that they were not fitted on.

    Args:
        probabilities: (batch, classes) float, as the model gives them before calibration.
        targets: (batch, classes) bool.
        groups: (batch,) int; images of one group are never on both sides of a fold.

    Raises:
        ShapeError: the arrays do not describe the same images.

    Source: Platt 1999, Probabilistic outputs for support vector machines; here with a prior at no change.
    """
    check_targets(probabilities, targets)
    groups = np.arange(len(targets)) if groups is None else groups
    unchanged = probabilities.astype(np.float64)
    independent = len(np.unique(groups))
    if independent < LEAST_GROUPS:
        return FittedStep(step=UNCHANGED, log_losses={}, probabilities=unchanged, image_count=len(targets))
    fold_of = split_folds(groups, seed=0)
    moved = np.empty_like(unchanged)
    for fold in np.unique(fold_of):
        unseen = fold_of == fold
        moved[unseen] = _fit(probabilities[~unseen], targets[~unseen]).apply(probabilities[unseen])
    answers = {"none": unchanged, "sigmoid": moved}
    losses = {method: float(binary_log_losses(each, targets).mean()) for method, each in answers.items()}
    best = min(losses, key=lambda method: losses[method])
    return FittedStep(
        step=UNCHANGED if best == "none" else _fit(probabilities, targets),
        log_losses=losses,
        probabilities=answers[best],
        image_count=len(targets),
    )


def _fit(probabilities: Floats, targets: Mask) -> SigmoidStep:
    """The two numbers of all classes at once; through its logarithm the scale stays positive."""
    from scipy.optimize import minimize

    logits, truth = logits_of(probabilities), targets.astype(np.float64)
    classes = logits.shape[1]

    def loss(numbers: Doubles) -> tuple[float, Doubles]:
        scale, shift = np.exp(numbers[:classes]), numbers[classes:]
        moved = logits * scale + shift
        errors = _sigmoid(moved) - truth
        value = float((np.logaddexp(0, moved) - truth * moved).sum())
        slope = np.concatenate([(errors * logits).sum(axis=0) * scale, errors.sum(axis=0)])
        return (value + PRIOR_IMAGES * float(numbers @ numbers) / 2) / len(truth), (
            slope + PRIOR_IMAGES * numbers
        ) / len(truth)

    found = minimize(loss, np.zeros(2 * classes), jac=True, method="L-BFGS-B").x
    return SigmoidStep("sigmoid", np.exp(found[:classes]), found[classes:])


def tempered_binary_losses(probabilities: Floats, targets: Mask) -> Doubles:
    """(batch,): the log losses at the temperature that suits these images best, one for all classes.

    What a model is worth once it is calibrated. A prior at 1 that weighs as much as one pair of an image and a class
    keeps answers without an error finite.

    Args:
        probabilities: (batch, classes) float, of each class by itself; at least one image.
        targets: (batch, classes) bool.
    """
    from scipy.optimize import minimize_scalar

    logits, truth = logits_of(probabilities), targets.astype(np.float64)

    def loss(logarithm: float) -> float:
        moved = logits * np.exp(logarithm)
        return float((np.logaddexp(0, moved) - truth * moved).sum() + np.exp(logarithm) - logarithm)

    best = minimize_scalar(loss, bounds=SHARPNESS, method="bounded", options={"xatol": 1e-4}).x
    return binary_log_losses(_sigmoid(logits * np.exp(best)), targets)


def threshold_for_f1(scores: Floats, is_positive: Mask, *, least: int = LEAST_FOR_F1) -> float:
    """The threshold with the greatest F1 score on these images; EVEN where too few of them show the class.

    It lies halfway to the next lower score, so that it does not hang on one image.

    Args:
        scores: (batch,) probability of the class.
        is_positive: (batch,) bool.
        least: so many images of the class it takes.

    >>> threshold_for_f1(np.array([0.75, 0.5, 0.25, 0.0]), np.array([True, True, False, False]), least=2)
    0.375
    """
    images = int(is_positive.sum())
    if images < least:
        return EVEN
    order = np.argsort(-scores, kind="stable")
    falling, hits = scores[order], np.cumsum(is_positive[order])
    last = np.searchsorted(-falling, -falling, side="right")
    scored = 2 * hits[last - 1] / (last + images)
    best = int(scored.argmax())
    lower = falling[last[best]] if last[best] < len(falling) else falling[best]
    return float((falling[best] + lower) / 2)


def thresholds_for_f1(probabilities: Floats, targets: Mask) -> Doubles:
    """(classes,) the threshold of each class with the greatest F1 score; one for all classes of few images together.

    Args:
        probabilities: (batch, classes) float, of each class by itself.
        targets: (batch, classes) bool.
    """
    is_few = targets.sum(axis=0) < LEAST_FOR_F1
    common = threshold_for_f1(probabilities[:, is_few].ravel(), targets[:, is_few].ravel())
    own = [threshold_for_f1(probabilities[:, c], targets[:, c]) for c in range(targets.shape[1])]
    return np.where(is_few, common, own)


def _sigmoid(logits: Floats) -> Doubles:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -500, 500))), np.float64)
