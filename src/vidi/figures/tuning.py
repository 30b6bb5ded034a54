"""How a search went: the trials in order with the best so far, and which dial mattered."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vidi.figures.svg import FIRST, INK, SECOND, SOFT, draw_svg, legend_above
from vidi.numbers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_search_history(
    numbers: Sequence[int], accuracies: Sequence[float], *, default: float | None = None, name: str = "history"
) -> str:
    """Validation accuracy of each trial that came to its end, and the best so far, as SVG.

    Args:
        numbers: of the trials, ascending.
        accuracies: of each, a share.
        default: that of the default recipe; drawn as a line.
        name: unique on the page.
    """
    from matplotlib.ticker import MaxNLocator

    best = [max(accuracies[: index + 1]) for index in range(len(accuracies))]

    def draw(axes: "Axes") -> None:
        axes.scatter(numbers, accuracies, s=22, color=SECOND, label="trial", zorder=3)
        axes.step(numbers, best, where="post", color=FIRST, label="best so far")
        if default is not None:
            axes.axhline(default, color=SOFT, linewidth=1, linestyle=(0, (1, 2)), label="the default")
        axes.set_xlabel("trial")
        axes.set_ylabel("validation accuracy")
        axes.yaxis.set_major_formatter(lambda value, _position: f"{value * 100:g} %")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(top=min(1.005, axes.get_ylim()[1]))
        legend_above(axes)

    end = f" The best has {percent(best[-1], digits=1)}." if best else ""
    return draw_svg(
        draw,
        name=name,
        title="validation accuracy by trial",
        description=f"{len(numbers)} completed trials, and the best so far.{end}",
    )


def draw_importances(
    names: Sequence[str],
    shares: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    *,
    name: str = "importance",
) -> str:
    """How much of the results' spread each dial explains, with the range over resampled trials, as SVG.

    Args:
        names: of the dials, the most important first.
        shares: of the spread, 0 to 1.
        lows: where the range of each begins.
        highs: where it ends.
        name: unique on the page.
    """

    def draw(axes: "Axes") -> None:
        rows = range(len(names))
        axes.barh(rows, shares, color=FIRST, height=0.55)
        axes.hlines(rows, lows, highs, color=INK, linewidth=1.4)
        axes.set_yticks(rows, list(names))
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("share of the variation explained")
        axes.xaxis.set_major_formatter(lambda value, _position: f"{value * 100:.0f} %")
        axes.set_xlim(0, max(0.05, *highs) * 1.04)

    first = f" {names[0]} explains most, {percent(shares[0])}." if names else ""
    return draw_svg(
        draw,
        name=name,
        title="importance of each setting",
        description=f"{len(names)} settings with the range over resampled trials.{first}",
        size=(0.9 + 0.3 * len(names), 4.5),
    )
