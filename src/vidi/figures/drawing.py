"""Figures for a notebook: one image that shows itself and can be saved."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from vidi.files import write_whole

IN_A_ROW = 3  # more would be too small to read on the width of a notebook
GAP = 12.0  # between two figures, in the units of the drawing


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
        write_whole(Path(path), self.svg + "\n")

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
