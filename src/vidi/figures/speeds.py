"""How fast models answer on this processor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidi.figures.svg import FIRST, SECOND, draw_svg, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST_NAME = 34  # signs


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
    cut = [one.label if len(one.label) <= LONGEST_NAME else f"{one.label[:LONGEST_NAME]}…" for one in bars]
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
