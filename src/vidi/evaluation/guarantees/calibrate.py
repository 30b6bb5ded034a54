"""Calibrating answers: the step before the probabilities, the limits and the operating points that images support."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vidi.evaluation.guarantees.operating import BEST_F1, OperatingTarget, find_points
from vidi.evaluation.guarantees.promise import GuaranteeTargets
from vidi.groups import split_folds
from vidi.metrics.affine import AffineStep, FittedStep, fit_affine
from vidi.metrics.arrays import Counts, Floats, Labels
from vidi.metrics.conformal import candidate_limit, limit_for_coverage
from vidi.metrics.intervals import LEVEL
from vidi.metrics.multi_label import SigmoidStep, fit_sigmoid, least_of_truth, probability_of_all
from vidi.metrics.novelty import novelty_limit
from vidi.metrics.operating import Mask
from vidi.metrics.selective import RANKINGS, Ranking, find_sure_limit, risk_coverage_curve
from vidi.metrics.truth import OneClass, SeveralClasses, Truth
from vidi.model_file.decisions import call_classes
from vidi.model_file.limits import ALL_CLASSES, Basis, OperatingPoints, VerdictLimits
from vidi.model_file.metadata import Calibration, ModelMetadata

UNKNOWN_SHARES = (0.01, 0.02)  # of known images that may be called unknown: the first that there are images enough for
FEW_OF_A_CLASS = 10  # images: a fold less makes the class so much less known that out-of-fold novelty is too high
CLEARLY = 0.97  # times the area of the usual ranking: what lies nearer is chance


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseenAnswers:
    """Uncalibrated answers about images that the model was not trained on."""

    probabilities: Floats  # (images, classes), as the model gives them before calibration
    truth: Truth
    groups: Counts | None  # (images,); images of one group are not independent. Each its own, where None
    novelty: Floats | None  # (others,), of images not used for training, these or others; None without a measure
    basis: Basis = "calibration"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedAnswers:
    """What calibration adds to a model file."""

    fitted: FittedStep[AffineStep] | FittedStep[SigmoidStep]
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
    promise: GuaranteeTargets,
    target: OperatingTarget | None = None,
    positive: str | None = None,
    others: Callable[[], tuple[Floats, Truth]] | None = None,
) -> CalibratedAnswers:
    """Find the calibration step, the limits and the thresholds that these answers support.

    Args:
        answers: about images that the model was not trained on.
        classes: names, in the order of the columns.
        target: what the thresholds are to keep; None: no thresholds, and where images may show several classes the best
            balance of found and right.
        positive: the class that the target is about; each class by itself, where None.
        others: gives answers about further images, which choose what ranks answers by how sure they are.
    """
    fitted: FittedStep[AffineStep] | FittedStep[SigmoidStep]
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


def find_limits(
    probabilities: Floats,
    answers: UnseenAnswers,
    *,
    promise: GuaranteeTargets,
    ranking: Ranking = "probability",
    called: Mask | None = None,
) -> VerdictLimits:
    """Find the limits that meet the guarantees, as far as these images can show it.

    Where images may show several classes, an answer is right where it is right about every class. It is the surer, the
    likelier that is by its probabilities, the classes taken as independent. The candidates of an image hold all that
    it shows as often as was promised.

    Args:
        probabilities: (batch, classes) float, calibrated by a step that was fitted without the image.
        ranking: what orders answers about one class each by how sure they are.
        called: (batch, classes) bool; of several classes, what the images are called, by thresholds that were chosen
            without the image.
    """
    groups, used = answers.groups, ranking
    match answers.truth:
        case OneClass(labels=labels):
            scores, is_right = RANKINGS[ranking](probabilities), probabilities.argmax(axis=1) == labels
            candidate = candidate_limit(probabilities, labels, coverage=promise.coverage, groups=groups)
        case SeveralClasses(shown=shown):
            assert called is not None  # noqa: S101  # as the caller knows
            scores, is_right = probability_of_all(probabilities, called), (called == shown).all(axis=1)
            candidate = limit_for_coverage(
                least_of_truth(probabilities, shown), coverage=promise.coverage, groups=groups
            )
            used = ALL_CLASSES
    sizes = answers.truth.class_sizes
    unknown, share = limit_of_novelty(answers.novelty, sizes[sizes > 0], answers.basis)
    sure = find_sure_limit(scores, is_right, max_error=promise.max_error, groups=groups)
    return VerdictLimits(
        basis=answers.basis,
        image_count=len(is_right),
        ranking=used,
        max_error=promise.max_error,
        level=LEVEL,
        sure=None if sure is None else sure.threshold,
        sure_images=0 if sure is None else sure.image_count,
        sure_errors=0 if sure is None else sure.errors,
        error_bound=None if sure is None else sure.bound,
        coverage=promise.coverage,
        candidate=candidate,
        novelty=unknown,
        novelty_share=share,
    )


def limit_of_novelty(novelty: Floats | None, sizes: Counts, basis: Basis) -> tuple[float | None, float | None]:
    """Find the limit of novelty, and the share of known images beyond it: 1 %, or 2 % of few images.

    Args:
        novelty: (images,) of images that were not used for training; None where the model cannot tell.
        sizes: (classes,) how many images each class has, of those that have any.
        basis: where the answers come from. By folds, few images of a class make novelty too high by itself.
    """
    if novelty is None:
        return None, None
    is_high = basis == "out-of-fold" and (not len(sizes) or np.median(sizes) < FEW_OF_A_CLASS)
    for share in UNKNOWN_SHARES[1:] if is_high else UNKNOWN_SHARES:
        limit = novelty_limit(novelty, share=share)
        if limit is not None:
            return limit, share
    return None, None


def choose_ranking(probabilities: Floats, labels: Labels) -> Ranking:
    """Choose the score that ranks answers best; the top probability unless another is clearly better.

    Args:
        probabilities: (batch, classes) float, calibrated; of other images than the limits rest on.
        labels: (batch,) int; true class index.
    """
    is_right = probabilities.argmax(axis=1) == labels
    if not len(labels) or is_right.all():
        return "probability"
    curves = {name: risk_coverage_curve(rank(probabilities), is_right) for name, rank in RANKINGS.items()}
    areas = {name: curve.area for name, curve in curves.items() if curve is not None}
    best = min(areas, key=lambda name: areas[name])
    return best if areas[best] < CLEARLY * areas["probability"] else "probability"


def cross_fitted_calls(
    probabilities: Floats,
    targets: Mask,
    classes: Sequence[str],
    *,
    target: OperatingTarget,
    groups: Counts | None = None,
) -> Mask:
    """(batch, classes) bool: what each image is called by thresholds that were chosen on the other images.

    Args:
        probabilities: (batch, classes) float, calibrated by a step that was fitted without the image.
        targets: (batch, classes) bool.
        classes: names, in the order of the columns.
        groups: (batch,) int; images of one group are never on both sides of a fold.
    """
    alone = np.arange(len(targets))
    fold_of = split_folds(alone if groups is None else groups, seed=0)
    called = np.zeros(targets.shape, np.bool_)
    for fold in np.unique(fold_of):
        own, others = fold_of == fold, fold_of != fold
        among = None if groups is None else groups[others]
        points = find_points(probabilities[others], targets[others], classes, target=target, groups=among)
        called[own] = call_classes(probabilities[own], points, classes)
    return called


def _find_points(
    answers: UnseenAnswers,
    fitted: FittedStep[AffineStep] | FittedStep[SigmoidStep],
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


def _choose_ranking(fitted: FittedStep[AffineStep], others: Callable[[], tuple[Floats, Truth]] | None) -> Ranking:
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
