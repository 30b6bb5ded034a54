"""Figures of bars: images of each class, and the speed of each program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidi.figures.drawing import FIRST, SECOND, cut_name, draw_svg, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MOST_BARS = 30
LONGEST_LABEL = 34  # signs


def draw_class_sizes(counts: Mapping[str, int], *, name: str = "classes") -> str:
    """Images of each class as horizontal bars, the largest on top, as SVG.

    Args:
        counts: class → images. Of more than 30 classes the 30 largest are drawn.
        name: unique on the page.
    """
    shown = sorted(counts.items(), key=lambda item: -item[1])[:MOST_BARS]
    cut = [cut_name(text) for text, _ in shown]
    # As long as the name that comes in its place, so that matplotlib leaves room for it.
    stand_ins = {f"class-{number:02}-".ljust(len(text) + 2, "x"): text for number, text in enumerate(cut)}

    def draw(axes: "Axes") -> None:
        rows = range(len(shown))
        bars = axes.barh(rows, [count for _, count in shown], color=FIRST, height=0.7)
        axes.bar_label(bars, fmt="{:,.0f}", padding=3)
        axes.set_yticks(rows, list(stand_ins))
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("images")
        axes.margins(x=0.15)

    some = "" if len(counts) <= MOST_BARS else f" The {MOST_BARS} largest are drawn."
    return draw_svg(
        draw,
        name=name,
        title="images of each class",
        description=f"{len(counts)} classes, with {min(counts.values()):,} to {max(counts.values()):,} images.{some}",
        size=(0.9 + 0.26 * len(shown), 4.5),
        texts=stand_ins,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedBar:
    """One row: a model by an engine."""

    label: str
    value: float
    mark: float | None = None  # a second value of the same kind


def draw_speeds(bars: Sequence[SpeedBar], *, axis: str, value: str, mark: str, title: str, name: str) -> str:
    """Rows of bars with a dot each, as SVG.

    Args:
        bars: at least one, the first on top.
        axis: what the values are, with their unit.
        value: what the bars are.
        mark: what the dots are.
        title: of the figure.
        name: unique on the page.
    """
    cut = [cut_name(one.label, longest=LONGEST_LABEL) for one in bars]
    # As long as the name that comes in its place, so that matplotlib leaves room for it.
    stand_ins = {f"{name}-{number:02}-".ljust(len(text) + 2, "x"): text for number, text in enumerate(cut)}

    def draw(axes: "Axes") -> None:
        rows = range(len(bars))
        shown = axes.barh(rows, [one.value for one in bars], color=FIRST, height=0.6, label=value)
        axes.bar_label(shown, labels=[f"{one.value:,.3g}" for one in bars], padding=8)
        marked = [(row, one.mark) for row, one in enumerate(bars) if one.mark is not None]
        if marked:
            axes.plot([at for _, at in marked], [row for row, _ in marked], "o", color=SECOND, markersize=6, label=mark)
        axes.set_yticks(rows, list(stand_ins))
        axes.invert_yaxis()
        axes.set_xlabel(axis)
        axes.set_xlim(0, 1.2 * max(max(one.value, one.mark or 0.0) for one in bars))
        axes.grid(visible=False, axis="y")
        legend_above(axes)

    listed = "; ".join(
        f"{text} {one.value:,.3g}" + ("" if one.mark is None else f", {mark} {one.mark:,.3g}")
        for text, one in zip(cut, bars, strict=True)
    )
    return draw_svg(
        draw,
        name=name,
        title=title,
        description=f"{value}, {axis}: {listed}.",
        size=(1.4 + 0.35 * len(bars), 6.2),
        texts=stand_ins,
    )
