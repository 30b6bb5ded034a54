"""From a model's answers and the truth to every figure that is reported, each with its interval and n."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.evaluation.scores import (
    Estimate,
    MeanOfClasses,
    estimate_share,
    number_groups_or_images,
    score_images,
)
from vidi.metrics.arrays import Counts, Floats, Labels, check_answers, mean_of_known
from vidi.metrics.calibration import (
    BINS,
    expected_calibration_error,
    perfect_model_band,
    reliability_bins,
)
from vidi.metrics.classification import brier_losses, count_confusion, log_losses, ranks_of_truth
from vidi.metrics.intervals import (
    LEVEL,
    Interval,
    area_interval,
    bootstrap_intervals,
    f1_interval,
    mean_interval,
    wilson_interval,
)
from vidi.metrics.multi_label import binary_log_losses, check_targets
from vidi.metrics.operating import Mask
from vidi.metrics.ranking import area_under_roc, average_precision, precision_recall_curve, roc_curve, thinned
from vidi.model_file.values import BESIDE, by_fields, from_plain, key

LOSSES = {"log_loss": log_losses, "brier_loss": brier_losses}  # of each image; their means are estimated
MOST_CLASSES_IN_MATRIX = 200  # above, only the most frequent pairs of the confusion matrix are kept
MOST_PAIRS = 50
LEAST_IN_BIN = 10  # images of a reliability bin; of fewer the observed share says little
MOST_CURVES = 20  # classes whose ROC and precision-recall curves are kept: those with the most images
MOST_ANSWERS = 20_000  # about an image and a class, behind the calibration error: more would only cost time


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Figures of one class."""

    name: str = field(metadata=key("class"))
    image_count: int = field(metadata=key("images"))  # of the class; 0: not tested, every figure is None
    call_count: int = field(metadata=key("calls"))  # images that were predicted as this class
    precision: Estimate
    recall: Estimate
    f1: Estimate
    roc_area: Estimate  # of its probability against all other classes
    average_precision: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Some images of like confidence, and which accuracies a perfectly calibrated model would show by chance."""

    confidence: float  # mean of the stated confidence
    accuracy: float  # share that is right
    image_count: int = field(metadata=key("n"))
    perfect_low: float
    perfect_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFigures:
    """Calibration of the probabilities; None without images."""

    error: float | None
    perfect_low: float | None  # what a perfectly calibrated model would show by chance …
    perfect_high: float | None  # … at most
    bins: tuple[CalibrationBin, ...]


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Images of one class that were predicted as another."""

    true: str
    predicted: str
    image_count: int = field(metadata=key("n"))


