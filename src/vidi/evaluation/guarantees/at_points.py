"""Whether a model's operating points meet their targets on test images."""

from dataclasses import dataclass

import numpy as np

from vidi.evaluation.answers import Answers
from vidi.evaluation.evaluation import Estimate
from vidi.evaluation.scores import estimate_share, number_groups
from vidi.metrics.arrays import Counts, Floats, Labels
from vidi.metrics.intervals import bootstrap_intervals
from vidi.metrics.operating import Mask
from vidi.model_file.operating_points import OperatingPoints
from vidi.prediction.prediction import call_classes


@dataclass(frozen=True, slots=True, kw_only=True)
class PointFigures:
    """Figures of one class on one set of test images."""

    name: str
    threshold: float | None
    is_promised: bool
    recall: Estimate  # of its images, those that were called so
    precision: Estimate  # of those called so, its images
    false_alarms: Estimate  # of the other images, those that were called so
    is_broken: bool | None  # the target lies outside the interval, on the wrong side; None: no such target, or no data

    def as_json(self) -> dict[str, object]:
        """The figures as they stand in metrics.json."""
        return {
            "class": self.name,
            "threshold": self.threshold,
            "promised": self.is_promised,
            "recall": self.recall.as_json(),
            "precision": self.precision.as_json(),
            "false_alarm_rate": self.false_alarms.as_json(),
            "broken": self.is_broken,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingFigures:
    """Figures of the operating points on one set of test images."""

    stated: OperatingPoints
    per_class: tuple[PointFigures, ...]
    mean_cost: Estimate | None  # of an image, by the decisions; None without costs
    mean_cost_of_labels: Estimate | None  # by the most probable class instead

    def as_json(self) -> dict[str, object]:
        """The figures as they stand in metrics.json."""
        return {
            "measure": self.stated.measure,
            "share": self.stated.share,
            "positive": self.stated.positive,
            "basis": self.stated.basis,
            "calibration_images": self.stated.image_count,
            "per_class": [figures.as_json() for figures in self.per_class],
            "mean_cost": None if self.mean_cost is None else self.mean_cost.as_json(),
            "mean_cost_of_labels": None if self.mean_cost_of_labels is None else self.mean_cost_of_labels.as_json(),
        }


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
        stated=points,
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
