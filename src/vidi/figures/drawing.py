"""Figures by matplotlib: as SVG, the same every time and in the colours of its page, or for a notebook."""

import base64
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidi.errors import from_extra
from vidi.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

IN_A_ROW = 3  # more would be too small to read on the width of a notebook
GAP = 12.0  # between two figures, in the units of the drawing
# Stand-ins that no figure uses otherwise. Each becomes a variable of the page's style; where there is no page, the
# colour after it, which can be read on white and on black.
INK, SOFT, LINE = "#010203", "#010204", "#010205"
FIRST, SECOND, BAND = "#010206", "#010207", "#010208"
_VARIABLES: Mapping[str, str] = {
    INK: "var(--ink, #808080)",
    SOFT: "var(--soft, #808080)",
    LINE: "var(--line, #a0a0a0)",
    FIRST: "var(--first, #1b8a94)",
    SECOND: "var(--second, #d0652f)",
    BAND: "var(--band, #1b8a9440)",
}
SETTINGS: Mapping[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, found, and uses the page's font
    "text.parse_math": False,  # a class may be called `$x$`
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same widths everywhere
    "font.size": 11.5,
    "axes.titlesize": 12.5,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": "cycler('color', ['#010206', '#010207'])",
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 11,
}
LONGEST_NAME = 26  # signs
DASHED, DOTTED = (0, (4, 3)), (0, (1, 2))  # of a line


@dataclass(frozen=True, slots=True)
class Drawing:
    """One SVG; a notebook shows it when it is the last value of a cell."""

    svg: str = field(repr=False)
    text: str  # what can be seen, for those who hear it

    def save(self, path: Path | str) -> None:
        """Write the figure as an SVG file.

        Raises:
            ResourceError: it cannot be written.
        """
        write_atomic(Path(path), self.svg + "\n")

    def _repr_html_(self) -> str:
        # As an image, not inline: the ids of one figure never meet those of another cell.
        data = base64.b64encode(self.svg.encode()).decode("ascii")
        return f'<img alt="{escape(self.text)}" src="data:image/svg+xml;base64,{data}" style="max-width:100%">'


def side_by_side(figures: Sequence[str]) -> Drawing:
    """Figures from this folder, each an `<svg>` element, three in a row; their names must differ.

    >>> one = '<svg viewBox="0 0 30 20"><title>a</title></svg>'
    >>> side_by_side([one, one]).svg[:70]
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 20" width="72"'
    """
    left, top, bottom, right, parts = 0.0, 0.0, 0.0, 0.0, []
    for number, svg in enumerate(figures):
        box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
        if box is None:
            raise ValueError("a figure needs a viewBox that begins at 0 0")
        own_width, own_height = float(box.group(1)), float(box.group(2))
        if number and number % IN_A_ROW == 0:
            left, top = 0.0, bottom + GAP
        elif number:
            left += GAP
        place = f'<svg x="{left:g}" y="{top:g}" width="{own_width:g}" height="{own_height:g}" '
        parts.append(svg.replace("<svg ", place, 1))
        left += own_width
        right, bottom = max(right, left), max(bottom, top + own_height)
    # There is no page here whose colours could be taken: each variable's stand-in serves on white and on black.
    content = re.sub(r"var\(--\w+, (#\w+)\)", r"\1", "".join(parts))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right:g} {bottom:g}" width="{right:g}" '
        f'height="{bottom:g}" font-family="system-ui, sans-serif">'
    )
    titles = [title for svg in figures for title in re.findall(r"<title[^>]*>(.*?)</title>", svg)]
    return Drawing(f"{head}{content}</svg>", "; ".join(titles))


def draw_svg(
    draw: Callable[["Axes"], None],
    *,
    name: str,
    title: str,
    description: str,
    size: tuple[float, float] = (3.1, 4.5),
    texts: Mapping[str, str] | None = None,
) -> str:
    """Draw one pair of axes and return its `<svg>` element, ready to stand in a page.

    Args:
        name: unique on the page; the ids inside the SVG start with it.
        title: what the figure shows, for those who hear it.
        description: what can be seen, in a sentence or two, for those who hear it.
        size: (height, width) in inches of 72 units.
        texts: stand-in → text of the user's. What may be in any script is drawn as a stand-in, since matplotlib warns
            of letters that its own font lacks; the page's font has them.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    with from_extra("figures need matplotlib", extra="report"):
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    stream = io.StringIO()
    # The settings hold for this block only; no global state of matplotlib is changed, and pyplot is not used.
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": name}):
        figure = Figure(figsize=(size[1], size[0]), dpi=72, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        if (layout := figure.get_layout_engine()) is not None:
            layout.execute(figure)
        figure.set_layout_engine(None)  # saving lays out by drawing everything once more than it needs
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = _for_page(stream.getvalue(), name=name, title=title, description=description)
    for stand_in, text in (texts or {}).items():
        svg = svg.replace(stand_in, _escape(text))
    return svg


def legend_above(axes: "Axes", *, columns: int = 3) -> None:
    """Name the curves above the only axes of a figure, where none of them runs, in this number of columns."""
    handles, labels = axes.get_legend_handles_labels()
    axes.figure.legend(handles, labels, loc="outside upper left", ncols=columns, handlelength=1.5, columnspacing=1.2)


def in_percent(*axes: "Axis", form: str = "g") -> None:
    """Write the shares on these axes in percent."""
    for axis in axes:
        axis.set_major_formatter(lambda value, _position: f"{100 * value:{form}} %")


def name_rows(axes: "Axes", names: Iterable[str]) -> None:
    """Rows from top to bottom with their names, and no lines across."""
    axes.set_yticks(*zip(*enumerate(names), strict=True))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")


def stand_ins(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """Names of rows by what is drawn in their place (`texts` of `draw_svg`): as long, so that there is room."""
    cut = [cut_name(name) for name in names]
    return {f"{prefix}-{number:02}-".ljust(len(text) + 2, "x"): text for number, text in enumerate(cut)}


def _for_page(svg: str, *, name: str, title: str, description: str) -> str:
    """Without header, metadata and style sheet; with a name and a description; ids that no other figure has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, variable)
    svg = svg.replace("font-family: 'DejaVu Sans'", "font-family: inherit")
    svg = re.sub(r"\s*\n\s*", " ", svg).replace("> <", "><")
    opening = svg.index(">") + 1
    view = re.search(r'viewBox="[^"]*"', svg)
    view_box = view.group(0) if view else ""
    labels = f'role="img" aria-labelledby="{name}-title {name}-text"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {view_box} {labels}>'
    texts = f'<title id="{name}-title">{_escape(title)}</title><desc id="{name}-text">{_escape(description)}</desc>'
    return f"{head}{texts}{svg[opening:]}".strip()


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut_name(name: str, *, longest: int = LONGEST_NAME) -> str:
    """A name as a figure has room for it.

    >>> cut_name("a very long name of a class", longest=6)
    'a very…'
    """
    return name if len(name) <= longest else f"{name[:longest]}…"
