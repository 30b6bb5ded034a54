"""How many images there are of each class."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vidi.figures.svg import FIRST, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_BARS = 30
LONGEST_NAME = 26  # signs


def draw_class_sizes(counts: Mapping[str, int], *, name: str = "classes") -> str:
    """Images of each class as horizontal bars, the largest on top, as SVG.

    Args:
        counts: class → images. Of more than 30 classes the 30 largest are drawn.
        name: unique on the page.
    """
    shown = sorted(counts.items(), key=lambda item: -item[1])[:MOST_BARS]
    cut = [text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}…" for text, _ in shown]
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
