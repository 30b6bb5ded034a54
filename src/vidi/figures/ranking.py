"""ROC and precision-recall curves on one pair of axes: of classes, or of found boxes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vidi.figures.svg import FIRST, SECOND, SOFT, draw_svg, legend_above
from vidi.numbers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "what it is about"  # stands in for it
STAND_INS = ("first named class", "second named class")  # curves beyond are drawn thin, without a name
LONGEST_NAME = 26  # signs
Curve = tuple[Sequence[float], Sequence[float]]
NO_POINTS: Mapping[str, tuple[float, float]] = {}
MOST_SPOKEN = 5  # operating points in the description


def draw_roc(
    curves: Mapping[str, Curve],
    *,
    named: Sequence[str] = (),
    points: Mapping[str, tuple[float, float]] = NO_POINTS,
    name: str = "roc",
) -> str:
    """Found images against false alarms, as SVG.

    Args:
        curves: class → (false positive rates, true positive rates).
        named: classes that are drawn strongly and named, two at most.
        points: class → where on the axes its operating point lies; marked.
        name: unique on the page.
    """

    def draw(axes: "Axes") -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
        _draw_curves(axes, curves, named, points)
        axes.set_xlabel("false alarms")
        axes.set_ylabel("recall")

    return draw_svg(
        draw,
        name=name,
        title="ROC curves",
        description=f"For {len(curves)} classes: the share of the class's images that is found, against the share of "
        "other images that is called so by mistake, at every threshold. Nearer to the upper left corner is better."
        + _spoken(points, "false alarms", "recall"),
        size=(3.9, 4.5),
        texts=_texts(named),
    )


def draw_precision_recall(
    curves: Mapping[str, Curve],
    *,
    named: Sequence[str] = (),
    points: Mapping[str, tuple[float, float]] = NO_POINTS,
    name: str = "precision-recall",
) -> str:
    """Precision against recall, as SVG.

    Args:
        curves: class → (recalls, precisions).
        named: classes that are drawn strongly and named, two at most.
        points: class → where on the axes its operating point lies; marked.
        name: unique on the page.
    """

    def draw(axes: "Axes") -> None:
        _draw_curves(axes, curves, named, points)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")

    return draw_svg(
        draw,
        name=name,
        title="Precision-recall curves",
        description=f"For {len(curves)} classes: precision at every recall. Closer to the upper right is better."
        + _spoken(points, "recall", "precision"),
        size=(3.9, 4.5),
        texts=_texts(named),
    )


def draw_box_precision(curves: Mapping[str, Curve], *, title: str, name: str) -> str:
    """Precision of found boxes against recall, as SVG.

    Args:
        curves: what is compared, such as overlaps or detectors → (recalls, precisions); two at most.
        title: stands above.
        name: unique on the page.
    """

    def draw(axes: "Axes") -> None:
        axes.set_title(TITLE)
        _draw_curves(axes, curves, tuple(curves), NO_POINTS)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")

    return draw_svg(
        draw,
        name=name,
        title=f"Precision and recall of boxes: {title}",
        description="The best precision that is reached when at least a given share of the true boxes is found; the "
        "mean of a curve is its average precision: "
        + ", ".join(f"{label} {sum(precisions) / len(precisions):.3f}" for label, (_, precisions) in curves.items())
        + ".",
        size=(3.9, 4.5),
        texts={TITLE: _cut(title), **_texts(tuple(curves))},
    )


def _spoken(points: Mapping[str, tuple[float, float]], x: str, y: str) -> str:
    """The operating points, for those who hear the figure."""
    return "".join(
        f" At the operating point of {name}: {percent(left, digits=1)} {x}, {percent(up, digits=1)} {y}."
        for name, (left, up) in list(points.items())[:MOST_SPOKEN]
    )


def _texts(named: Sequence[str]) -> dict[str, str]:
    """The names of the strong curves, cut where they are too long for a legend."""
    return dict(zip(STAND_INS, map(_cut, named), strict=False))


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"


def _draw_curves(
    axes: "Axes",
    curves: Mapping[str, Curve],
    named: Sequence[str],
    points: Mapping[str, tuple[float, float]],
) -> None:
    strong = dict(zip(named, zip(STAND_INS, (SECOND, FIRST), strict=True), strict=False))
    for class_name, (x, y) in curves.items():
        if class_name not in strong:
            axes.plot(x, y, color=SOFT, linewidth=1, alpha=0.55)
    for class_name, (stand_in, colour) in strong.items():
        if class_name in curves:
            x, y = curves[class_name]
            axes.plot(x, y, color=colour, label=stand_in)
    for number, (class_name, (x_point, y_point)) in enumerate(points.items()):
        colour = strong[class_name][1] if class_name in strong else SOFT
        label = "operating point" if number == 0 else None
        axes.plot(x_point, y_point, color=colour, linestyle="none", marker="o", markersize=7, label=label, zorder=3)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _position: f"{value * 100:.0f} %")
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
    if points or any(class_name in curves for class_name in strong):
        legend_above(axes, columns=1)
