"""How far two models are apart, overall and for each class, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidi.figures.svg import FIRST, INK, LINE, SECOND, SOFT, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 30
LONGEST_NAME = 26  # signs


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
        name: unique on the page.
    """
    shown = list(rows[:MOST_ROWS])
    cut = [row.name if len(row.name) <= LONGEST_NAME else f"{row.name[:LONGEST_NAME]}…" for row in shown]
    # As long as the name that comes in its place, so that matplotlib leaves room for it.
    stand_ins = {f"row-{number:02}-".ljust(len(text) + 2, "x"): text for number, text in enumerate(cut)}

    def draw(axes: "Axes") -> None:
        axes.axvline(0, color=INK, linewidth=1)
        for place, row in enumerate(shown):
            colour = SOFT if not row.is_shown else FIRST if row.value > 0 else SECOND
            axes.hlines(place, row.low, row.high, color=colour, linewidth=2.6 if row.is_shown else 1.6)
            axes.plot([row.value], [place], "o", color=colour, markersize=8 if place == 0 else 6)
        if len(shown) > 1:
            axes.axhline(0.5, color=LINE, linewidth=1)
        axes.set_yticks(range(len(shown)), list(stand_ins))
        axes.set_ylim(len(shown) - 0.5, -0.6)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(lambda value, _position: f"{100 * value:+.3g}" if value else "0")
        axes.set_xlabel("difference of the accuracies, points")

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
        texts=stand_ins,
    )
