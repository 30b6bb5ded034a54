"""Figures of a model in use: a quantity of the traffic over time, and the events of a watched source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vidi.figures.drawing import BAND, DOTTED, FIRST, SECOND, SOFT, draw_svg, in_percent
from vidi.numbers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHORTEST_SECONDS = 120.0  # a shorter stream is drawn over its images: its times say nothing


@dataclass(frozen=True, slots=True)
class TimePoint:
    """One part of the traffic."""

    at: float  # of its last image, seconds since 1970, UTC
    until: int  # images up to and including it
    value: float
    low: float | None = None
    high: float | None = None


Change = tuple[float, int]  # since when the images have changed, seconds since 1970, UTC, and the images before it


def draw_over_time(
    points: Sequence[TimePoint],
    *,
    usual: float | None,
    began: Change | None,
    axis: str,
    is_share: bool,
    title: str,
    name: str,
) -> str:
    """The parts of the traffic in order, with a band where each has a range, as SVG.

    Args:
        points: at least one.
        usual: in the reference; a dotted line.
        began: where a change began; an upright line.
        is_share: whether they are shown in percent.
    """
    by_time = points[-1].at - points[0].at >= SHORTEST_SECONDS
    places: list[Any] = [datetime.fromtimestamp(one.at, UTC) if by_time else one.until for one in points]
    band = [(one.low, one.high) for one in points if one.low is not None and one.high is not None]

    def draw(axes: "Axes") -> None:
        if len(band) == len(points):
            lows, highs = zip(*band, strict=True)
            axes.fill_between(places, lows, highs, color=BAND, linewidth=0, alpha=None)
        if usual is not None:
            axes.axhline(usual, color=SOFT, linewidth=1.4, linestyle=DOTTED)
        if began is not None:
            begins: Any = datetime.fromtimestamp(began[0], UTC) if by_time else began[1]
            axes.axvline(begins, color=SECOND, linewidth=1.4)
        axes.plot(places, [one.value for one in points], color=FIRST, marker="o", markersize=3.5)
        axes.set_ylabel(axis)
        axes.margins(y=0.12)
        if is_share:
            in_percent(axes.yaxis)
            axes.set_ylim(max(-0.02, axes.get_ylim()[0]), min(1.02, axes.get_ylim()[1]))
        _label_times(axes) if by_time else axes.set_xlabel("images")

    def shown(value: float) -> str:
        return percent(value, digits=1) if is_share else f"{value:.3g}"

    beside = "" if usual is None else f" The reference has {shown(usual)}."
    seen = f"From {shown(points[0].value)} to {shown(points[-1].value)} in {len(points)} parts.{beside}"
    return draw_svg(draw, name=name, title=title, description=seen, size=(2.4, 4.4))


def _label_times(axes: "Axes") -> None:
    from matplotlib import dates

    untyped: Any = dates
    locator = untyped.AutoDateLocator(minticks=3, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(untyped.ConciseDateFormatter(locator))


LEAST_WIDTH = 0.004  # of the whole time: a shorter event would not be seen
MINUTE, HOUR = 60.0, 3_600.0  # seconds
LONG = 3.0  # of a unit: from so many on, the axis counts in it


def draw_event_lanes(lanes: Mapping[str, Sequence[tuple[float, float]]], *, seconds: float) -> str:
    """One lane for each class, the first on top, as SVG.

    Args:
        lanes: class → when it came into view and left, seconds since the source's first frame; at least one.
    """
    unit, word = next(
        ((one, word) for one, word in ((HOUR, "hours"), (MINUTE, "minutes")) if seconds >= LONG * one), (1.0, "seconds")
    )
    whole = max(seconds, 1e-3) / unit

    def draw(axes: "Axes") -> None:
        for place, spans in enumerate(lanes.values()):
            axes.axhspan(-place - 0.36, -place + 0.36, color=BAND, linewidth=0, alpha=0.35)
            bars = [(began / unit, max((ended - began) / unit, LEAST_WIDTH * whole)) for began, ended in spans]
            axes.broken_barh(bars, (-place - 0.36, 0.72), color=FIRST, linewidth=0)
        axes.set_yticks([-place for place in range(len(lanes))], list(lanes))
        axes.set(xlabel=word, xlim=(0, whole), ylim=(-len(lanes) + 0.4, 0.6))
        axes.grid(visible=False, axis="y")

    spoken = "; ".join(f"{label}: {len(spans)} times in view" for label, spans in lanes.items())
    return draw_svg(
        draw,
        name="lanes",
        title="When each class was in view",
        description=f"{spoken}, in {whole:.1f} {word}.",
        size=(0.85 + 0.3 * len(lanes), 4.6),
    )
