"""Stated confidence against observed accuracy, and accuracy against the share of images that are answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidi.figures.svg import BAND, FIRST, SECOND, SOFT, draw_svg, legend_above
from vidi.numbers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST = 20  # answers whose error rate is drawn: among fewer, one mistake moves it by over 5 points


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


def draw_risk_coverage(
    answered: Sequence[float],
    risk: Sequence[float],
    *,
    images: int,
    sure: tuple[float, float] | None,
    max_error: float,
    name: str = "risk-coverage",
) -> str:
    """The risk-coverage curve as SVG, with the sure answers marked.

    Args:
        answered: share of the images that get an answer, rising; the most confident ones first.
        risk: share of these answers that is wrong.
        images: number of all test images; the curve begins at `FEWEST` of them, or at half of few.
        sure: (share of the images, share of wrong ones) of the answers called sure; None where none is.
        max_error: what was promised of these; a dashed line.
        name: unique on the page.
    """
    begin = min(FEWEST, images // 2) / images
    shown = [(share, wrong) for share, wrong in zip(answered, risk, strict=True) if share >= begin]
    highest = max([*(wrong for _, wrong in shown), 0.0 if sure is None else sure[1]])

    def draw(axes: "Axes") -> None:
        axes.axhline(max_error, color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label="guaranteed")
        axes.plot(*zip(*shown, strict=True), color=FIRST, label="this model")
        if sure is not None:
            axes.plot(*sure, color=SECOND, linestyle="none", marker="o", markersize=7, label="sure answers")
        axes.set_xlim(0, 1.01)
        axes.set_ylim(0, max(1.15 * highest, 1.6 * max_error))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _position: f"{value * 100:g} %")
        axes.set_xlabel("images answered, most confident first")
        axes.set_ylabel("error rate")
        legend_above(axes)

    marked = (
        "no answer is called sure"
        if sure is None
        else f"the {percent(sure[0])} called sure are wrong {percent(sure[1], digits=1)} of the time"
    )
    return draw_svg(
        draw,
        name=name,
        title="Error rate by share of answered images",
        description=f"Answering all images, {percent(risk[-1], digits=1)} are wrong; {marked}.",
        size=(3.9, 4.5),
    )
