"""A network for people, layer by layer: what each does, what comes out of it, what it costs and sees in one image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from itertools import groupby
from math import log2, prod, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.metrics.outputs import SOFTMAX, Outputs
from vidi.model_file.digests import MEMBERS, MIRRORED, member_count
from vidi.model_file.read import ModelFile
from vidi.numbers import count_of
from vidi.prediction.engines import open_session, run_session
from vidi.report.pages.render import write_page
from vidi.report.pictures.thumbnails import Thumbnail, data_uri
from vidi.report.words.text import drawn, rounded

if TYPE_CHECKING:
    import onnx
    from markupsafe import Markup

    from vidi.model_file.anatomy import Anatomy

Maps = NDArray[np.float32]
MOST_PICTURED = 12  # layers
OWN_PREFIXES = ("vidi.", "evidence", "mean.", "novelty", f"{MIRRORED}.")  # what is not a layer of the network
AFTER = ("logits.",)  # what an ensemble makes of a member's answer
FIRST = f"{MEMBERS}.0."  # of several networks side by side one is shown
STARTS = {"Conv", "Gemm", "MatMul", "SpaceToDepth", "GlobalAveragePool", "ReduceMean", "Flatten"}
Kind = Literal["convolution", "depthwise", "pointwise", "dense", "mean", "grid", "blocks", "row", "other"]
STEPS: Mapping[str, str] = {
    "Relu": "negative values become 0 (ReLU)",
    "Erf": "negative values become nearly 0, with a smooth bend (GELU)",
    "MaxPool": "the largest of each {kernel} is kept (max pooling)",
    "AveragePool": "the mean of each {kernel} is kept (average pooling)",
    "Add": "the input is added (a shortcut)",
    "Clip": "values are limited to a range",
    "Clip to 6": "values are limited to 0 to 6 (ReLU6)",
    "Sigmoid": "values are mapped to 0 to 1",
}
KINDS: Mapping[Kind, str] = {
    "convolution": "Convolution {kernel}",
    "depthwise": "Convolution {kernel}, each map separately",
    "pointwise": "Convolution 1×1: mixes the maps",
    "dense": "Dense layer",
    "mean": "Mean over all positions",
    "grid": "Mean over each region of a grid",
    "blocks": "Blocks of pixels become channels",
    "row": "All numbers in one row",
    "other": "{operator}",
}
OTHER_KINDS: Mapping[str, Kind] = {  # of the operators that are not looked at more closely
    "Gemm": "dense",
    "SpaceToDepth": "blocks",
    "GlobalAveragePool": "mean",
    "ReduceMean": "mean",
    "Flatten": "row",
}
# What each kind does, for a reader who meets it for the first time.
EXPLANATIONS: Mapping[str, str] = {
    "convolution": "A convolution slides a small window of weights, a filter, over all input maps. It gives one "
    "new map for each filter: high wherever the pattern of this filter appears.",
    "depthwise": "Each map has its own small window, and maps are not mixed: a fraction of the work.",
    "pointwise": "A window of 1×1 sees only one position: there it mixes the numbers of all maps into new ones.",
    "dense": "In a dense layer every input number is connected to every output number by its own weight. It "
    "ignores where in the image a number came from, and needs many weights.",
    "mean": "Only the mean of each map is kept: how much of a pattern there is, not where.",
    "grid": "Each map is cut into a few regions, and the mean of each region is kept, so that images of any size fit.",
    "blocks": "Small blocks of pixels are stacked: fewer positions, more numbers at each.",
    "row": "The maps become one long row of numbers for the following dense layers.",
    "relu": "ReLU sets negative numbers to 0. ReLU6 also limits them to 6, and GELU bends smoothly. Without such a "
    "bend, any number of layers could do no more than one.",
    "pooling": "Pooling makes maps smaller by keeping one number of several. A shift by one pixel then hardly "
    "matters, and the next layer sees more of the image at once.",
    "shortcut": "A shortcut adds the input of a layer to its output, so that the layer only needs to learn the change.",
    "multiply-adds": "Multiply-adds are the work: one number times one weight, added to a sum. A convolution has "
    "few weights but uses them at every position. So the first layers often cost most, and the last hold most weights.",
}
STEP_KINDS: Mapping[str, str] = {
    "Relu": "relu",
    "Clip": "relu",
    "Erf": "relu",
    "MaxPool": "pooling",
    "AveragePool": "pooling",
    "Add": "shortcut",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One layer of a network."""

    kind: Kind  # for example `convolution`
    name: str  # for example `Convolution 3×3`
    steps: tuple[str, ...]  # operations on its output, in words
    operators: tuple[str, ...]  # ONNX operators of these steps
    shape: tuple[int, ...]  # of the output for one image: (channels, rows, columns) or (numbers,)
    parameter_count: int  # number of weights
    arithmetic: str  # how the count is computed; empty for a layer without weights
    multiply_adds: int  # for one image
    output: str = field(repr=False)  # name of the output in the graph
    maps: Maps | None = field(default=None, repr=False)  # output for the example (channels, rows, columns)
    filters: Maps | None = field(default=None, repr=False)  # (filters, 3, rows, columns) of the first layer

    @property
    def shape_text(self) -> str:
        """Shape in words, for example `48 maps of 32 × 32`."""
        if not self.shape or min(self.shape) < 1:
            return "of unknown shape"
        if self.has_places:
            return f"{count_of(self.shape[0], 'map')} of {self.shape[1]:,} × {self.shape[2]:,}"
        return count_of(prod(self.shape), "number")

    @property
    def has_places(self) -> bool:
        """Whether the output is maps with more than one position."""
        return _has_places(self.shape)


