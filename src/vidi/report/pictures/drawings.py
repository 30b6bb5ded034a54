"""The page's figures, drawn from the files of a run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vidi.evaluation.evaluate import Curves, Evaluation
from vidi.evaluation.guarantees.verdicts import OperatingFigures, VerdictFigures
from vidi.evaluation.sections import LearningFigures
from vidi.figures.evaluation import (
    Points,
    draw_ranking,
    draw_reliability,
    draw_risk_coverage,
)
from vidi.figures.training import draw_learning_curve, draw_more_images
from vidi.report.words.text import drawn, visible
from vidi.training.loop.progress import EpochRow

if TYPE_CHECKING:
    from markupsafe import Markup

RANKINGS = ("roc", "precision-recall")
LEAST_EPOCHS = 2  # one point is no curve


def best_epoch(history: Sequence[EpochRow]) -> int | None:
    """The epoch with the lowest validation loss; None where it was not measured."""
    known = [(epoch.validation_loss, epoch.epoch) for epoch in history if epoch.validation_loss is not None]
    return min(known)[1] if known else None


def draw_history(history: Sequence[EpochRow], *, kept_epoch: int | None = None) -> "list[Markup]":
    """Loss and accuracy by epoch; nothing where there are too few epochs.

    Args:
        kept_epoch: whose weights were kept, marked; the one of lowest validation loss where it is not known.
    """
    if len(history) < LEAST_EPOCHS:
        return []
    epochs, best = [row.epoch for row in history], kept_epoch or best_epoch(history)
    loss = [row.train_loss for row in history], [row.validation_loss for row in history]
    accuracy = [row.train_accuracy for row in history], [row.validation_accuracy for row in history]
    return [
        drawn(draw_learning_curve(epochs, *loss, measure="loss", best_epoch=best)),
        drawn(draw_learning_curve(epochs, *accuracy, measure="accuracy", best_epoch=best)),
    ]


def draw_test_reliability(test: Evaluation) -> "Markup | None":
    """The reliability diagram; None without test images."""
    bins = [(one.confidence, one.accuracy, one.perfect_low, one.perfect_high) for one in test.calibration.bins]
    return drawn(draw_reliability(bins)) if bins else None


def draw_rankings(test: Evaluation) -> "list[Markup]":
    """ROC and precision-recall curves; the hardest and the easiest class are named."""
    if not test.curves:
        return []
    areas = {figures.name: figures.average_precision.value for figures in test.per_class}
    by_ease = sorted((curve.name for curve in test.curves), key=lambda name: (areas[name] or 0.0, name))
    return _draw_both(test.curves, named=(by_ease[0], by_ease[-1]), points=({}, {}), names=RANKINGS)


def draw_at_points(test: Evaluation, operating: OperatingFigures | None) -> "list[Markup]":
    """The same two curves of the classes that have an operating point, with the points marked; nothing without one.

    A table of costs over more than two classes has no point on a curve of one class against all others.
    """
    if operating is None or (operating.measure == "costs" and len(test.per_class) > 2):
        return []
    figures = {one.name: one for one in operating.per_class}
    curves = [curve for curve in test.curves if curve.name in figures]
    if operating.measure == "costs":
        curves = curves[:1]  # of two classes one curve is the other, read backwards
    if not curves:
        return []
    by_area = sorted(curves, key=lambda curve: sum(curve.precision))
    on_roc: dict[str, tuple[float, float]] = {}
    on_precision_recall: dict[str, tuple[float, float]] = {}
    for curve in curves:
        name, at = visible(curve.name), figures[curve.name]
        alarms, found, right = at.false_alarms.value, at.recall.value, at.precision.value
        if alarms is not None and found is not None:
            on_roc[name] = (alarms, found)
        if right is not None and found is not None:
            on_precision_recall[name] = (found, right)
    named, points = (by_area[0].name, by_area[-1].name), (on_roc, on_precision_recall)
    return _draw_both(curves, named=named, points=points, names=("roc-point", "pr-point"))


def _draw_both(
    curves: Sequence[Curves], *, named: tuple[str, str], points: tuple[Points, Points], names: tuple[str, str]
) -> "list[Markup]":
    """ROC and precision-recall curves, with the points and the names of the two figures."""
    shown = [visible(name) for name in dict.fromkeys(named)]
    roc = {visible(one.name): (one.false_positive_rate, one.true_positive_rate) for one in curves}
    precision_recall = {visible(one.name): (one.recall, one.precision) for one in curves}
    return [
        drawn(draw_ranking("roc", roc, named=shown, points=points[0], name=names[0])),
        drawn(draw_ranking("precision-recall", precision_recall, named=shown, points=points[1], name=names[1])),
    ]


def draw_learning(found: LearningFigures | None) -> "Markup | None":
    """Errors by the number of images, and on to twice as many; None where it was not measured."""
    if found is None:
        return None
    return drawn(draw_more_images(found.counts, found.errors, found.reach, images=found.images))


def draw_risk(verdicts: VerdictFigures | None) -> "Markup | None":
    """Errors among the answers, by how many are given; None without test images or limits."""
    if verdicts is None or not verdicts.risk_coverage.risk:
        return None
    share, error, curve = verdicts.sure_share.value, verdicts.sure_error.value, verdicts.risk_coverage
    sure = None if share is None or error is None else (share, error)
    images, limit = verdicts.sure_share.image_count, verdicts.max_error
    return drawn(draw_risk_coverage(curve.answered, curve.risk, images=images, sure=sure, max_error=limit))
