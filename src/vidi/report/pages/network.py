"""A network for people: its layers with their maps and filters, a drawing, and what the words mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.figures.network import Slab, draw_network
from vidi.files import write_whole
from vidi.metrics.outputs import SOFTMAX, Outputs
from vidi.model_file.read import ModelFile
from vidi.report.layers import Layer, Maps, choose_pictured, words_needed
from vidi.report.pages.render import render_page
from vidi.report.pictures.thumbnails import Thumbnail, data_uri
from vidi.report.words.text import drawn, rounded

if TYPE_CHECKING:
    from markupsafe import Markup

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
    write_whole(path, render_page("network.html", {"network": network, "name": name}))


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
