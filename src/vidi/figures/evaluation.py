"""Figures of an evaluation: ROC, precision-recall, reliability, risk, robustness, differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vidi.figures.drawing import (
    BAND,
    DASHED,
    DOTTED,
    FIRST,
    INK,
    LINE,
    SECOND,
    SOFT,
    cut_name,
    draw_svg,
    in_percent,
    legend_above,
    name_rows,
    stand_ins,
)
from vidi.numbers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


TITLE = "what it is about"  # stands in for it
STAND_INS = ("first named class", "second named class")  # curves beyond are drawn thin, without a name
Curve = tuple[Sequence[float], Sequence[float]]
Points = Mapping[str, tuple[float, float]]
RANKINGS: Mapping[str, tuple[str, str, str, str]] = {  # title, axes, and what can be seen
    "roc": (
        "ROC curves",
        "false alarms",
        "recall",
        "the share of the class's images that is found, against the share of other images that is called so by "
        "mistake, at every threshold. Nearer to the upper left corner is better.",
    ),
    "precision-recall": (
        "Precision-recall curves",
        "recall",
        "precision",
        "precision at every recall. Closer to the upper right is better.",
    ),
}
MOST_SPOKEN = 5  # operating points in the description
FEWEST = 20  # answers whose error rate is drawn: among fewer, one mistake moves it by over 5 points
MOST_ROWS = 30


def draw_ranking(
    kind: Literal["roc", "precision-recall"],
    curves: Mapping[str, Curve],
    *,
    named: Sequence[str],
    points: Points,
    name: str,
) -> str:
    """Recall against false alarms, or precision against recall, at every threshold, as SVG.

    Args:
        curves: class → (false positive rates, true positive rates), or (recalls, precisions).
        named: classes that are drawn strongly and named, two at most.
        points: class → where on the axes its operating point lies; marked.
    """
    title, x, y, seen = RANKINGS[kind]

    def draw(axes: "Axes") -> None:
        if kind == "roc":
            axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=DASHED)
        _draw_curves(axes, curves, named, points)
        axes.set(xlabel=x, ylabel=y)

    spoken = "".join(
        f" At the operating point of {class_name}: {percent(left, digits=1)} {x}, {percent(up, digits=1)} {y}."
        for class_name, (left, up) in list(points.items())[:MOST_SPOKEN]
    )
    description = f"For {len(curves)} classes: {seen}{spoken}"
    texts = _texts(named)
    return draw_svg(draw, name=name, title=title, description=description, size=(3.9, 4.5), texts=texts)


def draw_box_precision(curves: Mapping[str, Curve], *, title: str, name: str) -> str:
    """Precision of found boxes against recall, as SVG.

    Args:
        curves: what is compared, such as overlaps or detectors → (recalls, precisions); two at most.
    """

    def draw(axes: "Axes") -> None:
        axes.set_title(TITLE)
        _draw_curves(axes, curves, tuple(curves), {})
        axes.set(xlabel="recall", ylabel="precision")

    return draw_svg(
        draw,
        name=name,
        title=f"Precision and recall of boxes: {title}",
        description="The best precision that is reached when at least a given share of the true boxes is found; the "
        "mean of a curve is its average precision: "
        + ", ".join(f"{label} {sum(precisions) / len(precisions):.3f}" for label, (_, precisions) in curves.items())
        + ".",
        size=(3.9, 4.5),
        texts={TITLE: cut_name(title), **_texts(tuple(curves))},
    )


def _texts(named: Sequence[str]) -> dict[str, str]:
    """The names of the strong curves, cut where they are too long for a legend."""
    return dict(zip(STAND_INS, map(cut_name, named), strict=False))


def _draw_curves(axes: "Axes", curves: Mapping[str, Curve], named: Sequence[str], points: Points) -> None:
    strong = dict(zip(named, zip(STAND_INS, (SECOND, FIRST), strict=True), strict=False))
    for class_name, (x, y) in curves.items():
        if class_name not in strong:
            axes.plot(x, y, color=SOFT, linewidth=1, alpha=0.55)
    for class_name, (stand_in, colour) in strong.items():
        axes.plot(*curves[class_name], color=colour, label=stand_in)
    for number, (class_name, (x_point, y_point)) in enumerate(points.items()):
        colour = strong[class_name][1] if class_name in strong else SOFT
        label = "operating point" if number == 0 else None
        axes.plot(x_point, y_point, color=colour, linestyle="none", marker="o", markersize=7, label=label, zorder=3)
    in_percent(axes.xaxis, axes.yaxis)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    if points or strong:
        legend_above(axes, columns=1)


def draw_reliability(bins: Sequence[tuple[float, float, float, float]]) -> str:
    """The reliability diagram as SVG: a point for each bin, and the band of a perfect model.

    Args:
        bins: mean confidence, accuracy, and the ends between which a perfectly calibrated model's accuracy lies in 95
            of 100 cases; the least confident first, at least one.
    """
    confidence, accuracy, lows, highs = zip(*bins, strict=True)
    outside = sum(not low <= value <= high for _, value, low, high in bins)

    def draw(axes: "Axes") -> None:
        start = max(0.0, min([*confidence, *accuracy, *lows, 0.9]) - 0.05)
        axes.fill_between(confidence, lows, highs, color=BAND, linewidth=0, label="perfectly calibrated, 95 %")
        axes.plot([start, 1], [start, 1], color=SOFT, linewidth=1, linestyle=DASHED)
        axes.plot(confidence, accuracy, color=FIRST, marker="o", markersize=5, label="this model")
        axes.set(xlabel="confidence", ylabel="accuracy", xlim=(start, 1.01), ylim=(start, 1.02))
        in_percent(axes.xaxis, axes.yaxis, form=".0f")
        legend_above(axes)

    return draw_svg(
        draw,
        name="reliability",
        title="Reliability: confidence and accuracy",
        description=f"{len(bins)} groups of images by confidence; {outside} of them lie outside the band in which a "
        "perfectly calibrated model would lie in 95 of 100 cases.",
        size=(3.9, 4.5),
    )


def draw_risk_coverage(
    answered: Sequence[float],
    risk: Sequence[float],
    *,
    images: int,
    sure: tuple[float, float] | None,
    max_error: float,
) -> str:
    """The risk-coverage curve as SVG, with the sure answers marked.

    Args:
        answered: share of the images that get an answer, rising; the most confident ones first.
        risk: share of these answers that is wrong.
        images: number of all test images; the curve begins at `FEWEST` of them, or at half of few.
        sure: (share of the images, share of wrong ones) of the answers called sure; None where none is.
        max_error: what was promised of these; a dashed line.
    """
    begin = min(FEWEST, images // 2) / images
    shown = [(share, wrong) for share, wrong in zip(answered, risk, strict=True) if share >= begin]
    highest = max([*(wrong for _, wrong in shown), 0.0 if sure is None else sure[1]])

    def draw(axes: "Axes") -> None:
        axes.axhline(max_error, color=SOFT, linewidth=1, linestyle=DASHED, label="guaranteed")
        axes.plot(*zip(*shown, strict=True), color=FIRST, label="this model")
        if sure is not None:
            axes.plot(*sure, color=SECOND, linestyle="none", marker="o", markersize=7, label="sure answers")
        axes.set(xlabel="images answered, most confident first", xlim=(0, 1.01))
        axes.set(ylabel="error rate", ylim=(0, max(1.15 * highest, 1.6 * max_error)))
        in_percent(axes.xaxis, axes.yaxis)
        legend_above(axes)

    marked = (
        "no answer is called sure"
        if sure is None
        else f"the {percent(sure[0])} called sure are wrong {percent(sure[1], digits=1)} of the time"
    )
    return draw_svg(
        draw,
        name="risk-coverage",
        title="Error rate by share of answered images",
        description=f"Answering all images, {percent(risk[-1], digits=1)} are wrong; {marked}.",
        size=(3.9, 4.5),
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One point of a curve."""

    label: str  # the strength, as the axis says it
    value: float
    low: float
    high: float


