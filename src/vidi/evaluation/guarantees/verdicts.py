"""Whether a model's guarantees hold on test images, and its operating points meet their targets."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.answers import Answers
from vidi.evaluation.scores import Estimate, estimate_share
from vidi.metrics.arrays import Counts, Floats, Labels
from vidi.metrics.conformal import coverage_band
from vidi.metrics.intervals import Interval, bootstrap_intervals
from vidi.metrics.operating import Mask
from vidi.metrics.ranking import thinned
from vidi.metrics.selective import risk_coverage_curve
from vidi.model_file.decisions import call_classes, confidence, find_all_candidates
from vidi.model_file.limits import OperatingPoints, VerdictLimits
from vidi.model_file.values import ROUND, key


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCoverage:
    """How often answers are wrong if only the most confident ones are given: a curve, thinned."""

    answered: tuple[float, ...]  # share that gets an answer …
    risk: tuple[float, ...]  # … and the share of these answers that is wrong
    area: float | None = field(metadata=ROUND)  # the curve's mean risk: lower is better


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictFigures:
    """Figures of the guarantees on one set of test images."""

    max_error: float  # promised: at most so many of the sure answers are wrong
    stated_coverage: float  # promised: at least so often the truth is a candidate
    basis: str  # of the promises: calibration, or out-of-fold
    ranking: str  # what orders answers by how sure they are
    unknown_share: Estimate  # of the images, all of known classes, those that were called unknown
    sure_share: Estimate  # of the images, those with a sure answer
    sure_error: Estimate  # of the sure answers, wrong ones
    coverage: Estimate  # of the images, those whose truth is a candidate
    coverage_by_chance: Interval | None = field(
        metadata=ROUND
    )  # what a kept promise shows; None for an estimate, or where images are grouped
    mean_candidates: float | None = field(metadata=ROUND)  # how many classes an image has on average
    risk_coverage: RiskCoverage


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldToLimits:
    """Each answer judged by the limits."""

    scores: Floats  # (images,), what orders answers by how sure they are
    is_unknown: Mask  # (images,)
    is_sure: Mask
    is_covered: Mask  # the truth is a candidate
    candidates: Mask  # (images, classes)


def hold_to_limits(answers: Answers, limits: VerdictLimits) -> HeldToLimits:
    """Judge which answers are unknown, sure and covered.

    Args:
        answers: about images of classes that the model knows.
    """
    probabilities = answers.probabilities
    scores = confidence(probabilities, limits, called=answers.called)
    is_unknown = find_unknown(answers, limits)
    limit = np.inf if limits.candidate is None else limits.candidate
    candidates = find_all_candidates(probabilities, limit, answers.called)
    return HeldToLimits(
        scores=scores,
        is_unknown=is_unknown,
        is_sure=~is_unknown & (scores >= (np.inf if limits.sure is None else limits.sure)),
        is_covered=np.asarray((candidates | ~answers.truth.shown).all(axis=1), np.bool_),
        candidates=candidates,
    )


def evaluate_verdicts(answers: Answers, limits: VerdictLimits, *, seed: int = 0) -> VerdictFigures:
    """Test a model's answers against its limits.

    Args:
        answers: about test images of classes that the model knows.
    """
    labels, is_right = answers.labels, answers.is_right
    groups = answers.group_numbers
    held = hold_to_limits(answers, limits)
    is_unknown, is_sure, is_covered, candidates = held.is_unknown, held.is_sure, held.is_covered, held.candidates
    curve = risk_coverage_curve(held.scores, is_right)
    answered, risk = ([], []) if curve is None else thinned(curve.coverage, curve.risk)
    everyone = np.ones(len(labels), bool)
    return VerdictFigures(
        max_error=limits.max_error,
        stated_coverage=limits.coverage,
        basis=limits.basis,
        ranking=limits.ranking,
        unknown_share=estimate_share(is_unknown, everyone, groups, seed=seed),
        sure_share=estimate_share(is_sure, everyone, groups, seed=seed),
        sure_error=estimate_share(is_sure & ~is_right, is_sure, groups, seed=seed),
        coverage=estimate_share(is_covered, everyone, groups, seed=seed),
        coverage_by_chance=_by_chance(limits, groups),
        mean_candidates=float(candidates.sum(axis=1).mean()) if len(labels) else None,
        risk_coverage=RiskCoverage(
            answered=tuple(answered), risk=tuple(risk), area=None if curve is None else curve.area
        ),
    )


def _by_chance(limits: VerdictLimits, groups: Counts) -> Interval | None:
    """Range of the coverage of independent test images if the guarantee holds."""
    alone = len(np.unique(groups)) == len(groups)
    if limits.candidate is None or limits.basis != "calibration" or not alone or not len(groups):
        return None
    return coverage_band(limits.image_count, len(groups), coverage=limits.coverage)


def find_unknown(answers: Answers, limits: VerdictLimits) -> NDArray[np.bool_]:
    """(images,) bool: which images are called unknown."""
    if answers.novelty is None or limits.novelty is None:
        return np.zeros(len(answers.paths), bool)
    return np.asarray(answers.novelty > limits.novelty, bool)


def unknown_share(answers: Answers, limits: VerdictLimits) -> Estimate:
    """Of some images, the share that is called unknown, with its interval."""
    groups = answers.group_numbers
    everyone = np.ones(len(answers.paths), bool)
    return estimate_share(find_unknown(answers, limits), everyone, groups, seed=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointFigures:
    """Figures of one class on one set of test images."""

    name: str = field(metadata=key("class"))
    threshold: float | None
    is_promised: bool = field(metadata=key("promised"))
    recall: Estimate  # of its images, those that were called so
    precision: Estimate  # of those called so, its images
    false_alarms: Estimate = field(metadata=key("false_alarm_rate"))  # of the other images, those that were called so
    # The target lies outside the interval, on the wrong side; None: no such target, or no data.
    is_broken: bool | None = field(metadata=key("broken"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingFigures:
    """Figures of the operating points on one set of test images."""

    measure: str  # of the target: recall, precision, false-alarms, costs or f1
    share: float | None  # how much of it; None of costs and f1
    positive: str | None  # the class that the target is about; None: each
    basis: str  # of the thresholds: calibration, or out-of-fold
    calibration_images: int
    per_class: tuple[PointFigures, ...]
    mean_cost: Estimate | None  # of an image, by the decisions; None without costs
    mean_cost_of_labels: Estimate | None  # by the most probable class instead


def evaluate_points(answers: Answers, points: OperatingPoints, *, seed: int = 0) -> OperatingFigures:
    """Test a model's decisions against its target.

    Args:
        answers: about test images of classes that the model knows.
    """
    groups = answers.group_numbers
    called = call_classes(answers.probabilities, points, answers.classes)
    shown = answers.truth.shown
    known = {point.name: point for point in points.points}
    named = [name for name in answers.classes if name in known or points.costs is not None]
    per_class = []
    for name in named:
        index, point = answers.classes.index(name), known.get(name)
        figures = _rates(called[:, index], shown[:, index], groups, seed=seed)
        per_class.append(
            PointFigures(
                name=name,
                threshold=None if point is None else point.threshold,
                is_promised=point is not None and point.is_promised,
                recall=figures[0],
                precision=figures[1],
                false_alarms=figures[2],
                is_broken=_is_broken(points, *figures),
            )
        )
    return OperatingFigures(
        measure=points.measure,
        share=points.share,
        positive=points.positive,
        basis=points.basis,
        calibration_images=points.image_count,
        per_class=tuple(per_class),
        mean_cost=_mean_cost(called.argmax(axis=1), answers, points, groups, seed=seed),
        mean_cost_of_labels=_mean_cost(answers.predicted, answers, points, groups, seed=seed),
    )


def _rates(called: Mask, shown: Mask, groups: Counts, *, seed: int) -> tuple[Estimate, Estimate, Estimate]:
    """Recall, precision and the rate of false alarms of one class."""
    return (
        estimate_share(called & shown, shown, groups, seed=seed),
        estimate_share(called & shown, called, groups, seed=seed),
        estimate_share(called & ~shown, ~shown, groups, seed=seed),
    )


def _is_broken(points: OperatingPoints, recall: Estimate, precision: Estimate, false_alarms: Estimate) -> bool | None:
    """Whether even the kinder end of the interval breaks the target."""
    if points.share is None:
        return None
    if points.measure == "false-alarms":
        return None if false_alarms.interval is None else false_alarms.interval.low > points.share
    wanted = recall if points.measure == "recall" else precision
    return None if wanted.interval is None else wanted.interval.high < points.share


def _mean_cost(
    chosen: Labels, answers: Answers, points: OperatingPoints, groups: Counts, *, seed: int
) -> Estimate | None:
    """What an answer costs on average, with its interval over resamples."""
    if points.costs is None:
        return None
    spent: Floats = np.array(points.costs)[answers.labels, chosen]
    if not len(spent):
        return Estimate(None, None, 0)
    drawn = bootstrap_intervals(
        lambda weights: np.array([weights @ spent / weights.sum()]), groups, random=np.random.default_rng([seed, 3])
    )
    return Estimate(float(spent.mean()), None if drawn is None else drawn[0], len(spent))
