"""A matplotlib figure as pixels, for places that show no SVG."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import from_extra
from vidi.figures.svg import BAND, FIRST, INK, LINE, SECOND, SETTINGS, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 144  # twice the units of an SVG
ON_WHITE: Mapping[str, str] = {
    INK: "#202020",
    SOFT: "#606060",
    LINE: "#d8d8d8",
    FIRST: "#1b8a94",
    SECOND: "#d0652f",
    BAND: "#d1e8ea",
}


def draw_pixels(draw: Callable[["Axes"], None], *, size: tuple[float, float] = (3.1, 4.5)) -> NDArray[np.uint8]:
    """Draw one pair of axes on white; (height, width, 3) uint8, RGB.

    Args:
        draw: puts the content on the axes, in the stand-in colours of `vidi.figures.svg`.
        size: (height, width) in inches.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    with from_extra("figures need matplotlib", extra="report"):
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    settings: dict[Any, Any] = {name: ON_WHITE.get(value, value) for name, value in SETTINGS.items() if _is_text(value)}
    with matplotlib.rc_context({**SETTINGS, **settings}):
        figure = Figure(figsize=(size[1], size[0]), dpi=DOTS_PER_INCH, layout="constrained", facecolor="white")
        canvas = FigureCanvasAgg(figure)
        draw(figure.add_subplot())
        _put_on_white(figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])  # type: ignore[no-untyped-call]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _put_on_white(figure: "Figure") -> None:
    """Replace the stand-in colours of lines, areas and texts by ones for white paper."""
    from matplotlib.collections import Collection
    from matplotlib.colors import to_hex
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text

    def on_white(colour: Any) -> Any:
        return ON_WHITE.get(to_hex(colour), colour)

    for artist in figure.findobj():
        if isinstance(artist, Line2D | Text):
            artist.set_color(on_white(artist.get_color()))
        elif isinstance(artist, Patch):
            artist.set_facecolor(on_white(artist.get_facecolor()))
        elif isinstance(artist, Collection):
            artist.set_facecolor([on_white(colour) for colour in np.atleast_2d(np.asarray(artist.get_facecolor()))])