def describe_layers(model: ModelFile, example: NDArray[np.uint8] | None) -> tuple[Layer, ...]:
    """The layers of a model file in their order; of an ensemble its first network's.

    Args:
        example: (height, width, 3) pixels whose way through the network is shown in the layers' `maps`: of the first
            and last layer of each stage, of all where they are few. None: no maps.
    """
    from vidi.model_file.anatomy import dissect_model, with_outputs  # predicting never needs onnx

    layers = describe_graph(dissect_model(model))
    chosen = choose_pictured(layers)
    if example is None or not chosen:
        return layers
    names = [layers[number].output for number in chosen]
    values = run_session(open_session(with_outputs(model, names)), example[None], names)
    seen = {number: value[0] for number, value in zip(chosen, values, strict=True)}
    return tuple(replace(layer, maps=seen.get(number)) for number, layer in enumerate(layers))


def describe_graph(anatomy: "Anatomy") -> tuple[Layer, ...]:
    """The layers of a network's graph in their order; of an ensemble its first network's."""
    tensors = {tensor.name: tensor for tensor in anatomy.graph.initializer}
    is_ensemble = member_count(tensors) > 1
    groups = list(_grouped(anatomy.graph, FIRST if is_ensemble else ""))
    layers = [_describe(nodes, anatomy, constants=set(tensors)) for nodes in groups]
    if layers and (filters := _first_filters(groups[0], tensors, anatomy)) is not None:
        layers[0] = replace(layers[0], filters=filters)
    return tuple(layers)


def choose_pictured(layers: Sequence[Layer]) -> list[int]:
    """Numbers of the layers whose maps are shown: all where they are few, else first and last of each stage.

    A stage is what lies between two changes of the maps' size.
    """
    places = [number for number, layer in enumerate(layers) if layer.has_places]
    if len(places) <= MOST_PICTURED:
        return places
    sizes = [layers[number].shape[1:] for number in places]
    last = [number for number, size, after in zip(places, sizes, [*sizes[1:], None], strict=True) if size != after]
    return sorted({places[0], *last})[:MOST_PICTURED]


def _grouped(graph: "onnx.GraphProto", prefix: str) -> "Iterator[list[onnx.NodeProto]]":
    """A layer's own node with the steps that follow it, of the network whose names begin with the prefix."""
    group: list[onnx.NodeProto] = []
    for node in graph.node:
        name = node.name.removeprefix(prefix)
        if not node.name.startswith(prefix) or name.startswith((*OWN_PREFIXES, *AFTER)) or name == "probabilities":
            continue
        if node.op_type == "Identity":
            continue
        if node.op_type in STARTS and any(node.op_type != "Flatten" for node in group):
            yield group
            group = []
        group.append(node)
    if group:
        yield group


def _describe(nodes: "list[onnx.NodeProto]", anatomy: "Anatomy", *, constants: set[str]) -> Layer:
    first = next((node for node in nodes if node.op_type != "Flatten"), nodes[0])
    kernel = "×".join(map(str, _numbers(first, "kernel_shape")))
    # A constant that is added is a bias, no shortcut.
    followers = [
        node for node in nodes if node.op_type in STEPS and (node.op_type != "Add" or constants.isdisjoint(node.input))
    ]
    trained = [name for node in nodes for name in node.input if name.endswith((".weight", ".bias"))]
    weight = next((anatomy.shapes[name] for name in trained if name.endswith(".weight")), ())
    kind = _kind(first, weight)
    return Layer(
        kind=kind,
        name=_name(first, kind).format(kernel=kernel, operator=first.op_type),
        steps=tuple(
            STEPS[_step(node)].format(kernel="×".join(map(str, _numbers(node, "kernel_shape")))) for node in followers
        ),
        operators=tuple(node.op_type for node in followers),
        shape=anatomy.shapes.get(nodes[-1].output[0], ()),
        parameter_count=sum(prod(anatomy.shapes[name]) for name in trained),
        arithmetic=_arithmetic(first, weight, trained, anatomy.shapes),
        multiply_adds=sum(_multiply_adds(node, anatomy.shapes) for node in nodes),
        output=nodes[-1].output[0],
    )


