"""The curves as a picture: accuracy over the number of labels, for each choice."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vidi.figures.drawing import FIRST, SECOND, SOFT, draw_svg, side_by_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES: Mapping[str, tuple[str, str]] = {"random": (SOFT, "--"), "ActiveLab": (SECOND, "-."), "vidi": (FIRST, "-")}
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "choose.svg"


def draw_curves(found: Mapping[str, Any]) -> str:
    """The mean curve of each choice, and all seeds as a band, as SVG.

    Args:
        found: what the bench wrote about one set.
    """

    def draw(axes: "Axes") -> None:
        for name, (colour, line) in LINES.items():
            rows = 100 * np.array(found["curves"][name])
            axes.fill_between(
                found["labels"], rows.min(axis=0), rows.max(axis=0), color=colour, alpha=0.12, linewidth=0
            )
            axes.plot(found["labels"], rows.mean(axis=0), line, color=colour, label=name)
        axes.set_xlabel(f"labels ({found['set']})")
        axes.set_ylabel("accuracy, %")
        axes.legend(loc="lower right")

    ends = {name: float(np.mean(found["curves"][name], axis=0)[-1]) for name in LINES}
    return draw_svg(
        draw,
        name=f"choose-{found['set']}",
        title=f"{found['set']}: accuracy by number of labels",
        description="At the end: " + ", ".join(f"{name} {100 * end:.1f} %" for name, end in ends.items()) + ".",
        size=(3.4, 4.6),
    )


def write_picture(found: Sequence[Mapping[str, Any]]) -> None:
    """Write the curves of the sets beside each other into the docs."""
    side_by_side([draw_curves(one) for one in found]).save(PICTURE)


if __name__ == "__main__":
    import json

    write_picture([json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:]])
