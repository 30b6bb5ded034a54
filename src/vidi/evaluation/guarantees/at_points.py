"""Whether a model's operating points meet their targets on test images."""

from dataclasses import dataclass, field

import numpy as np

from vidi.evaluation.answers import Answers
from vidi.evaluation.evaluation import Estimate
from vidi.evaluation.scores import estimate_share, number_groups
from vidi.evaluation.sections import key
from vidi.metrics.arrays import Counts, Floats, Labels
from vidi.metrics.intervals import bootstrap_intervals
from vidi.metrics.operating import Mask
from vidi.model_file.decisions import call_classes
from vidi.model_file.operating_points import OperatingPoints


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
        points: of the model file.
        seed: for the resampling of groups.
    """
    groups = number_groups(answers.groups if any(answers.groups) else None, len(answers.paths))
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
