"""Operating points, chosen on images that the model was not trained on."""

from collections.abc import Sequence
from functools import partial, reduce

import numpy as np

from vidi.evaluation.guarantees.operating_target import OperatingTarget
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
    target: OperatingTarget,
    positive: str | None = None,
    groups: Counts | None = None,
    basis: Basis = "calibration",
    shipped: Floats | None = None,
) -> OperatingPoints:
    """Find the thresholds or costs that meet a target, as far as these images can show it.

    Args:
        probabilities: (batch, classes) float, calibrated by a step that was fitted without the image.
        shown: (batch, classes) bool; which classes each image shows.
        classes: names, in the order of the columns.
        target: what to keep.
        positive: the class that it is about; each class by itself, where None.
        groups: (batch,) int; images of one group are not independent. Each its own, where None.
        basis: where the answers come from.
        shipped: (batch, classes), the same images' by the step that is shipped. Steps that were fitted without an image
            differ among themselves and from that one, most where there are many numbers in them: of the two thresholds
            the more careful one is taken.
    """
    if target.costs is not None:
        costs = np.array([[target.costs[true][answer] for answer in classes] for true in classes])
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
    indexes = [list(classes).index(name) for name in named]
    if target.share is None:
        best = thresholds_for_f1(probabilities, shown).tolist()
        found = [Threshold(best[index], None, False) for index in indexes]
    else:
        kinds = [each for each in (probabilities, shipped) if each is not None]
        found = [
            _most_careful(
                [each[:, c] for each in kinds], shown[:, c], target.measure, share=target.share, groups=groups
            )
            for c in indexes
        ]
    return OperatingPoints(
        measure=target.measure,
        share=target.share,
        level=LEVEL,
        basis=basis,
        image_count=len(shown),
        positive=positive,
        points=tuple(
            _point(name, each, probabilities[:, index], shown[:, index])
            for name, each, index in zip(named, found, indexes, strict=True)
        ),
    )


def _point(name: str, found: Threshold, scores: Floats, is_class: Mask) -> ClassPoint:
    """One class's threshold, and its figures on these images."""
    called = scores >= (np.inf if found.value is None else found.value)
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


def _most_careful(
    kinds: Sequence[Floats], is_class: Mask, measure: Measure, *, share: float, groups: Counts | None
) -> Threshold:
    """The threshold that keeps a target by each kind of answers about the same images."""
    each = [_threshold(scores, is_class, measure, share=share, groups=groups) for scores in kinds]
    return reduce(partial(_more_careful, measure=measure), each)


def _more_careful(first: Threshold, second: Threshold, *, measure: Measure) -> Threshold:
    """Of two thresholds that keep a target by two kinds of answers the one that keeps it by both."""
    if first.value is None or second.value is None:
        return second if second.value is None else first
    bounds = [one.bound for one in (first, second) if one.bound is not None]
    alarms, recall = measure == "false-alarms", measure == "recall"
    return Threshold(
        value=(min if recall else max)(first.value, second.value),
        bound=None if len(bounds) < 2 else (max if alarms else min)(bounds),
        is_promised=first.is_promised and second.is_promised,
    )


def _threshold(scores: Floats, is_class: Mask, measure: Measure, *, share: float, groups: Counts | None) -> Threshold:
    if measure == "recall":
        return threshold_for_recall(scores, is_class, recall=share, groups=groups)
    if measure == "precision":
        return threshold_for_precision(scores, is_class, precision=share, groups=groups)
    return threshold_for_false_alarms(scores, is_class, share=share, groups=groups)
