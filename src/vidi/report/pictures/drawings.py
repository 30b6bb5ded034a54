"""The page's figures, drawn from the files of a run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vidi.evaluation.evaluate import Curves, Evaluation
from vidi.evaluation.guarantees.verdicts import OperatingFigures, VerdictFigures
from vidi.evaluation.sections import LearningFigures
from vidi.figures.evaluation import (
    Curve,
    Reliability,
    draw_precision_recall,
    draw_reliability,
    draw_risk_coverage,
    draw_roc,
)
from vidi.figures.training import draw_learning_curve, draw_more_images
from vidi.report.words.text import drawn, visible
from vidi.training.loop.progress import EpochRow

if TYPE_CHECKING:
    from markupsafe import Markup

LEAST_EPOCHS = 2  # one point is no curve


def best_epoch(history: Sequence[EpochRow]) -> int | None:
    """The epoch with the lowest validation loss; None where it was not measured."""
    known = [(epoch.validation_loss, epoch.epoch) for epoch in history if epoch.validation_loss is not None]
    return min(known)[1] if known else None


def draw_history(history: Sequence[EpochRow], *, kept_epoch: int | None = None) -> "list[Markup]":
    """Loss and accuracy by epoch; nothing where there are too few epochs.

    Args:
        history: one row for each epoch.
        kept_epoch: whose weights were kept, marked; the one of lowest validation loss where it is not known.
    """
    if len(history) < LEAST_EPOCHS:
        return []
    epochs, best = [epoch.epoch for epoch in history], kept_epoch or best_epoch(history)
    figures = []
    if any(epoch.validation_loss is not None or epoch.train_loss is not None for epoch in history):
        training = [epoch.train_loss for epoch in history]
        validation = [epoch.validation_loss for epoch in history]
        figures.append(draw_learning_curve(epochs, training, validation, measure="loss", best_epoch=best, name="loss"))
    if any(epoch.validation_accuracy is not None or epoch.train_accuracy is not None for epoch in history):
        training = [epoch.train_accuracy for epoch in history]
        validation = [epoch.validation_accuracy for epoch in history]
        figures.append(
            draw_learning_curve(epochs, training, validation, measure="accuracy", best_epoch=best, name="accuracy")
        )
    return [drawn(svg) for svg in figures]


def reliability_bins(test: Evaluation) -> list[Reliability]:
    """The test images by confidence, as the reliability diagram shows them."""
    return [
        Reliability(
            one.confidence,
            one.accuracy,
            one.image_count,
            perfect.low,
            perfect.high,
        )
        for one, perfect in test.calibration.points
        if perfect is not None
    ]


def draw_test_reliability(test: Evaluation) -> "Markup | None":
    """The reliability diagram; None without test images."""
    bins = reliability_bins(test)
    return drawn(draw_reliability(bins)) if bins else None


def draw_rankings(test: Evaluation) -> "list[Markup]":
    """ROC and precision-recall curves; the hardest and the easiest class are named."""
    if not test.curves:
        return []
    areas = {figures.name: figures.average_precision.value for figures in test.per_class}
    by_ease = sorted((curve.name for curve in test.curves), key=lambda name: (areas[name] or 0.0, name))
    named = [visible(name) for name in dict.fromkeys((by_ease[0], by_ease[-1]))]
    roc: dict[str, Curve] = {}
    precision_recall: dict[str, Curve] = {}
    for curve in test.curves:
        roc[visible(curve.name)], precision_recall[visible(curve.name)] = _lines(curve)
    return [drawn(draw_roc(roc, named=named)), drawn(draw_precision_recall(precision_recall, named=named))]


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
    named = [visible(name) for name in dict.fromkeys((by_area[0].name, by_area[-1].name))]
    roc: dict[str, Curve] = {}
    precision_recall: dict[str, Curve] = {}
    on_roc: dict[str, tuple[float, float]] = {}
    on_precision_recall: dict[str, tuple[float, float]] = {}
    for curve in curves:
        name, at = visible(curve.name), figures[curve.name]
        roc[name], precision_recall[name] = _lines(curve)
        alarms, found, right = at.false_alarms.value, at.recall.value, at.precision.value
        if alarms is not None and found is not None:
            on_roc[name] = (alarms, found)
        if right is not None and found is not None:
            on_precision_recall[name] = (found, right)
    return [
        drawn(draw_roc(roc, named=named, points=on_roc, name="roc-point")),
        drawn(draw_precision_recall(precision_recall, named=named, points=on_precision_recall, name="pr-point")),
    ]


def _lines(curve: Curves) -> tuple[Curve, Curve]:
    """One class's ROC and precision-recall curve."""
    return (curve.false_positive_rate, curve.true_positive_rate), (curve.recall, curve.precision)


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
