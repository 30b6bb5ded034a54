"""The year as a picture: accuracy month by month, for each way of keeping the model."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vidi.figures.drawing import FIRST, INK, SECOND, SOFT, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WAYS = (  # year, way, colour, line, name
    ("honest", "frozen", SOFT, "-", "never changed"),
    ("honest", "blind", SECOND, "-", "always the newest"),
    ("hostile", "blind", SECOND, "--", "always the newest, hostile source"),
    ("honest", "loop", FIRST, "-", "behind the gate"),
    ("hostile", "loop", FIRST, "--", "behind the gate, hostile source"),
)


def draw_year(found: Mapping[str, Any]) -> str:
    """Five curves with their intervals, as SVG.

    Args:
        found: what the bench wrote.
    """

    def draw(axes: "Axes") -> None:
        for year, way, colour, line, name in WAYS:
            months = range(1, len(found[year][way]) + 1)
            values = [100 * one["value"] for one in found[year][way]]
            axes.fill_between(
                months,
                [100 * one["low"] for one in found[year][way]],
                [100 * one["high"] for one in found[year][way]],
                color=colour,
                alpha=0.12,
                linewidth=0,
            )
            axes.plot(months, values, line, color=colour, label=name)
        axes.axvline(4, color=INK, linewidth=0.8, linestyle=":")
        axes.axvline(7, color=INK, linewidth=0.8, linestyle=":")
        axes.set_xticks(range(1, 13))
        axes.set_xlabel("month (4: drift begins, 7: a new class comes)")
        axes.set_ylabel("accuracy, %")
        axes.legend(loc="lower left")

    last = {(year, way): found[year][way][-1]["value"] for year, way, *_ in WAYS}
    return draw_svg(
        draw,
        name="year",
        title="a simulated year in use",
        description="Accuracy in month 12: "
        + ", ".join(f"{name} {100 * last[year, way]:.1f} %" for year, way, _, _, name in WAYS)
        + ".",
        size=(4.2, 6.4),
    )
