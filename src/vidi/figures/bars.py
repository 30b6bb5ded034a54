"""Figures of bars: images of each class, and what the settings of a search explain."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vidi.figures.drawing import FIRST, INK, draw_svg, in_percent, name_rows, stand_ins
from vidi.numbers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MOST_BARS = 30


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
