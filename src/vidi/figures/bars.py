"""Figures of bars: images of each class, the speed of each program, and what the settings of a search explain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidi.figures.drawing import FIRST, INK, SECOND, draw_svg, in_percent, legend_above, name_rows, stand_ins
from vidi.numbers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MOST_BARS = 30
LONGEST_LABEL = 34  # signs


def draw_class_sizes(counts: Mapping[str, int]) -> str:
    """Images of each class as horizontal bars, the largest on top, as SVG; of many classes the 30 largest."""
    shown = sorted(counts.items(), key=lambda item: -item[1])[:MOST_BARS]
    names = stand_ins("class", [name for name, _ in shown])

    def draw(axes: "Axes") -> None:
        bars = axes.barh(range(len(shown)), [count for _, count in shown], color=FIRST, height=0.7)
        axes.bar_label(bars, fmt="{:,.0f}", padding=3)
        name_rows(axes, names)
        axes.set_xlabel("images")
        axes.margins(x=0.15)

    some = "" if len(counts) <= MOST_BARS else f" The {MOST_BARS} largest are drawn."
    return draw_svg(
        draw,
        name="classes",
        title="images of each class",
        description=f"{len(counts)} classes, with {min(counts.values()):,} to {max(counts.values()):,} images.{some}",
        size=(0.9 + 0.26 * len(shown), 4.5),
        texts=names,
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
    """
    names = stand_ins(name, [one.label for one in bars], longest=LONGEST_LABEL)

    def draw(axes: "Axes") -> None:
        shown = axes.barh(range(len(bars)), [one.value for one in bars], color=FIRST, height=0.6, label=value)
        axes.bar_label(shown, labels=[f"{one.value:,.3g}" for one in bars], padding=8)
        marked = [(row, one.mark) for row, one in enumerate(bars) if one.mark is not None]
        if marked:
            axes.plot([at for _, at in marked], [row for row, _ in marked], "o", color=SECOND, markersize=6, label=mark)
        name_rows(axes, names)
        axes.set(xlabel=axis, xlim=(0, 1.2 * max(max(one.value, one.mark or 0.0) for one in bars)))
        legend_above(axes)

    listed = "; ".join(
        f"{text} {one.value:,.3g}" + ("" if one.mark is None else f", {mark} {one.mark:,.3g}")
        for text, one in zip(names.values(), bars, strict=True)
    )
    return draw_svg(
        draw,
        name=name,
        title=title,
        description=f"{value}, {axis}: {listed}.",
        size=(1.4 + 0.35 * len(bars), 6.2),
        texts=names,
    )


def draw_importances(
    names: Sequence[str], shares: Sequence[float], lows: Sequence[float], highs: Sequence[float]
) -> str:
    """How much of the results' spread each setting explains, with the range over resampled trials, as SVG.

    Args:
        names: the most important first; at least one.
        shares: of the spread, 0 to 1.
        lows: where the range of each begins.
    """

    def draw(axes: "Axes") -> None:
        rows = range(len(names))
        axes.barh(rows, shares, color=FIRST, height=0.55)
        axes.hlines(rows, lows, highs, color=INK, linewidth=1.4)
        name_rows(axes, names)
        axes.set(xlabel="share of the variation explained", xlim=(0, max(0.05, *highs) * 1.04))
        in_percent(axes.xaxis, form=".0f")

    return draw_svg(
        draw,
        name="importance",
        title="importance of each setting",
        description=f"{len(names)} settings with the range over resampled trials. {names[0]} explains most, "
        f"{percent(shares[0])}.",
        size=(0.9 + 0.3 * len(names), 4.5),
    )