def draw_robustness(steps: Sequence[Step], *, clean: int, axis: str, lowest: float, title: str, name: str) -> str:
    """Accuracy over the strength of one change, with its band, as SVG.

    Args:
        steps: from the strongest change one way, over the image as it is, to the strongest the other way; or from
            the image as it is on.
        clean: index of the step in which the image is as it is; a dotted line marks it.
        lowest: where the axis of the accuracy begins, the same for all figures that are compared.
    """
    places = list(range(len(steps)))

    def draw(axes: "Axes") -> None:
        axes.fill_between(
            places, [step.low for step in steps], [step.high for step in steps], color=BAND, linewidth=0, alpha=None
        )
        axes.axvline(clean, color=SOFT, linewidth=1, linestyle=DOTTED)
        axes.plot(places, [step.value for step in steps], color=FIRST, marker="o", markersize=4)
        in_percent(axes.yaxis)
        # Of many steps the strongest, the middle ones and the image as it is are named: there is no room for more.
        shown = [place for place in places if len(steps) <= 6 or abs(place - clean) in (0, 3, 5)]
        axes.set_xticks(shown, [steps[place].label for place in shown])
        axes.set(xlabel=axis, ylim=(lowest, 1.01))

    worst = min(steps, key=lambda step: step.value)
    return draw_svg(
        draw,
        name=name,
        title=f"Accuracy by {title.lower()}",
        description=f"As they are {percent(steps[clean].value)} of the images are classified correctly; at worst "
        f"{percent(worst.value)}, at {worst.label}.",
        size=(2.5, 3.5),
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of the figure."""

    name: str
    value: float  # share right of the second less that of the first
    low: float
    high: float
    is_shown: bool  # a winner was named


def draw_differences(rows: Sequence[Difference], *, second: str, name: str = "differences") -> str:
    """One line for each row with its interval, as SVG; the first is set apart, and of all at most 30 are drawn.

    Args:
        rows: all images first, then the classes.
        second: name of the model that is better on the right.
    """
    shown = list(rows[:MOST_ROWS])
    names = stand_ins("row", [row.name for row in shown])

    def draw(axes: "Axes") -> None:
        axes.axvline(0, color=INK, linewidth=1)
        for place, row in enumerate(shown):
            colour = SOFT if not row.is_shown else FIRST if row.value > 0 else SECOND
            axes.hlines(place, row.low, row.high, color=colour, linewidth=2.6 if row.is_shown else 1.6)
            axes.plot([row.value], [place], "o", color=colour, markersize=8 if place == 0 else 6)
        if len(shown) > 1:
            axes.axhline(0.5, color=LINE, linewidth=1)
        name_rows(axes, names)
        axes.set(xlabel="difference of the accuracies, points", ylim=(len(shown) - 0.5, -0.6))
        axes.xaxis.set_major_formatter(lambda value, _position: f"{100 * value:+.3g}" if value else "0")

    better, worse = (sum(row.is_shown and (row.value > 0) is up for row in rows[1:]) for up in (True, False))
    some = "" if len(rows) <= MOST_ROWS else f" The first {MOST_ROWS} lines are drawn."
    return draw_svg(
        draw,
        name=name,
        title="difference between the two models, for each class",
        description=f"On all images {100 * rows[0].value:+.1f} points ({100 * rows[0].low:+.1f} to "
        f"{100 * rows[0].high:+.1f}); of {len(rows) - 1} classes {second} is better at {better} "
        f"and worse at {worse}.{some}",
        size=(0.95 + 0.3 * len(shown), 6.2),
        texts=names,
    )
