"""A network as a row of slabs: as high as its maps are large, as thick as there are maps; numbers as thin bars."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from math import log2, sqrt

GAP, STAGE_GAP = 3.0, 16.0  # units between two slabs, and where the maps' size changes
LEAST_STAGE = 58.0  # units: room for two words below
HIGHEST, LOWEST = 118.0, 12.0
SLANT = 0.32  # of a slab's height, for its depth
WORDS_HEIGHT = 34.0
COLOURS = {
    "image": "var(--soft, #808080)",
    "convolution": "var(--first, #1b8a94)",
    "dense": "var(--second, #d0652f)",
    "other": "var(--soft, #808080)",
}


@dataclass(frozen=True, slots=True)
class Slab:
    """What comes out of one layer."""

    kind: str  # a key of COLOURS
    shape: tuple[int, ...]  # (channels, rows, columns), or (numbers,)


def draw_network(slabs: Sequence[Slab], *, name: str, title: str, description: str) -> str:
    """Draw the slabs from left to right and return their `<svg>` element; its colours come from the page.

    Args:
        slabs: the image, then what comes out of each layer.
        name: unique on the page; the ids inside the SVG start with it.
        title: what the figure shows, for those who hear it.
        description: what can be seen, for those who hear it.
    """
    largest = max(max(slab.shape[1:], default=1) for slab in slabs)
    squeeze = min(1.0, 14 / len(slabs))  # many layers are drawn thinner
    left, shapes = 0.0, []
    for _, stage in groupby(slabs, key=lambda slab: slab.shape[1:] if _has_places(slab) else None):
        members, first = list(stage), left
        for slab in members:
            width = _thickness(slab, squeeze)
            shapes.append(_slab(slab, left, width, largest))
            left += width + GAP
        left = max(left, first + LEAST_STAGE)
        shapes.append(_words(members, first))
        left += STAGE_GAP
    top = HIGHEST * (1 + SLANT)
    view = f'viewBox="0 0 {left:.0f} {top + WORDS_HEIGHT:.0f}" width="{1.2 * left:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {view} role="img" aria-labelledby="{name}-title {name}-text">'
    texts = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-text">{escape(description)}</desc>'
    return f'{head}{texts}<g stroke="var(--paper, #ffffff)" stroke-width="0.8">{"".join(shapes)}</g></svg>'


def _has_places(slab: Slab) -> bool:
    return len(slab.shape) == 3 and slab.shape[1] * slab.shape[2] > 1


def _thickness(slab: Slab, squeeze: float) -> float:
    if not _has_places(slab):
        return 7.0
    return max(2.0, squeeze * 3.2 * log2(1 + slab.shape[0]))


def _slab(slab: Slab, left: float, width: float, largest: int) -> str:
    """A front, a top and a side; a bar for numbers without a place."""
    base, colour = HIGHEST * (1 + SLANT), COLOURS[slab.kind]
    if not _has_places(slab):
        count = slab.shape[0] if slab.shape else 1
        height = min(HIGHEST, LOWEST + 8.0 * log2(1 + count))
        return (
            f'<rect x="{left:.1f}" y="{base - height:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
        )
    rows, columns = slab.shape[1:]
    height, depth = _length(rows, largest), SLANT * _length(columns, largest)
    top, right = base - height, left + width
    shift = depth * 0.55
    front = f"M{left:.1f} {base:.1f}V{top:.1f}H{right:.1f}V{base:.1f}Z"
    lid = f"M{left:.1f} {top:.1f}l{shift:.1f} {-depth:.1f}H{right + shift:.1f}L{right:.1f} {top:.1f}Z"
    side = f"M{right:.1f} {base:.1f}l{shift:.1f} {-depth:.1f}V{top - depth:.1f}L{right:.1f} {top:.1f}Z"
    return "".join(
        f'<path d="{path}" fill="{colour}" fill-opacity="{opacity}"/>'
        for path, opacity in ((side, 0.55), (lid, 0.75), (front, 1))
    )


def _length(side: int, largest: int) -> float:
    """Between the square root, which leaves small maps invisible, and the logarithm, which makes all alike."""
    return LOWEST + (HIGHEST - LOWEST) * sqrt(side / largest)


def _words(members: Sequence[Slab], left: float) -> str:
    """What a stage's last slab is, in two short lines."""
    shape = members[-1].shape
    if _has_places(members[-1]):
        lines = (f"{shape[1]}×{shape[2]}", f"{shape[0]} maps" if members[-1].kind != "image" else "image")
    else:
        lines = (f"{shape[0] if shape else '?'}", "numbers")
    base = HIGHEST * (1 + SLANT)
    look = 'font-size="11.5" fill="var(--ink, #808080)" stroke="none"'
    return "".join(
        f'<text x="{left:.1f}" y="{base + 14 + 14 * row:.1f}" {look}>{escape(line)}</text>'
        for row, line in enumerate(lines)
    )
