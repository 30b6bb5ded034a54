"""How right a model stays when its images get worse, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidi.figures.svg import BAND, FIRST, SOFT, draw_svg
from vidi.numbers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Step:
    """One point of a curve."""

    label: str  # the strength, as the axis says it
    value: float
    low: float
    high: float


def draw_robustness(steps: Sequence[Step], *, clean: int, axis: str, lowest: float, title: str, name: str) -> str:
    """Accuracy over the strength of one change, with its band, as SVG.

    Args:
        steps: from the strongest change one way, over the image as it is, to the strongest the other way; or from
            the image as it is on.
        clean: index of the step in which the image is as it is; a dotted line marks it.
        axis: what the strengths are.
        lowest: where the axis of the accuracy begins, the same for all figures that are compared.
        title: what is changed.
        name: unique on the page.
    """
    places = list(range(len(steps)))

    def draw(axes: "Axes") -> None:
        axes.fill_between(
            places, [step.low for step in steps], [step.high for step in steps], color=BAND, linewidth=0, alpha=None
        )
        axes.axvline(clean, color=SOFT, linewidth=1, linestyle=(0, (1, 2)))
        axes.plot(places, [step.value for step in steps], color=FIRST, marker="o", markersize=4)
        axes.set_ylim(lowest, 1.01)
        axes.yaxis.set_major_formatter(lambda value, _position: f"{value * 100:g} %")
        # Of many steps the strongest, the middle ones and the image as it is are named: there is no room for more.
        shown = [place for place in places if len(steps) <= 6 or abs(place - clean) in (0, 3, 5)]
        axes.set_xticks(shown, [steps[place].label for place in shown])
        axes.set_xlabel(axis)

    worst = min(steps, key=lambda step: step.value)
    return draw_svg(
        draw,
        name=name,
        title=f"Accuracy by {title.lower()}",
        description=f"As they are {percent(steps[clean].value)} of the images are classified correctly; at worst "
        f"{percent(worst.value)}, at {worst.label}.",
        size=(2.5, 3.5),
    )
