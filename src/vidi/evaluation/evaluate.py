"""From a model's answers and the truth to every figure that is reported, each with its interval and n."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.evaluation.evaluation import CalibrationFigures, ClassFigures, ConfusedPair, Curves, Estimate, Evaluation
from vidi.evaluation.scores import Scores, number_groups, score_images
from vidi.metrics.arrays import Counts, Floats, Labels, check_answers, mean_of_known
from vidi.metrics.calibration import BINS, expected_calibration_error, perfect_model_band, reliability_bins
from vidi.metrics.classification import brier_losses, count_confusion, log_losses, ranks_of_truth
from vidi.metrics.intervals import area_interval, wilson_interval
from vidi.metrics.ranking import area_under_roc, average_precision, precision_recall_curve, roc_curve, thinned

LOSSES = {"log_loss": log_losses, "brier_loss": brier_losses}  # of each image; their means are estimated
MOST_CLASSES_IN_MATRIX = 200  # above, only the most frequent pairs of the confusion matrix are kept
MOST_PAIRS = 50
LEAST_IN_BIN = 10  # images of a reliability bin; of fewer the observed share says little
MOST_CURVES = 20  # classes whose ROC and precision-recall curves are kept: those with the most images


def evaluate_predictions(
    probabilities: Floats,
    labels: Labels,
    classes: Sequence[str],
    *,
    groups: Sequence[object] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score answers against the truth.

    Args:
        probabilities: (batch, classes) float, calibrated as shipped; rows sum to 1.
        labels: (batch,) int; true class index.
        classes: names, in the order of the columns.
        groups: (batch,) whom or what each image belongs to; images of one group are not independent, and intervals
            are widened for it. None (as a whole or for an image) where an image stands alone.
        seed: for the resampling.

    Raises:
        ShapeError: the arrays do not describe the same images, or not these classes.
    """
    check_answers(probabilities, labels)
    _check_classes(probabilities, classes)
    predicted = probabilities.argmax(axis=1)
    numbers = number_groups(groups, len(labels))
    ranks = ranks_of_truth(probabilities, labels)
    within = [k for k in (2, 3, 5) if k < len(classes)]
    scores = score_images(
        predicted,
        labels,
        class_count=len(classes),
        groups=numbers,
        share_values={"accuracy": ranks < 1, **{_top(k): ranks < k for k in within}},
        mean_values={name: measure(probabilities, labels) for name, measure in LOSSES.items()},
        random=np.random.default_rng([seed, 1]),
    )
    per_class = _figures_of_classes(probabilities, labels, classes, scores=scores, groups=numbers)
    group_count = len(np.unique(numbers))
    return Evaluation(
        classes=tuple(classes),
        image_count=len(labels),
        group_count=group_count,
        interval_method="wilson" if group_count == len(labels) else "group-bootstrap",
        accuracy=scores.shares["accuracy"],
        balanced_accuracy=scores.balanced_accuracy,
        macro_precision=scores.macro_precision,
        macro_f1=scores.macro_f1,
        top_k={k: scores.shares[_top(k)] for k in within},
        log_loss=scores.means["log_loss"],
        brier_loss=scores.means["brier_loss"],
        roc_area=mean_of_known([figures.roc_area.value for figures in per_class]),
        average_precision=mean_of_known([figures.average_precision.value for figures in per_class]),
        most_common_share=float(np.bincount(labels).max() / len(labels)) if len(labels) else None,
        calibration=measure_calibration(probabilities, labels, random=np.random.default_rng([seed, 2])),
        per_class=per_class,
        confusion=_confusion(predicted, labels, len(classes)),
        confused_pairs=_confused_pairs(predicted, labels, classes),
        curves=_curves(probabilities, labels, classes),
    )


def _top(k: int) -> str:
    """The name of a top-k accuracy among the shares."""
    return f"top_{k}"


