"""The network layer by layer: what each does, what comes out of it, what it costs, and what it sees in one image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from vidi.model_file.digests import MEMBERS, MIRRORED, member_count
from vidi.model_file.read import ModelFile
from vidi.prediction.engines import open_session, run_session

if TYPE_CHECKING:
    import onnx

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
        return shape_in_words(self.shape)

    @property
    def has_places(self) -> bool:
        """Whether the output is maps with more than one position."""
        return len(self.shape) == 3 and prod(self.shape[1:]) > 1


def describe_layers(model: ModelFile, example: NDArray[np.uint8] | None) -> tuple[Layer, ...]:
    """The layers of a model file in their order; of an ensemble its first network's.

    Args:
        model: a model file that passed its checks.
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
        if node.op_type in STARTS and group and not _only_reshapes(group):
            yield group
            group = []
        group.append(node)
    if group:
        yield group


def _only_reshapes(group: "list[onnx.NodeProto]") -> bool:
    """Whether the group does nothing yet that deserves a line of its own."""
    return all(node.op_type == "Flatten" for node in group)


def _describe(nodes: "list[onnx.NodeProto]", anatomy: "Anatomy", *, constants: set[str]) -> Layer:
    first = next((node for node in nodes if node.op_type != "Flatten"), nodes[0])
    kernel = "×".join(map(str, _numbers(first, "kernel_shape")))
    # A constant that is added is a bias, no shortcut.
    followers = [
        node for node in nodes if node.op_type in STEPS and (node.op_type != "Add" or constants.isdisjoint(node.input))
    ]
    trained = [name for node in nodes for name in node.input if _is_trained(name)]
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


def _is_trained(name: str) -> bool:
    return name.endswith((".weight", ".bias"))


def _kind(node: "onnx.NodeProto", weight: Sequence[int]) -> Kind:
    if node.op_type == "Conv":
        if len(weight) == 4 and weight[1] == 1 and weight[0] > 1 and _number(node, "group") > 1:
            return "depthwise"
        return "pointwise" if _numbers(node, "kernel_shape") == [1, 1] else "convolution"
    if node.op_type == "MatMul":
        return "dense" if weight else "grid"
    kinds: Mapping[str, Kind] = {
        "Gemm": "dense",
        "SpaceToDepth": "blocks",
        "GlobalAveragePool": "mean",
        "ReduceMean": "mean",
        "Flatten": "row",
    }
    return kinds.get(node.op_type, "other")


def _name(node: "onnx.NodeProto", kind: Kind) -> str:
    if node.op_type == "Gemm" and node.output[0].endswith("logits"):
        return "Answer: one number for each class"
    beside = ", beside the others" if ".shortcut." in node.name else ""
    return KINDS[kind] + beside


def _arithmetic(
    node: "onnx.NodeProto", weight: Sequence[int], trained: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> str:
    """Where the number of weights comes from; nothing for layers without, or with more than one set of them."""
    if sum(name.endswith(".weight") for name in trained) != 1:
        return ""
    biases = sum(prod(shapes[name]) for name in trained if name.endswith(".bias"))
    if node.op_type == "Conv":
        return convolution_arithmetic(weight, biases=biases)
    if node.op_type in ("Gemm", "MatMul") and len(weight) == 2:
        # `Gemm` holds its weights the other way round (transB), a `MatMul` as they are multiplied.
        outgoing, incoming = weight if node.op_type == "Gemm" else weight[::-1]
        return dense_arithmetic(incoming, outgoing, biases=biases)
    return ""


def _multiply_adds(node: "onnx.NodeProto", shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Products of two numbers for one image; 0 where the shape is not known."""
    out = shapes.get(node.output[0], ())
    if node.op_type not in ("Conv", "Gemm", "MatMul") or len(node.input) < 2 or not out:
        return 0
    weight = shapes.get(node.input[1], ())
    return prod(out) * (prod(weight[1:]) if node.op_type == "Conv" else _inner(node, weight))


def _inner(node: "onnx.NodeProto", weight: Sequence[int]) -> int:
    """How many numbers a dense layer adds up for each that it gives."""
    if len(weight) != 2:
        return 0
    return weight[1] if node.op_type == "Gemm" and _number(node, "transB") else weight[0]


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


def words_needed(kinds: Sequence[Kind], operators: Sequence[str]) -> tuple[str, ...]:
    """The explanations of what occurs in a network, in the order of `EXPLANATIONS`.

    Args:
        kinds: of its layers.
        operators: of the steps after its layers.
    """
    wanted = {*kinds, *(STEP_KINDS[one] for one in operators if one in STEP_KINDS), "multiply-adds"}
    return tuple(text for name, text in EXPLANATIONS.items() if name in wanted)


def convolution_arithmetic(weight: Sequence[int], *, biases: int) -> str:
    """Where the number of a convolution's weights comes from.

    >>> convolution_arithmetic((32, 3, 3, 3), biases=32)
    '32 filters of 3 maps × 3 × 3 = 864 weights, and 32 biases'
    """
    filters, maps, *window = weight
    count = prod(weight)
    return f"{filters:,} filters of {_maps(maps)} × {' × '.join(map(str, window))} = {count:,} weights{_added(biases)}"


def dense_arithmetic(incoming: int, outgoing: int, *, biases: int) -> str:
    """Where the number of a dense layer's weights comes from.

    >>> dense_arithmetic(256, 64, biases=64)
    '256 numbers in × 64 out = 16,384 weights, and 64 biases'
    """
    return f"{incoming:,} numbers in × {outgoing:,} out = {incoming * outgoing:,} weights{_added(biases)}"


def _maps(count: int) -> str:
    return "1 map" if count == 1 else f"{count:,} maps"


def _added(biases: int) -> str:
    return f", and {biases:,} biases" if biases else ""


def shape_in_words(shape: Sequence[int]) -> str:
    """What comes out of a layer for one image.

    >>> shape_in_words((48, 32, 32)), shape_in_words((64,)), shape_in_words(())
    ('48 maps of 32 × 32', '64 numbers', 'of unknown shape')
    """
    if not shape or min(shape) < 1:
        return "of unknown shape"
    if len(shape) == 3 and prod(shape[1:]) > 1:
        return f"{shape[0]:,} map{'s' * (shape[0] > 1)} of {shape[1]:,} × {shape[2]:,}"
    return f"{prod(shape):,} number{'s' * (prod(shape) > 1)}"
