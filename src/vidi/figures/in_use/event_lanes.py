"""When each class was in view, as bars over the time of a source."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidi.figures.svg import BAND, FIRST, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_WIDTH = 0.004  # of the whole time: a shorter event would not be seen
MINUTE, HOUR = 60.0, 3_600.0  # seconds
LONG = 3.0  # of a unit: from so many on, the axis counts in it


@dataclass(frozen=True, slots=True)
class Lane:
    """One class and when it was in view."""

    label: str
    spans: Sequence[tuple[float, float]]  # began and ended, seconds since the source's first frame


def draw_event_lanes(lanes: Sequence[Lane], *, seconds: float, name: str) -> str:
    """One lane for each class, the first on top, as SVG.

    Args:
        lanes: at least one.
        seconds: of the source.
        name: unique on the page.
    """
    unit, word = next(
        ((one, word) for one, word in ((HOUR, "hours"), (MINUTE, "minutes")) if seconds >= LONG * one), (1.0, "seconds")
    )
    whole = max(seconds, 1e-3) / unit

    def draw(axes: "Axes") -> None:
        for place, lane in enumerate(lanes):
            axes.axhspan(-place - 0.36, -place + 0.36, color=BAND, linewidth=0, alpha=0.35)
            bars = [(began / unit, max((ended - began) / unit, LEAST_WIDTH * whole)) for began, ended in lane.spans]
            axes.broken_barh(bars, (-place - 0.36, 0.72), color=FIRST, linewidth=0)
        axes.set_yticks([-place for place in range(len(lanes))], [lane.label for lane in lanes])
        axes.set_ylim(-len(lanes) + 0.4, 0.6)
        axes.set_xlim(0, whole)
        axes.set_xlabel(word)
        axes.grid(visible=False, axis="y")

    spoken = "; ".join(f"{lane.label}: {len(lane.spans)} times in view" for lane in lanes)
    return draw_svg(
        draw,
        name=name,
        title="When each class was in view",
        description=f"{spoken}, in {whole:.1f} {word}.",
        size=(0.85 + 0.3 * len(lanes), 4.6),
    )
