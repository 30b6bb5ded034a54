"""A network for people: its layers with their maps and filters, a drawing, and what the words mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from math import log2, sqrt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.files import write_atomic
from vidi.metrics.outputs import SOFTMAX, Outputs
from vidi.model_file.read import ModelFile
from vidi.report.layers import Layer, Maps, choose_pictured, words_needed
from vidi.report.pages.render import render_page
from vidi.report.pictures.thumbnails import Thumbnail, data_uri
from vidi.report.words.text import drawn, rounded

if TYPE_CHECKING:
    from markupsafe import Markup

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


DRAWN_AS = {"convolution": "convolution", "depthwise": "convolution", "pointwise": "convolution", "dense": "dense"}
MAPS_SHOWN = 8
FILTERS_SHOWN = 32
TILE = 64  # pixels a side at least
FILTER_TILE = 40
IN_A_ROW = 16  # filters
MOST_OPEN = 16  # layers that are all shown at once
WIDEST = 1000  # pixels: a page, not a poster
LINE, FILTER_LINE = 128, 255  # grey between two tiles; of filters, where that grey is 0


@dataclass(frozen=True, slots=True)
class ShownLayer:
    """One layer with its pictures."""

    layer: Layer
    weight_share: float  # of all trained numbers
    work_share: float  # of all multiply-adds
    maps: Thumbnail | None
    filters: Thumbnail | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownNetwork:
    """A network as a page shows it."""

    layers: tuple[ShownLayer, ...]
    runs: tuple[tuple[bool, tuple[ShownLayer, ...]], ...]  # the same: whether they stand open, and which
    drawing: "Markup"
    words: tuple[str, ...]  # what the words mean that stand there
    image_size: tuple[int, int]  # (height, width), pixels
    class_count: int
    parameter_count: int
    work: str  # multiply-adds for one image, in words
    is_calibrated: bool  # whether something stands between the last layer and softmax
    outputs: Outputs = SOFTMAX


def show_network(
    layers: Sequence[Layer],
    *,
    image_size: tuple[int, int],
    class_count: int,
    is_calibrated: bool = False,
    outputs: Outputs = SOFTMAX,
    with_filters: bool = True,
) -> ShownNetwork:
    """What a page shows of a network.

    Args:
        layers: from `vidi.report.layers`.
        image_size: (height, width) of what it sees, pixels.
        class_count: how many it tells apart.
        is_calibrated: whether its logits are calibrated.
        outputs: of the model.
        with_filters: False leaves the first layer's filters out.
    """
    work = sum(layer.multiply_adds for layer in layers)
    slabs = [Slab("image", (3, *image_size)), *(Slab(DRAWN_AS.get(one.kind, "other"), one.shape) for one in layers)]
    drawing = draw_network(
        slabs,
        name="network-drawing",
        title="The network, drawn",
        description=f"An image of {image_size[0]} × {image_size[1]} pixels, then {len(layers)} layers: "
        f"{'; '.join(dict.fromkeys(layer.shape_text for layer in layers))}.",
    )
    shown = show_layers(layers, with_filters=with_filters)
    return ShownNetwork(
        layers=shown,
        runs=fold_layers(shown),
        drawing=drawn(drawing),
        words=words_needed([layer.kind for layer in layers], [one for layer in layers for one in layer.operators]),
        image_size=image_size,
        class_count=class_count,
        parameter_count=sum(layer.parameter_count for layer in layers),
        work=rounded(work),
        is_calibrated=is_calibrated,
        outputs=outputs,
    )


def show_model(model: ModelFile, layers: Sequence[Layer], *, with_filters: bool = True) -> ShownNetwork:
    """What a page shows of a model file's network.

    Args:
        model: the file.
        layers: its own, from `describe_layers`.
        with_filters: False leaves the first layer's filters out, which may show what all training images have.
    """
    calibration = model.metadata.calibration
    return show_network(
        layers,
        image_size=model.metadata.framing.size,
        class_count=len(model.metadata.classes),
        is_calibrated=calibration is not None and calibration.method != "none",
        outputs=model.metadata.outputs,
        with_filters=with_filters,
    )


def write_network_page(path: Path, network: ShownNetwork, *, name: str) -> None:
    """Write the page of a network.

    Args:
        path: the HTML file.
        network: what it shows.
        name: what the network is called.

    Raises:
        MissingPackageError: jinja2 is not installed.
        ResourceError: the page cannot be written.
    """
    write_atomic(path, render_page("network.html", {"network": network, "name": name}))


def show_layers(layers: Sequence[Layer], *, with_filters: bool = True) -> tuple[ShownLayer, ...]:
    """The layers with their pictures, as far as they have any.

    Args:
        layers: of one network.
        with_filters: False leaves the first layer's filters out.
    """
    weights = sum(layer.parameter_count for layer in layers) or 1
    work = sum(layer.multiply_adds for layer in layers) or 1
    return tuple(
        ShownLayer(
            layer=layer,
            weight_share=layer.parameter_count / weights,
            work_share=layer.multiply_adds / work,
            maps=None if layer.maps is None else draw_maps(layer.maps),
            filters=None if layer.filters is None or not with_filters else draw_filters(layer.filters),
        )
        for layer in layers
    )


def fold_layers(shown: Sequence[ShownLayer]) -> tuple[tuple[bool, tuple[ShownLayer, ...]], ...]:
    """The layers in runs, each open or folded away: of a long network only the first and last of each stage are open.

    Returns:
        (whether the run is open, its layers), in order; together all layers.
    """
    layers = [one.layer for one in shown]
    stages = set(choose_pictured(layers))
    is_open = [
        len(shown) <= MOST_OPEN or number in stages or not one.layer.has_places for number, one in enumerate(shown)
    ]
    runs = groupby(zip(is_open, shown, strict=True), key=lambda pair: pair[0])
    return tuple((key, tuple(one for _, one in run)) for key, run in runs)


def draw_maps(maps: Maps) -> Thumbnail:
    """The liveliest maps side by side, each stretched from black to white.

    Args:
        maps: (channels, rows, columns).
    """
    chosen = np.sort(np.argsort(-maps.var(axis=(1, 2)), kind="stable")[:MAPS_SHOWN])
    tiles = []
    for values in maps[chosen]:
        low, high = float(values.min()), float(values.max())
        grey = np.zeros_like(values) if high <= low else (values - low) / (high - low) * 255
        tiles.append(_tile(grey.astype(np.uint8), TILE, line=LINE))
    return _sheet(np.concatenate(tiles, axis=1))


def draw_filters(filters: Maps) -> Thumbnail:
    """Filters as small colour pictures, those with the largest weights first, each at full strength; grey is 0.

    Args:
        filters: (filters, 3, rows, columns) weights for red, green and blue.
    """
    order = np.argsort(-np.square(filters).sum(axis=(1, 2, 3)), kind="stable")[:FILTERS_SHOWN]
    shown = filters[order].transpose(0, 2, 3, 1)
    scales = np.maximum(np.abs(shown).max(axis=(1, 2, 3), keepdims=True), np.finfo(np.float32).tiny)
    colours = np.round(128 + 127 * shown / scales).astype(np.uint8)
    tiles = [_tile(one, FILTER_TILE, line=FILTER_LINE) for one in colours]
    across = min(IN_A_ROW, len(tiles))
    tiles += [np.full_like(tiles[0], FILTER_LINE)] * (-len(tiles) % across)
    rows = [np.concatenate(tiles[start : start + across], axis=1) for start in range(0, len(tiles), across)]
    return _sheet(np.concatenate(rows, axis=0))


def _tile(pixels: NDArray[np.uint8], side: int, *, line: int) -> NDArray[np.uint8]:
    """Each number as a square, with a line around."""
    repeat = max(1, side // max(pixels.shape[:2]))
    large = pixels.repeat(repeat, 0).repeat(repeat, 1)
    return np.pad(large, ((1, 1), (1, 1), *([(0, 0)] * (pixels.ndim - 2))), constant_values=line)


def _sheet(pixels: NDArray[np.uint8]) -> Thumbnail:
    sheet = Image.fromarray(pixels)
    if sheet.width > WIDEST:
        size = (WIDEST, max(1, round(sheet.height * WIDEST / sheet.width)))
        sheet = sheet.resize(size, Image.Resampling.BILINEAR)
    return Thumbnail(data_uri(sheet, lossless=False), sheet.width, sheet.height, is_small=True)
