"""The learning-rate range test: loss over the rate."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vidi.figures.svg import FIRST, SOFT, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_rate_range(
    rates: Sequence[float], losses: Sequence[float], *, suggested: float | None, name: str = "rates"
) -> str:
    """The smoothed loss over rising learning rates, as SVG; the suggested one is marked.

    Args:
        rates: rising.
        losses: one for each.
        suggested: None where none can be.
        name: unique on the page.
    """

    def draw(axes: "Axes") -> None:
        axes.plot(rates, losses, color=FIRST)
        if suggested is not None:
            axes.axvline(suggested, color=SOFT, linewidth=1, linestyle=(0, (1, 2)))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _position: f"{value:g}")  # its own would be read as mathematics
        axes.xaxis.set_minor_formatter(lambda _value, _position: "")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss")

    falls = "It falls nowhere." if suggested is None else f"It falls fastest at {suggested:g}."
    return draw_svg(draw, name=name, title="loss by learning rate", description=f"The loss as the rate rises. {falls}")