def _step(node: "onnx.NodeProto") -> str:
    """The name of a step in `STEPS`."""
    is_relu6 = node.op_type == "Clip" and [name.rpartition(".")[2] for name in node.input[1:]] == ["zero", "six"]
    return "Clip to 6" if is_relu6 else node.op_type


def _kind(node: "onnx.NodeProto", weight: Sequence[int]) -> Kind:
    if node.op_type == "Conv":
        if len(weight) == 4 and weight[1] == 1 and weight[0] > 1 and _number(node, "group") > 1:
            return "depthwise"
        return "pointwise" if _numbers(node, "kernel_shape") == [1, 1] else "convolution"
    if node.op_type == "MatMul":
        return "dense" if weight else "grid"
    return OTHER_KINDS.get(node.op_type, "other")


def _name(node: "onnx.NodeProto", kind: Kind) -> str:
    if node.op_type == "Gemm" and node.output[0].endswith("logits"):
        return "Answer: one number for each class"
    return KINDS[kind] + (", beside the others" if ".shortcut." in node.name else "")


def _arithmetic(
    node: "onnx.NodeProto", weight: Sequence[int], trained: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> str:
    """Where the number of weights comes from; nothing for layers without, or with more than one set of them."""
    if sum(name.endswith(".weight") for name in trained) != 1:
        return ""
    biases = sum(prod(shapes[name]) for name in trained if name.endswith(".bias"))
    added = f" = {prod(weight):,} weights{f', and {biases:,} biases' if biases else ''}"
    if node.op_type == "Conv":
        filters, maps, *window = weight
        return f"{filters:,} filters of {count_of(maps, 'map')} × {' × '.join(map(str, window))}{added}"
    if node.op_type in ("Gemm", "MatMul") and len(weight) == 2:
        # `Gemm` holds its weights the other way round (transB), a `MatMul` as they are multiplied.
        outgoing, incoming = weight if node.op_type == "Gemm" else weight[::-1]
        return f"{incoming:,} numbers in × {outgoing:,} out{added}"
    return ""


def _multiply_adds(node: "onnx.NodeProto", shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Products of two numbers for one image; 0 where the shape is not known."""
    out = shapes.get(node.output[0], ())
    if node.op_type not in ("Conv", "Gemm", "MatMul") or len(node.input) < 2 or not out:
        return 0
    weight = shapes.get(node.input[1], ())
    if node.op_type == "Conv":
        return prod(out) * prod(weight[1:])
    if len(weight) != 2:
        return 0
    return prod(out) * (weight[1] if node.op_type == "Gemm" and _number(node, "transB") else weight[0])


def _numbers(node: "onnx.NodeProto", name: str) -> list[int]:
    return next((list(attribute.ints) for attribute in node.attribute if attribute.name == name), [])


def _number(node: "onnx.NodeProto", name: str) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == name), 0)


def _first_filters(
    nodes: "list[onnx.NodeProto]", tensors: "Mapping[str, onnx.TensorProto]", anatomy: "Anatomy"
) -> Maps | None:
    """What the first layer looks for: (filters, 3, rows, columns) weights; None where that is not pixels."""
    from onnx import numpy_helper

    first = next((node for node in nodes if node.op_type in ("Conv", "Gemm")), None)
    if first is None or first.input[1] not in tensors:
        return None
    weight = np.asarray(numpy_helper.to_array(tensors[first.input[1]]), np.float32)
    if first.op_type == "Conv":
        return weight if weight.shape[1] == 3 else None
    image = next(
        (anatomy.shapes[name] for node in nodes for name in node.input if len(anatomy.shapes.get(name, ())) == 3), ()
    )
    return weight.reshape(len(weight), *image) if image and prod(image) == weight.shape[1] else None


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
Slab = tuple[str, tuple[int, ...]]  # a key of COLOURS; the shape (channels, rows, columns), or (numbers,)


def draw_network(slabs: Sequence[Slab], *, description: str) -> str:
    """Draw the slabs from left to right and return their `<svg>` element; its colours come from the page."""
    largest = max(max(shape[1:], default=1) for _, shape in slabs)
    squeeze = min(1.0, 14 / len(slabs))  # many layers are drawn thinner
    left, shapes = 0.0, []
    for _, stage in groupby(slabs, key=lambda slab: slab[1][1:] if _has_places(slab[1]) else None):
        members, first = list(stage), left
        for slab in members:
            width = max(2.0, squeeze * 3.2 * log2(1 + slab[1][0])) if _has_places(slab[1]) else 7.0
            shapes.append(_draw_slab(slab, left, width, largest))
            left += width + GAP
        left = max(left, first + LEAST_STAGE)
        shapes.append(_words(members[-1], first))
        left += STAGE_GAP
    top = HIGHEST * (1 + SLANT)
    view = f'viewBox="0 0 {left:.0f} {top + WORDS_HEIGHT:.0f}" width="{1.2 * left:.0f}"'
    labels = 'role="img" aria-labelledby="network-drawing-title network-drawing-text"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {view} {labels}><title id="network-drawing-title">'
    texts = f'The network, drawn</title><desc id="network-drawing-text">{escape(description)}</desc>'
    return f'{head}{texts}<g stroke="var(--paper, #ffffff)" stroke-width="0.8">{"".join(shapes)}</g></svg>'


def _has_places(shape: Sequence[int]) -> bool:
    """Whether these are maps with more than one position."""
    return len(shape) == 3 and prod(shape[1:]) > 1


def _draw_slab(slab: Slab, left: float, width: float, largest: int) -> str:
    """A front, a top and a side; a bar for numbers without a place."""
    (kind, shape), base = slab, HIGHEST * (1 + SLANT)
    colour = COLOURS[kind]
    if not _has_places(shape):
        height = min(HIGHEST, LOWEST + 8.0 * log2(1 + (shape[0] if shape else 1)))
        return (
            f'<rect x="{left:.1f}" y="{base - height:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
        )
    # Between the square root, which leaves small maps invisible, and the logarithm, which makes all alike.
    height, depth = (LOWEST + (HIGHEST - LOWEST) * sqrt(side / largest) for side in shape[1:])
    depth *= SLANT
    top, right = base - height, left + width
    shift = depth * 0.55
    front = f"M{left:.1f} {base:.1f}V{top:.1f}H{right:.1f}V{base:.1f}Z"
    lid = f"M{left:.1f} {top:.1f}l{shift:.1f} {-depth:.1f}H{right + shift:.1f}L{right:.1f} {top:.1f}Z"
    side = f"M{right:.1f} {base:.1f}l{shift:.1f} {-depth:.1f}V{top - depth:.1f}L{right:.1f} {top:.1f}Z"
    return "".join(
        f'<path d="{path}" fill="{colour}" fill-opacity="{opacity}"/>'
        for path, opacity in ((side, 0.55), (lid, 0.75), (front, 1))
    )


def _words(slab: Slab, left: float) -> str:
    """What a stage's last slab is, in two short lines."""
    kind, shape = slab
    if _has_places(shape):
        lines = (f"{shape[1]}×{shape[2]}", f"{shape[0]} maps" if kind != "image" else "image")
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
        image_size: (height, width) of what it sees, pixels.
        with_filters: False leaves the first layer's filters out.
    """
    slabs: list[Slab] = [("image", (3, *image_size))]
    slabs += [(DRAWN_AS.get(one.kind, "other"), one.shape) for one in layers]
    outputs_seen = "; ".join(dict.fromkeys(layer.shape_text for layer in layers))
    drawing = draw_network(
        slabs,
        description=f"An image of {image_size[0]} × {image_size[1]} pixels, then {len(layers)} layers: {outputs_seen}.",
    )
    # The explanations of what occurs here, in the order of `EXPLANATIONS`.
    steps = {STEP_KINDS[one] for layer in layers for one in layer.operators if one in STEP_KINDS}
    wanted = {*(layer.kind for layer in layers), *steps, "multiply-adds"}
    shown = show_layers(layers, with_filters=with_filters)
    return ShownNetwork(
        layers=shown,
        runs=fold_layers(shown),
        drawing=drawn(drawing),
        words=tuple(text for name, text in EXPLANATIONS.items() if name in wanted),
        image_size=image_size,
        class_count=class_count,
        parameter_count=sum(layer.parameter_count for layer in layers),
        work=rounded(sum(layer.multiply_adds for layer in layers)),
        is_calibrated=is_calibrated,
        outputs=outputs,
    )


def show_model(model: ModelFile, layers: Sequence[Layer], *, with_filters: bool) -> ShownNetwork:
    """What a page shows of a model file's network.

    Args:
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
    """Write the page of a network; raises like `write_page`."""
    write_page(path, "network.html", {"network": network, "name": name})


def show_layers(layers: Sequence[Layer], *, with_filters: bool) -> tuple[ShownLayer, ...]:
    """The layers with their pictures, as far as they have any.

    Args:
        with_filters: False leaves the first layer's filters out.
    """
    work = sum(layer.multiply_adds for layer in layers) or 1
    return tuple(
        ShownLayer(
            layer=layer,
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
