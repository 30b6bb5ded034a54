"""Stated confidence against observed accuracy, and what a perfect model would show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidi.figures.svg import BAND, FIRST, SOFT, draw_svg, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Reliability:
    """One bin of images of like confidence."""

    confidence: float
    accuracy: float
    image_count: int
    perfect_low: float  # where a perfectly calibrated model's accuracy lies in 95 of 100 cases
    perfect_high: float


def draw_reliability(bins: Sequence[Reliability], *, name: str = "reliability") -> str:
    """The reliability diagram as SVG: a point for each bin, and the band of a perfect model.

    Args:
        bins: least confident first.
        name: unique on the page.
    """
    outside = sum(not one.perfect_low <= one.accuracy <= one.perfect_high for one in bins)
    return draw_svg(
        plot_reliability(bins),
        name=name,
        title="Reliability: confidence and accuracy",
        description=f"{len(bins)} groups of images by confidence; {outside} of them lie outside the band in which a "
        "perfectly calibrated model would lie in 95 of 100 cases.",
        size=(3.9, 4.5),
    )


def plot_reliability(bins: Sequence[Reliability]) -> Callable[["Axes"], None]:
    """What `draw_reliability` puts on its axes."""

    def draw(axes: "Axes") -> None:
        confidence = [one.confidence for one in bins]
        least = min([*confidence, *(one.accuracy for one in bins), *(one.perfect_low for one in bins), 0.9])
        start = max(0.0, least - 0.05)
        axes.fill_between(
            confidence,
            [one.perfect_low for one in bins],
            [one.perfect_high for one in bins],
            color=BAND,
            linewidth=0,
            label="perfectly calibrated, 95 %",
        )
        axes.plot([start, 1], [start, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
        axes.plot(confidence, [one.accuracy for one in bins], color=FIRST, marker="o", markersize=5, label="this model")
        axes.set_xlim(start, 1.01)
        axes.set_ylim(start, 1.02)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _position: f"{value * 100:.0f} %")
        axes.set_xlabel("confidence")
        axes.set_ylabel("accuracy")
        legend_above(axes)

    return draw