@dataclass(frozen=True, slots=True)
class Curves:
    """One class's curves, thinned for drawing."""

    name: str = field(metadata=key("class"))
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    recall: tuple[float, ...]
    precision: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """How many independent units the figures rest on."""

    group_count: int = field(metadata=key("groups"))  # the number of images if there are no groups
    interval_method: str  # `wilson` for independent images, else `group-bootstrap`


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingFigures:
    """How well the probabilities rank images; means over the tested classes."""

    roc_area: float | None = field(metadata=key("macro_roc_area"))
    average_precision: float | None = field(metadata=key("macro_average_precision"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistakes:
    """What is taken for what."""

    confusion: Counts | None  # rows are true classes; None above 200 classes
    confused_pairs: tuple[ConfusedPair, ...]  # most frequent first


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All figures that were measured on one set of test images."""

    classes: tuple[str, ...]  # in the order of all tables
    image_count: int = field(metadata=key("images"))  # number of test images
    units: Units = field(metadata=BESIDE)
    accuracy: Estimate  # share of images that are classified correctly
    macro: MeanOfClasses = field(metadata=BESIDE)
    hamming_loss: Estimate | None = None  # share of wrong image-class pairs; None for one label each
    top_k: Mapping[int, Estimate]  # share of images whose class is among the k most probable
    log_loss: Estimate  # mean of -log(probability of the true class)
    brier_loss: Estimate  # mean squared distance of the probabilities from the truth, 0 to 2
    ranking: RankingFigures = field(metadata=BESIDE)
    most_common_share: float | None  # accuracy of always predicting the most common class
    calibration: CalibrationFigures  # error of the probabilities, and its bins
    per_class: tuple[ClassFigures, ...]  # in the order of `classes`
    mistakes: Mistakes = field(metadata=BESIDE)
    curves: tuple[Curves, ...]  # ROC and precision-recall of each class

    def as_json(self) -> dict[str, object]:
        """Return the figures as in metrics.json; missing data is null, never NaN."""
        entries = by_fields(self, is_rounded=True)
        del entries["classes"]
        method = entries.pop("interval_method")
        confusion = None if self.mistakes.confusion is None else self.mistakes.confusion.tolist()
        return {
            "images": self.image_count,
            "groups": self.units.group_count,
            "interval": {"level": LEVEL, "method": method},
            **entries,
            "confusion": confusion,
        }

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote: every figure, to six decimals."""
        classes = [one["class"] for one in entries["per_class"]]
        return from_plain(cls, {**entries, "classes": classes, "interval_method": entries["interval"]["method"]})


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

    Raises:
        ShapeError: the arrays do not describe the same images, or not these classes.
    """
    check_answers(probabilities, labels)
    if probabilities.shape[1] != len(classes):
        raise ShapeError(
            f"there are {len(classes)} class names for {probabilities.shape[1]} columns of probabilities",
            "Use the class names of the model file, in its order.",
        )
    predicted = probabilities.argmax(axis=1)
    numbers = number_groups_or_images(groups, len(labels))
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
    shown = labels[:, None] == np.arange(len(classes))
    weight = len(np.unique(numbers)) / len(labels) if len(labels) else 1.0  # a group counts as one image
    per_class = tuple(
        _class_figures(
            name,
            (scores.recalls[c], scores.precisions[c], scores.f1s[c]),
            probabilities[:, c],
            shown[:, c],
            weight=weight,
        )
        for c, name in enumerate(classes)
    )
    return Evaluation(
        classes=tuple(classes),
        image_count=len(labels),
        units=_units(numbers),
        accuracy=scores.shares["accuracy"],
        macro=scores.macro,
        top_k={k: scores.shares[_top(k)] for k in within},
        log_loss=scores.means["log_loss"],
        brier_loss=scores.means["brier_loss"],
        ranking=_ranking(per_class),
        most_common_share=float(np.bincount(labels).max() / len(labels)) if len(labels) else None,
        calibration=measure_calibration(probabilities, labels, random=np.random.default_rng([seed, 2])),
        per_class=per_class,
        mistakes=Mistakes(
            confusion=count_confusion(predicted, labels, class_count=len(classes))
            if len(classes) <= MOST_CLASSES_IN_MATRIX
            else None,
            confused_pairs=_confused_pairs(predicted, labels, classes),
        ),
        curves=_curves(probabilities, shown, classes),
    )


def evaluate_labels(
    probabilities: Floats,
    targets: Mask,
    called: Mask,
    classes: Sequence[str],
    *,
    groups: Sequence[object] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score answers that may name several classes.

    `accuracy` is the share of images about which every class is right (exact match), `balanced_accuracy` the mean
    recall of the classes, `calibration` that of all pairs of an image and a class.

    Args:
        probabilities: (batch, classes) float, calibrated as shipped, each class by itself.
        targets: (batch, classes) bool; what the images show.
        called: (batch, classes) bool; what they are called, by the thresholds of the model.
        classes: names, in the order of the columns.
        groups: (batch,) as of `evaluate_predictions`.

    Raises:
        ShapeError: the arrays do not describe the same images and classes.
    """
    check_targets(probabilities, targets)
    numbers = number_groups_or_images(groups, len(targets))
    per_class = tuple(
        _class_figures(
            name,
            _rates_of_class(targets[:, c], called[:, c], numbers, seed=seed),
            probabilities[:, c],
            targets[:, c],
            weight=1.0,
        )
        for c, name in enumerate(classes)
    )
    macro, log_loss, brier_loss, hamming_loss = _means(probabilities, targets, called, numbers, per_class, seed=seed)
    everyone = np.ones(len(targets), np.bool_)
    return Evaluation(
        classes=tuple(classes),
        image_count=len(targets),
        units=_units(numbers),
        accuracy=estimate_share((called == targets).all(axis=1), everyone, numbers, seed=seed),
        macro=macro,
        top_k={},
        log_loss=log_loss,
        brier_loss=brier_loss,
        hamming_loss=hamming_loss,
        ranking=_ranking(per_class),
        # How often always giving the most common set of classes would be right about every class.
        most_common_share=float(np.unique(targets, axis=0, return_counts=True)[1].max() / len(targets))
        if len(targets)
        else None,
        calibration=_calibration_of_pairs(probabilities, targets, random=np.random.default_rng([seed, 2])),
        per_class=per_class,
        mistakes=Mistakes(confusion=None, confused_pairs=()),
        curves=_curves(probabilities, targets, classes),
    )


def _top(k: int) -> str:
    """The name of a top-k accuracy among the shares."""
    return f"top_{k}"


def _units(groups: Counts) -> Units:
    count = len(np.unique(groups))
    return Units(group_count=count, interval_method="wilson" if count == len(groups) else "group-bootstrap")


def _ranking(per_class: Sequence[ClassFigures]) -> RankingFigures:
    return RankingFigures(
        roc_area=mean_of_known([figures.roc_area.value for figures in per_class]),
        average_precision=mean_of_known([figures.average_precision.value for figures in per_class]),
    )


def _class_figures(
    name: str, called: tuple[Estimate, Estimate, Estimate], scores: Floats, shown: Mask, *, weight: float
) -> ClassFigures:
    """The figures of one class.

    Args:
        called: recall, precision and F1 of what is called so.
        scores: (batch,) its probability.
        shown: (batch,) bool; which images show it.
        weight: of an image, in independent ones.
    """
    recall, precision, f1 = called
    images, count = int(shown.sum()), len(shown)
    area, mean = area_under_roc(scores, shown), average_precision(scores, shown)
    # A class that keeps one image must not drop to none by the weight of its groups.
    units, others = max(1, round(weight * images)), max(1, round(weight * (count - images)))
    return ClassFigures(
        name=name,
        image_count=images,
        call_count=precision.image_count,
        precision=precision,
        recall=recall,
        f1=f1,
        roc_area=Estimate(area, None if area is None else area_interval(area, units, others), count),
        # Source of the interval: Boyd, Eng and Page 2013, Area under the precision-recall curve, section 3.
        average_precision=Estimate(mean, None if mean is None else wilson_interval(mean * units, units), count),
    )


def _rates_of_class(shown: Mask, called: Mask, groups: Counts, *, seed: int) -> tuple[Estimate, Estimate, Estimate]:
    """Recall, precision and F1 of one class by itself, against all images without it."""
    images, calls, hits = int(shown.sum()), int(called.sum()), int((called & shown).sum())
    recall = estimate_share(called & shown, shown, groups, seed=seed)
    if not images:
        return recall, Estimate(None, None, calls), Estimate(None, None, images)
    precision = estimate_share(called & shown, called, groups, seed=seed)
    return recall, precision, Estimate(2 * hits / (images + calls), f1_interval(hits, images, calls), images)


def _means(
    probabilities: Floats,
    targets: Mask,
    called: Mask,
    groups: Counts,
    per_class: Sequence[ClassFigures],
    *,
    seed: int,
) -> tuple[MeanOfClasses, Estimate, Estimate, Estimate]:
    """What is averaged over classes; then log loss, Brier loss and Hamming loss."""
    losses = binary_log_losses(probabilities, targets)
    squares = ((probabilities - targets) ** 2).mean(axis=1)
    differences = (called != targets).mean(axis=1)

    def figures(weights: Floats) -> Floats:
        hits, images, calls = weights @ (called & targets), weights @ targets, weights @ called
        tested = images > 0
        per_class = [
            _share(hits, images)[tested],
            _share(hits, calls)[tested],
            _share(2 * hits, images + calls)[tested],
        ]
        # A class that was never called has no precision: it is left out of that mean.
        macro = [values[~np.isnan(values)].mean() if (~np.isnan(values)).any() else np.nan for values in per_class]
        total = max(weights.sum(), 1e-9)
        return np.array([*macro, *(weights @ each / total for each in (losses, squares, differences))])

    measured = figures(np.ones(len(targets))) if len(targets) else np.full(6, np.nan)
    drawn: list[Interval | None] = [None] * 6
    if len(targets):
        drawn = bootstrap_intervals(figures, groups, random=np.random.default_rng([seed, 1])) or drawn
    # Where there is no error, resampling shows no spread: the closed forms see what could have been.
    closed = _closed_means(per_class, float(measured[-1]), unit_count=len(np.unique(groups)))
    drawn = [other if one is None else one.around(other) for one, other in zip(closed, drawn, strict=True)]
    recall, precision, f1, log_loss, brier_loss, hamming_loss = (
        Estimate(None if np.isnan(value) else float(value), interval, len(targets))
        for value, interval in zip(measured.tolist(), drawn, strict=True)
    )
    return MeanOfClasses(recall=recall, precision=precision, f1=f1), log_loss, brier_loss, hamming_loss


def _closed_means(per_class: Sequence[ClassFigures], hamming_loss: float, *, unit_count: int) -> list[Interval | None]:
    """The intervals that need no resampling, in the order of the row; None where there is none."""
    columns = (
        [one.recall for one in per_class],
        [one.precision for one in per_class if one.image_count],
        [one.f1 for one in per_class],
    )
    macro = [mean_interval([one.value for one in each], [one.interval for one in each]) for each in columns]
    return [*macro, None, None, wilson_interval(hamming_loss * unit_count, unit_count) if unit_count else None]


def _share(hits: Floats, among: Floats) -> NDArray[np.float64]:
    """Hits over all, NaN where there are none."""
    shares: NDArray[np.float64] = np.divide(hits, among, out=np.full(len(hits), np.nan), where=among > 0)
    return shares


def _calibration_of_pairs(probabilities: Floats, targets: Mask, *, random: np.random.Generator) -> CalibrationFigures:
    """Of the answers yes and no to every pair of an image and a class."""
    yes, truth = probabilities.ravel().astype(np.float64), targets.ravel()
    if len(yes) > MOST_ANSWERS:
        some = random.choice(len(yes), MOST_ANSWERS, replace=False)
        yes, truth = yes[some], truth[some]
    return measure_calibration(np.stack([1 - yes, yes], axis=1), truth.astype(np.int64), random=random)


def measure_calibration(probabilities: Floats, labels: Labels, *, random: np.random.Generator) -> CalibrationFigures:
    """Measure the calibration of the top probability, and that of a perfectly calibrated model.

    Args:
        probabilities: (batch, classes) float; rows sum to 1.
        labels: (batch,) int; true class index.
    """
    bins = max(1, min(BINS, len(labels) // LEAST_IN_BIN))
    band = perfect_model_band(probabilities, random=random, bins=bins)
    if band is None:
        return CalibrationFigures(error=None, perfect_low=None, perfect_high=None, bins=())
    found = zip(reliability_bins(probabilities, labels, bins=bins), band.accuracies, strict=True)
    return CalibrationFigures(
        error=expected_calibration_error(probabilities, labels, bins=bins),
        perfect_low=band.calibration_error.low,
        perfect_high=band.calibration_error.high,
        bins=tuple(
            CalibrationBin(
                confidence=one.confidence,
                accuracy=one.accuracy,
                image_count=one.image_count,
                perfect_low=perfect.low,
                perfect_high=perfect.high,
            )
            for one, perfect in found
        ),
    )


def _confused_pairs(predicted: Labels, labels: Labels, classes: Sequence[str]) -> tuple[ConfusedPair, ...]:
    """The most frequent mistakes; equally frequent ones in the order of the classes."""
    wrong = predicted != labels
    pairs, counts = np.unique(np.stack([labels[wrong], predicted[wrong]], axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_PAIRS]
    return tuple(ConfusedPair(classes[pairs[row, 0]], classes[pairs[row, 1]], int(counts[row])) for row in order)


def _curves(probabilities: Floats, shown: Mask, classes: Sequence[str]) -> tuple[Curves, ...]:
    """The curves of the classes with the most images."""
    kept = sorted(np.argsort(-shown.sum(axis=0), kind="stable")[:MOST_CURVES].tolist())
    found = (_class_curves(classes[c], probabilities[:, c], shown[:, c]) for c in kept)
    return tuple(one for one in found if one is not None)


def _class_curves(name: str, scores: Floats, is_class: NDArray[np.bool_]) -> Curves | None:
    """Compute one class's thinned ROC and precision-recall curves; None unless there are images of both kinds.

    Args:
        scores: (batch,) its probability.
        is_class: (batch,) bool.
    """
    roc, precision_recall = roc_curve(scores, is_class), precision_recall_curve(scores, is_class)
    if roc is None or precision_recall is None:
        return None
    rates = thinned(roc.false_positive_rate, roc.true_positive_rate)
    shares = thinned(precision_recall.recall, precision_recall.precision)
    return Curves(name, tuple(rates[0]), tuple(rates[1]), tuple(shares[0]), tuple(shares[1]))
