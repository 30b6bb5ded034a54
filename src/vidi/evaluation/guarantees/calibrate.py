"""Calibrating answers: the step before the probabilities, the limits and the operating points that images support."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vidi.evaluation.guarantees.limits import UnseenAnswers, choose_ranking, cross_fitted_calls, find_limits
from vidi.evaluation.guarantees.operating import BEST_F1, OperatingTarget, find_points
from vidi.evaluation.guarantees.promise import Promise
from vidi.metrics.affine import FittedAffine, fit_affine
from vidi.metrics.arrays import Floats
from vidi.metrics.multi_label import FittedSigmoid, fit_sigmoid
from vidi.metrics.selective import Ranking
from vidi.metrics.truth import OneClass, SeveralClasses, Truth
from vidi.model_file.limits import VerdictLimits
from vidi.model_file.metadata import Calibration, ModelMetadata
from vidi.model_file.operating_points import OperatingPoints


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedAnswers:
    """What calibration adds to a model file."""

    fitted: FittedAffine | FittedSigmoid
    limits: VerdictLimits
    points: OperatingPoints | None  # None where one class each is answered and no target is set

    @property
    def step(self) -> Calibration:
        """The step as the model file states it; the identity where none was kept."""
        return Calibration(
            method=self.fitted.step.method,
            scale=tuple(self.fitted.step.scale.ravel().tolist()),
            shift=tuple(self.fitted.step.shift.tolist()),
            image_count=self.fitted.image_count,
            figures={"log_losses": dict(self.fitted.log_losses)},
        )

    def stated_in(self, metadata: ModelMetadata) -> ModelMetadata:
        """The metadata of a model file, with all of it."""
        return replace(metadata, calibration=self.step, verdict=self.limits, operating_points=self.points)


def calibrate_answers(
    answers: UnseenAnswers,
    classes: Sequence[str],
    *,
    promise: Promise,
    target: OperatingTarget | None = None,
    positive: str | None = None,
    others: Callable[[], tuple[Floats, Truth]] | None = None,
) -> CalibratedAnswers:
    """Find the calibration step, the limits and the thresholds that these answers support.

    Args:
        answers: about images that the model was not trained on.
        classes: names, in the order of the columns.
        promise: what to keep of whole answers.
        target: what the thresholds are to keep; None: no thresholds, and where images may show several classes the best
            balance of found and right.
        positive: the class that the target is about; each class by itself, where None.
        others: gives answers about further images, which choose what ranks answers by how sure they are.
    """
    fitted: FittedAffine | FittedSigmoid
    match answers.truth:
        case OneClass() as truth:
            fitted = fit_affine(answers.probabilities, truth.labels, groups=answers.groups)
            limits = find_limits(
                fitted.probabilities, answers, promise=promise, ranking=_choose_ranking(fitted, others)
            )
        case SeveralClasses() as truth:
            target = target or BEST_F1
            fitted = fit_sigmoid(answers.probabilities, truth.shown, groups=answers.groups)
            called = cross_fitted_calls(
                fitted.probabilities, truth.shown, classes, target=target, groups=answers.groups
            )
            limits = find_limits(fitted.probabilities, answers, promise=promise, called=called)
    points = None if target is None else _find_points(answers, fitted, classes, target=target, positive=positive)
    return CalibratedAnswers(fitted=fitted, limits=limits, points=points)


def _find_points(
    answers: UnseenAnswers,
    fitted: FittedAffine | FittedSigmoid,
    classes: Sequence[str],
    *,
    target: OperatingTarget,
    positive: str | None,
) -> OperatingPoints:
    """The thresholds that keep a target both by cross-fitted answers and by those of the step that is shipped."""
    points = find_points(
        fitted.probabilities,
        answers.truth.shown,
        classes,
        target=target,
        positive=positive,
        groups=answers.groups,
        shipped=fitted.step.apply(answers.probabilities),
    )
    return replace(points, basis=answers.basis)


def _choose_ranking(fitted: FittedAffine, others: Callable[[], tuple[Floats, Truth]] | None) -> Ranking:
    """What ranks answers by how sure they are: chosen by other images than the limits rest on, where there are any."""
    if others is None:
        return "probability"
    probabilities, truth = others()
    return choose_ranking(fitted.step.apply(probabilities), truth.strata)


def points_without_images(truth: Truth, classes: Sequence[str]) -> OperatingPoints | None:
    """Even thresholds for a model that answers about each class by itself and was not calibrated; else None."""
    match truth:
        case OneClass():
            return None
        case SeveralClasses():
            nothing = np.zeros((0, len(classes)))
            return find_points(nothing, nothing.astype(np.bool_), classes, target=BEST_F1)