def _check_classes(probabilities: Floats, classes: Sequence[str]) -> None:
    if probabilities.shape[1] != len(classes):
        raise ShapeError(
            f"there are {len(classes)} class names for {probabilities.shape[1]} columns of probabilities",
            "Use the class names of the model file, in its order.",
        )


def _figures_of_classes(
    probabilities: Floats, labels: Labels, classes: Sequence[str], *, scores: Scores, groups: Counts
) -> tuple[ClassFigures, ...]:
    weight = len(np.unique(groups)) / len(labels) if len(labels) else 1.0  # a group counts as one image
    figures = []
    for index, name in enumerate(classes):
        is_class = labels == index
        images = int(is_class.sum())
        area = area_under_roc(probabilities[:, index], is_class)
        precision = average_precision(probabilities[:, index], is_class)
        # A class that keeps one image must not drop to none by the weight of its groups.
        units, others = max(1, round(weight * images)), max(1, round(weight * (len(labels) - images)))
        figures.append(
            ClassFigures(
                name=name,
                image_count=images,
                call_count=scores.precisions[index].image_count,
                precision=scores.precisions[index],
                recall=scores.recalls[index],
                f1=scores.f1s[index],
                roc_area=Estimate(area, None if area is None else area_interval(area, units, others), len(labels)),
                # Source of the interval: Boyd, Eng and Page 2013, Area under the precision-recall curve, section 3.
                average_precision=Estimate(
                    precision, None if precision is None else wilson_interval(precision * units, units), len(labels)
                ),
            )
        )
    return tuple(figures)


def measure_calibration(probabilities: Floats, labels: Labels, *, random: np.random.Generator) -> CalibrationFigures:
    """Measure the calibration of the top probability, and that of a perfectly calibrated model.

    Args:
        probabilities: (batch, classes) float; rows sum to 1.
        labels: (batch,) int; true class index.
        random: for the simulation.
    """
    bins = max(1, min(BINS, len(labels) // LEAST_IN_BIN))
    return CalibrationFigures(
        error=expected_calibration_error(probabilities, labels, bins=bins),
        bins=reliability_bins(probabilities, labels, bins=bins),
        band=perfect_model_band(probabilities, random=random, bins=bins),
    )


def _confusion(predicted: Labels, labels: Labels, class_count: int) -> Counts | None:
    if class_count > MOST_CLASSES_IN_MATRIX:
        return None
    return count_confusion(predicted, labels, class_count=class_count)


def _confused_pairs(predicted: Labels, labels: Labels, classes: Sequence[str]) -> tuple[ConfusedPair, ...]:
    """The most frequent mistakes; equally frequent ones in the order of the classes."""
    wrong = predicted != labels
    pairs, counts = np.unique(np.stack([labels[wrong], predicted[wrong]], axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_PAIRS]
    return tuple(ConfusedPair(classes[pairs[row, 0]], classes[pairs[row, 1]], int(counts[row])) for row in order)


def _curves(probabilities: Floats, labels: Labels, classes: Sequence[str]) -> tuple[Curves, ...]:
    images = np.bincount(labels, minlength=len(classes))
    kept = sorted(np.argsort(-images, kind="stable")[:MOST_CURVES].tolist())
    curves = []
    for index in kept:
        found = class_curves(classes[index], probabilities[:, index], labels == index)
        if found is not None:
            curves.append(found)
    return tuple(curves)


def class_curves(name: str, scores: Floats, is_class: NDArray[np.bool_]) -> Curves | None:
    """Compute one class's thinned ROC and precision-recall curves; None unless there are images of both kinds.

    Args:
        name: of the class.
        scores: (batch,) its probability.
        is_class: (batch,) bool.
    """
    roc, precision_recall = roc_curve(scores, is_class), precision_recall_curve(scores, is_class)
    if roc is None or precision_recall is None:
        return None
    rates = thinned(roc.false_positive_rate, roc.true_positive_rate)
    shares = thinned(precision_recall.recall, precision_recall.precision)
    return Curves(name, tuple(rates[0]), tuple(rates[1]), tuple(shares[0]), tuple(shares[1]))
