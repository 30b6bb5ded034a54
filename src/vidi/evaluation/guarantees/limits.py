"""The limits behind `sure` and `candidates`, from answers about images that the model was not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidi.evaluation.guarantees.operating import OperatingTarget, find_points
from vidi.evaluation.guarantees.promise import Promise
from vidi.groups import deal_folds
from vidi.metrics.arrays import Counts, Floats, Labels
from vidi.metrics.conformal import candidate_limit, limit_for_coverage
from vidi.metrics.intervals import LEVEL
from vidi.metrics.multi_label import least_of_truth, probability_of_all
from vidi.metrics.novelty import novelty_limit
from vidi.metrics.operating import Mask
from vidi.metrics.selective import RANKINGS, Ranking, find_sure_limit, risk_coverage_curve
from vidi.metrics.truth import OneClass, SeveralClasses, Truth
from vidi.model_file.decisions import call_classes
from vidi.model_file.limits import ALL_CLASSES, Basis, VerdictLimits

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


def find_limits(
    probabilities: Floats,
    answers: UnseenAnswers,
    *,
    promise: Promise,
    ranking: Ranking = "probability",
    called: Mask | None = None,
) -> VerdictLimits:
    """Find the limits that meet the guarantees, as far as these images can show it.

    Where images may show several classes, an answer is right where it is right about every class. It is the surer, the
    likelier that is by its probabilities, the classes taken as independent. The candidates of an image hold all that
    it shows as often as was promised.

    Args:
        probabilities: (batch, classes) float, calibrated by a step that was fitted without the image.
        answers: the same before calibration, with what is known about the images.
        promise: what to keep.
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
    seed: int = 0,
) -> Mask:
    """(batch, classes) bool: what each image is called by thresholds that were chosen on the other images.

    Args:
        probabilities: (batch, classes) float, calibrated by a step that was fitted without the image.
        targets: (batch, classes) bool.
        classes: names, in the order of the columns.
        target: what the thresholds are to keep.
        groups: (batch,) int; images of one group are never on both sides of a fold.
        seed: for the folds.
    """
    alone = np.arange(len(targets))
    fold_of = deal_folds(alone if groups is None else groups, seed=seed)
    called = np.zeros(targets.shape, np.bool_)
    for fold in np.unique(fold_of):
        own, others = fold_of == fold, fold_of != fold
        among = None if groups is None else groups[others]
        points = find_points(probabilities[others], targets[others], classes, target=target, groups=among)
        called[own] = call_classes(probabilities[own], points, classes)
    return called
