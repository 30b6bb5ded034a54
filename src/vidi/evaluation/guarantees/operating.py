"""Operating points, chosen on images that the model has not learned from."""

from collections.abc import Sequence
from functools import partial, reduce

import numpy as np

from vidi.evaluation.guarantees.wish import Wish
from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.intervals import LEVEL
from vidi.metrics.multi_label import thresholds_for_f1
from vidi.metrics.operating import (
    Mask,
    Threshold,
    least_costly,
    threshold_for_false_alarms,
    threshold_for_precision,
    threshold_for_recall,
)
from vidi.model_file.limits import Basis
from vidi.model_file.operating_points import ClassPoint, Measure, OperatingPoints


def find_points(
    probabilities: Floats,
    shown: Mask,
    classes: Sequence[str],
    *,
    wish: Wish,
    positive: str | None = None,
    groups: Counts | None = None,
    basis: Basis = "calibration",
    shipped: Floats | None = None,
) -> OperatingPoints:
    """The thresholds, or the costs, that keep a wish as far as these images can show it.

    Args:
        probabilities: (batch, classes) float, calibrated by a step that was fitted without the image.
        shown: (batch, classes) bool; which classes each image shows.
        classes: names, in the order of the columns.
        wish: what to keep.
        positive: the class that it is about; each class by itself, where None.
        groups: (batch,) int; images of one group are not independent. Each its own, where None.
        basis: where the answers come from.
        shipped: (batch, classes), the same images' by the step that is shipped. Steps that were fitted without an image
            differ among themselves and from that one, most where there are many numbers in them: of the two thresholds
            the more careful one is taken.
    """
    if wish.costs is not None:
        costs = np.array([[wish.costs[true][answer] for answer in classes] for true in classes])
        spent = costs[shown.argmax(axis=1), least_costly(probabilities, costs)]
        return OperatingPoints(
            measure="costs",
            share=None,
            level=LEVEL,
            basis=basis,
            image_count=len(shown),
            costs=tuple(tuple(row) for row in costs.tolist()),
            mean_cost=float(spent.mean()),
        )
    named = [positive] if positive is not None else list(classes)
    best = thresholds_for_f1(probabilities, shown).tolist() if wish.measure == "f1" else []
    return OperatingPoints(
        measure=wish.measure,
        share=wish.share,
        level=LEVEL,
        basis=basis,
        image_count=len(shown),
        positive=positive,
        points=tuple(
            _point(
                name,
                [each[:, index] for each in (probabilities, shipped) if each is not None],
                shown[:, index],
                [Threshold(best[index], None, False)] if best else [],
                wish=wish,
                groups=groups,
            )
            for name in named
            for index in [list(classes).index(name)]
        ),
    )


def _point(
    name: str,
    scores: Sequence[Floats],
    is_class: Mask,
    known: Sequence[Threshold],
    *,
    wish: Wish,
    groups: Counts | None,
) -> ClassPoint:
    """One class's threshold: one that is known, else by each kind of answers, of which the more careful one counts."""
    found = reduce(
        partial(_more_careful, measure=wish.measure),
        known or [_threshold(each, is_class, wish, groups) for each in scores],
    )
    called = scores[0] >= (np.inf if found.value is None else found.value)
    return ClassPoint(
        name=name,
        threshold=found.value,
        is_promised=found.is_promised,
        bound=found.bound,
        image_count=int(is_class.sum()),
        found=int((called & is_class).sum()),
        other_count=int((~is_class).sum()),
        alarms=int((called & ~is_class).sum()),
    )


def _more_careful(first: Threshold, second: Threshold, *, measure: Measure) -> Threshold:
    """Of two thresholds that keep a wish by two kinds of answers the one that keeps it by both."""
    if first.value is None or second.value is None:
        return second if second.value is None else first
    bounds = [one.bound for one in (first, second) if one.bound is not None]
    alarms, recall = measure == "false-alarms", measure == "recall"
    return Threshold(
        value=(min if recall else max)(first.value, second.value),
        bound=None if len(bounds) < 2 else (max if alarms else min)(bounds),
        is_promised=first.is_promised and second.is_promised,
    )


def _threshold(scores: Floats, is_class: Mask, wish: Wish, groups: Counts | None) -> Threshold:
    assert wish.share is not None  # noqa: S101  # a wish for costs has no threshold
    if wish.measure == "recall":
        return threshold_for_recall(scores, is_class, recall=wish.share, groups=groups)
    if wish.measure == "precision":
        return threshold_for_precision(scores, is_class, precision=wish.share, groups=groups)
    return threshold_for_false_alarms(scores, is_class, share=wish.share, groups=groups)
