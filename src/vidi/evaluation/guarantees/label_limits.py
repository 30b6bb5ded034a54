"""The guarantees for answers with several classes: all correct, and none missing."""

from collections.abc import Sequence

import numpy as np

from vidi.evaluation.guarantees.limits import limits_from
from vidi.evaluation.guarantees.operating import OperatingTarget, find_points
from vidi.evaluation.guarantees.promise import Promise
from vidi.groups import deal_folds
from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.conformal import limit_for_coverage
from vidi.metrics.multi_label import least_of_truth, probability_of_all
from vidi.metrics.operating import Mask
from vidi.model_file.decisions import call_classes
from vidi.model_file.limits import ALL_CLASSES, Basis, VerdictLimits


def find_label_limits(
    probabilities: Floats,
    targets: Mask,
    called: Mask,
    *,
    groups: Counts | None,
    promise: Promise,
    basis: Basis = "calibration",
    novelty: Floats | None = None,
) -> VerdictLimits:
    """Find the limits that guarantee whole answers, as far as these images can show it.

    An answer is right where it is right about every class. It is the surer, the likelier that is by its probabilities,
    the classes taken as independent. The candidates of an image hold all that it shows as often as was promised.

    Args:
        probabilities: (batch, classes) float, calibrated by a step that was fitted without the image.
        targets: (batch, classes) bool; what the images show.
        called: (batch, classes) bool; what they are called, by thresholds that were chosen without the image.
        groups: (batch,) int; images of one group are not independent. Each its own, where None.
        promise: what to keep.
        basis: where the answers come from.
        novelty: (images,) of images that were not used for training, these or others; None where the model cannot tell.
    """
    shown = targets.sum(axis=0)
    return limits_from(
        probability_of_all(probabilities, called),
        (called == targets).all(axis=1),
        limit_for_coverage(least_of_truth(probabilities, targets), coverage=promise.coverage, groups=groups),
        sizes=shown[shown > 0],
        groups=groups,
        promise=promise,
        basis=basis,
        ranking=ALL_CLASSES,
        novelty=novelty,
    )


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
