"""The figures of a model whose images may show several classes: each class by itself, and all of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.evaluate import MOST_CURVES, class_curves, measure_calibration
from vidi.evaluation.evaluation import CalibrationFigures, ClassFigures, Curves, Estimate, Evaluation
from vidi.evaluation.scores import estimate_share, number_groups
from vidi.metrics.arrays import Counts, Floats, mean_of_known
from vidi.metrics.intervals import (
    Interval,
    area_interval,
    bootstrap_intervals,
    f1_interval,
    mean_interval,
    wilson_interval,
)
from vidi.metrics.multi_label import binary_log_losses, check_targets
from vidi.metrics.operating import Mask
from vidi.metrics.ranking import area_under_roc, average_precision

MOST_PAIRS = 20_000  # of an image and a class, behind the calibration error: more would only cost time


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
        seed: for the resampling.

    Raises:
        ShapeError: the arrays do not describe the same images and classes.
    """
    check_targets(probabilities, targets)
    numbers = number_groups(groups, len(targets))
    per_class = tuple(
        _figures_of(name, probabilities[:, c], targets[:, c], called[:, c], numbers, seed=seed)
        for c, name in enumerate(classes)
    )
    means = _means(probabilities, targets, called, numbers, per_class, seed=seed)
    group_count, everyone = len(np.unique(numbers)), np.ones(len(targets), np.bool_)
    return Evaluation(
        classes=tuple(classes),
        image_count=len(targets),
        group_count=group_count,
        interval_method="wilson" if group_count == len(targets) else "group-bootstrap",
        accuracy=estimate_share((called == targets).all(axis=1), everyone, numbers, seed=seed),
        balanced_accuracy=means.recall,
        macro_precision=means.precision,
        macro_f1=means.f1,
        top_k={},
        log_loss=means.log_loss,
        brier_loss=means.brier_loss,
        hamming_loss=means.hamming_loss,
        roc_area=mean_of_known([figures.roc_area.value for figures in per_class]),
        average_precision=mean_of_known([figures.average_precision.value for figures in per_class]),
        most_common_share=_most_common_share(targets),
        calibration=_calibration(probabilities, targets, random=np.random.default_rng([seed, 2])),
        per_class=per_class,
        confusion=None,
        confused_pairs=(),
        curves=_curves(probabilities, targets, classes),
    )


def _figures_of(name: str, scores: Floats, shown: Mask, called: Mask, groups: Counts, *, seed: int) -> ClassFigures:
    images, calls, hits = int(shown.sum()), int(called.sum()), int((called & shown).sum())
    nothing = Estimate(None, None, images)
    area, precision = area_under_roc(scores, shown), average_precision(scores, shown)
    f1 = 2 * hits / (images + calls) if images else None
    return ClassFigures(
        name=name,
        image_count=images,
        call_count=calls,
        precision=estimate_share(called & shown, called, groups, seed=seed) if images else Estimate(None, None, calls),
        recall=estimate_share(called & shown, shown, groups, seed=seed),
        f1=nothing if f1 is None else Estimate(f1, f1_interval(hits, images, calls), images),
        roc_area=Estimate(area, None if area is None else area_interval(area, images, len(shown) - images), len(shown)),
        # Source of the interval: Boyd, Eng and Page 2013, Area under the precision-recall curve, section 3.
        average_precision=Estimate(
            precision, None if precision is None else wilson_interval(precision * images, images), len(shown)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Means:
    """What is averaged over classes or images, in the order of the row that is resampled."""

    recall: Estimate
    precision: Estimate
    f1: Estimate
    log_loss: Estimate
    brier_loss: Estimate
    hamming_loss: Estimate


def _means(
    probabilities: Floats,
    targets: Mask,
    called: Mask,
    groups: Counts,
    per_class: Sequence[ClassFigures],
    *,
    seed: int,
) -> _Means:
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
    closed = _closed_forms(per_class, float(measured[-1]), unit_count=len(np.unique(groups)))
    drawn = [other if one is None else one.around(other) for one, other in zip(closed, drawn, strict=True)]
    return _Means(
        *(
            Estimate(None if np.isnan(value) else float(value), interval, len(targets))
            for value, interval in zip(measured.tolist(), drawn, strict=True)
        )
    )


def _closed_forms(per_class: Sequence[ClassFigures], hamming_loss: float, *, unit_count: int) -> list[Interval | None]:
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


def _most_common_share(targets: Mask) -> float | None:
    """How often always giving the most common set of classes would be right about every class."""
    if not len(targets):
        return None
    return float(np.unique(targets, axis=0, return_counts=True)[1].max() / len(targets))


def _calibration(probabilities: Floats, targets: Mask, *, random: np.random.Generator) -> CalibrationFigures:
    """Of the answers yes and no to every pair of an image and a class."""
    yes, truth = probabilities.ravel().astype(np.float64), targets.ravel()
    if len(yes) > MOST_PAIRS:
        some = random.choice(len(yes), MOST_PAIRS, replace=False)
        yes, truth = yes[some], truth[some]
    return measure_calibration(np.stack([1 - yes, yes], axis=1), truth.astype(np.int64), random=random)


def _curves(probabilities: Floats, targets: Mask, classes: Sequence[str]) -> tuple[Curves, ...]:
    kept = sorted(np.argsort(-targets.sum(axis=0), kind="stable")[:MOST_CURVES].tolist())
    found = (class_curves(classes[c], probabilities[:, c], targets[:, c]) for c in kept)
    return tuple(curves for curves in found if curves is not None)
