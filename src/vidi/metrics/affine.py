"""Logits made honest by an affine step: one number for all classes, two for each class, or a matrix."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from vidi.groups import split_folds
from vidi.metrics.arrays import Counts, Floats, Labels, check_answers
from vidi.metrics.calibration import apply_temperature, best_temperature, log_probabilities
from vidi.metrics.classification import log_losses
from vidi.metrics.outputs import SOFTMAX

Doubles = NDArray[np.float64]
Step = TypeVar("Step")

LEAST_GROUPS = 10  # of fewer independent images no cross-validated comparison says anything
LEAST_PER_CLASS = {"vector": 30, "matrix": 100}  # images for each class below which so many numbers are not tried
MOST_CLASSES = 200  # for more than a temperature: the matrix in the model file grows with their square
PRIOR_IMAGES = 20.0  # how strongly numbers for each class are held at 1 and 0
STANDARD_ERRORS = 1.0  # by which a step of more numbers must beat the simpler one


@dataclass(frozen=True, slots=True, kw_only=True)
class AffineStep:
    """What stands between logits and softmax: `scale * logits + shift` or, of a matrix, `scale @ logits + shift`."""

    method: str  # none, temperature, vector or matrix
    scale: Doubles  # (1,), or (classes, classes) with rows that sum to 0: a row's constant changes nothing
    shift: Doubles  # (1,) or (classes,)

    def apply(self, probabilities: Floats) -> Doubles:
        """The calibrated probabilities (batch, classes) of answers before calibration."""
        logits = log_probabilities(probabilities)
        scaled = logits @ self.scale.T if self.scale.ndim == 2 else logits * self.scale
        return SOFTMAX.probabilities(scaled + self.shift)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedStep(Generic[Step]):
    """The step that was chosen, and why."""

    step: Step
    log_losses: dict[str, float]  # cross-fitted, of each method that was tried: each image by a step fitted without it
    probabilities: Doubles  # (batch, classes), the calibration images' own, cross-fitted
    image_count: int


def fit_affine(probabilities: Floats, labels: Labels, *, groups: Counts | None = None) -> FittedStep[AffineStep]:
    """The affine step of least log loss on images that it was not fitted on; a simpler one unless more clearly helps.

    Args:
        probabilities: (batch, classes) float, as the model gives them before calibration.
        labels: (batch,) int; true class index.
        groups: (batch,) int; images of one group are never on both sides of a fold.

    Raises:
        ShapeError: the arrays do not describe the same images.

    Source: Guo et al. 2017, On calibration of modern neural networks, section 4.2 (temperature, vector, matrix). Here
    each has a prior at the simpler one, so that a few images without an error do not drive it away.
    """
    check_answers(probabilities, labels)
    groups = np.arange(len(labels)) if groups is None else groups
    unchanged = probabilities.astype(np.float64)
    independent = len(np.unique(groups))
    if independent < LEAST_GROUPS:
        return FittedStep(step=NONE, log_losses={}, probabilities=unchanged, image_count=len(labels))
    fold_of = split_folds(groups, seed=0)
    answers = {"none": unchanged}
    for method, fit in _methods(len(labels), probabilities.shape[1]).items():
        answers[method] = _cross_fitted(fit, probabilities, labels, fold_of)
    losses = {method: log_losses(each, labels) for method, each in answers.items()}
    best = "none"
    for method in answers:
        gain = losses[best] - losses[method]
        # A temperature is one number and cannot do much harm; more of them must earn their place.
        needed = 0.0 if method == "temperature" else STANDARD_ERRORS * float(gain.std()) / len(labels) ** 0.5
        if gain.mean() > needed:
            best = method
    means = {method: float(each.mean()) for method, each in losses.items()}
    step = NONE if best == "none" else _methods(len(labels), probabilities.shape[1])[best](probabilities, labels)
    return FittedStep(step=step, log_losses=means, probabilities=answers[best], image_count=len(labels))


Fit = Callable[[Floats, Labels], AffineStep]
NONE = AffineStep(method="none", scale=np.ones(1), shift=np.zeros(1))


def _methods(image_count: int, class_count: int) -> dict[str, Fit]:
    """What there are images enough for, the simplest first."""
    methods: dict[str, Fit] = {
        "temperature": lambda probabilities, labels: AffineStep(
            method="temperature", scale=np.array([1 / best_temperature(probabilities, labels)]), shift=np.zeros(1)
        )
    }
    for method, fit in (("vector", partial(fit_classes, mixing=False)), ("matrix", partial(fit_classes, mixing=True))):
        if image_count >= LEAST_PER_CLASS[method] * class_count and class_count <= MOST_CLASSES:
            methods[method] = fit
    return methods


def fit_classes(probabilities: Floats, labels: Labels, *, mixing: bool) -> AffineStep:
    """Tempered logits plus a correction that is linear in them, of least log loss and prior together.

    Args:
        probabilities: (batch, classes) float.
        labels: (batch,) int; true class index.
        mixing: a matrix and shifts; else a scale and a shift for each class.
    """
    from scipy.optimize import minimize

    temperature = best_temperature(probabilities, labels)
    logits = log_probabilities(apply_temperature(probabilities, temperature))
    logits -= logits.mean(axis=1, keepdims=True)  # a row's constant means nothing, but a matrix would mix it in
    count, classes = logits.shape
    spread = max(float(np.sqrt((logits**2).mean())), 1e-6)
    truth = np.eye(classes)[labels]
    inner = classes * classes if mixing else classes

    def loss(numbers: Doubles) -> tuple[float, Doubles]:
        change, shift = numbers[:inner], numbers[inner:]
        moved = logits @ change.reshape(classes, classes).T if mixing else logits * change
        corrected = logits + moved / spread + shift
        log_total = corrected.max(axis=1) + np.log(np.exp(corrected - corrected.max(axis=1, keepdims=True)).sum(axis=1))
        value = float((log_total - (corrected * truth).sum(axis=1)).sum())
        errors = np.exp(corrected - log_total[:, None]) - truth
        slope = (errors.T @ logits if mixing else (errors * logits).sum(axis=0)) / spread
        penalty = PRIOR_IMAGES * float(numbers @ numbers) / 2
        gradient = np.concatenate([slope.ravel(), errors.sum(axis=0)]) + PRIOR_IMAGES * numbers
        return (value + penalty) / count, gradient / count

    found = minimize(loss, np.zeros(inner + classes), jac=True, method="L-BFGS-B").x
    change = found[:inner] / spread
    scale = (np.eye(classes) + (change.reshape(classes, classes) if mixing else np.diag(change))) / temperature
    scale -= scale.mean(axis=1, keepdims=True)  # taking off a row's mean is linear, and so part of the matrix
    return AffineStep(method="matrix" if mixing else "vector", scale=scale, shift=found[inner:])


def _cross_fitted(fit: Fit, probabilities: Floats, labels: Labels, fold_of: Counts) -> Doubles:
    """Answers about all images, each with the step that was fitted on the folds that it is not in."""
    answers = np.empty(probabilities.shape, np.float64)
    for fold in np.unique(fold_of):
        held_out = fold_of == fold
        answers[held_out] = fit(probabilities[~held_out], labels[~held_out]).apply(probabilities[held_out])
    return answers
