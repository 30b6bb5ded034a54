"""A figure of bars: the images of each class."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vidi.figures.drawing import FIRST, draw_svg, name_rows, stand_ins

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
