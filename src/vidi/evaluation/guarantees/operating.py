"""Operating points: chosen on images that the model has not learnt from, and said in sentences."""

from collections.abc import Sequence
from functools import partial, reduce

import numpy as np

from vidi.evaluation.guarantees.wish import Wish
from vidi.files import escape_path
from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.intervals import LEVEL
from vidi.metrics.multi_label import EVEN, LEAST_FOR_F1, thresholds_for_f1
from vidi.metrics.operating import (
    Mask,
    Threshold,
    least_costly,
    threshold_for_false_alarms,
    threshold_for_precision,
    threshold_for_recall,
)
from vidi.metrics.selective import images_for_error
from vidi.model_file.limits import Basis
from vidi.model_file.operating_points import ClassPoint, Measure, OperatingPoints
from vidi.numbers import percent, short_percent

MOST_DESCRIBED = 10  # classes; the rest stand in the model file


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


def describe_points(points: OperatingPoints) -> tuple[str, ...]:
    """What is called what, what is promised of it, and what is missing for a promise; for people."""
    word = "" if points.basis == "calibration" else "estimated: "
    if points.costs is not None:
        return (
            f"{word}answers are chosen by cost: {points.mean_cost:.4g} an image on average, on "
            f"{points.image_count:,} images",
        )
    shown = [word + _describe(point, points) for point in points.points[:MOST_DESCRIBED]]
    more = len(points.points) - len(shown)
    return (*shown, f"and {more:,} more classes have thresholds of their own") if more > 0 else tuple(shown)


def _describe(point: ClassPoint, points: OperatingPoints) -> str:
    """One class's threshold and its promise."""
    name = escape_path(point.name)
    if point.threshold is None:
        return f"no image is called {name}: {_missing(point, points)}"
    seen = (
        f"of {_images(point.image_count)} of it {point.found:,} {'was' if point.found == 1 else 'were'} found, of "
        f"{point.other_count:,} others {point.alarms:,} "
        f"{'was a false alarm' if point.alarms == 1 else 'were false alarms'}"
    )
    start = f"an image is called {name} from {_probability(point.threshold)} on"
    if points.measure == "f1" and point.image_count < LEAST_FOR_F1:
        if point.threshold != EVEN:
            return (
                f"{start}, chosen together with all classes of few images (F1): one of its own takes "
                f"{LEAST_FOR_F1} images of it; {seen}"
            )
        return f"{start}: to choose a better threshold takes {LEAST_FOR_F1} images of it; {seen}"
    if points.measure == "f1":
        return f"{start}, the best balance of found and right there is (F1); {seen}"
    if point.is_promised:
        return f"{start}: {wished(points)}, with {percent(points.level)} certainty; {seen}"
    return f"{start}, but {_missing(point, points)}; {seen}"


def wished(points: OperatingPoints) -> str:
    """The wish in words."""
    assert points.share is not None  # noqa: S101  # only a wish for costs has none
    if points.measure == "recall":
        return f"at least {short_percent(points.share)} of it is found"
    if points.measure == "precision":
        return f"at least {short_percent(points.share)} of what is called so is right"
    return f"at most 1 false alarm in {1 / points.share:,.0f} images of other classes"


def _missing(point: ClassPoint, points: OperatingPoints) -> str:
    """Why a wish cannot be promised, and how many images it takes."""
    assert points.share is not None  # noqa: S101  # only a wish for costs has none
    no = f"cannot be promised that {wished(points)}"
    if points.measure == "false-alarms":
        needed, there, kind = images_for_error(points.share, level=points.level), point.other_count, "of other classes"
    else:
        needed, there, kind = images_for_error(1 - points.share, level=points.level), point.image_count, "of it"
    if there >= needed and points.measure == "precision":
        return f"it {no}: on these images the model is wrong too often"
    known = "" if point.bound is None else f" (only {_bound(point, points)})"
    short = f"there are {there:,}" if there < needed else "these hang together in fewer groups"
    return f"it {no}{known}: that takes {needed:,} independent images {kind}, and {short}"


def _bound(point: ClassPoint, points: OperatingPoints) -> str:
    assert point.bound is not None  # noqa: S101  # the caller has looked
    if points.measure == "false-alarms":
        return f"at most 1 in {1 / point.bound:,.0f}" if point.bound > 0 else "none"
    return f"at least {short_percent(point.bound)}"


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


def _probability(value: float) -> str:
    """A threshold; very small and very large ones with the digits that tell them from 0 and 1.

    >>> _probability(0.1234), _probability(0.00004321), _probability(0.99997)
    ('12.3 %', '0.00432 %', '99.997 %')
    """
    if value > 0.995:
        return f"{100 - float(f'{100 * (1 - value):.2g}'):.10g} %"
    return f"{100 * value:.3g} %"
