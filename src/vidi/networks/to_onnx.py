"""A trained network as an ONNX graph, written node by node: what was trained is what the file says."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from vidi.errors import ModelError
from vidi.model_file.digests import MEMBERS, MIRRORED
from vidi.model_file.walk import MOST_EVIDENCE_CLASSES
from vidi.networks.backbone import Backbone
from vidi.networks.compact import Whitening
from vidi.networks.exported import export_body
from vidi.networks.layers import (
    Activation,
    Classifier,
    ConcatenateMaps,
    ConvNorm,
    GlobalMean,
    GridMean,
    Inner,
    MirrorPad,
    Parallel,
    Residual,
)
from vidi.networks.side_by_side import Ensemble, Network, members_of, side_by_side
from vidi.networks.vit import HEADS, WIDTH, Attention, Layer, VisionTransformer

Attributes = Mapping[str, int | float | list[int]]
FAR_BEFORE = -(1 << 20)  # a place before the first column: more than any image has, and no more than readers allow
POOLING: Attributes = {"kernel_shape": [2, 2], "strides": [2, 2]}
PLAIN: Mapping[type[nn.Module], tuple[str, Attributes]] = {
    nn.AvgPool2d: ("AveragePool", POOLING),
    nn.ReLU: ("Relu", {}),
    nn.Flatten: ("Flatten", {}),
}


class GraphWriter:
    """The nodes and tensors of a graph that is being written."""

    def __init__(self, image_size: tuple[int, int]) -> None:
        self.image_size = image_size  # (height, width), pixels
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: list[str], *, output: str, attributes: Attributes | None = None) -> str:
        """One node; its output's name is also the node's."""
        node = helper.make_node(operator, inputs, [output], name=output)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in (attributes or {}).items())
        self.nodes.append(node)
        return output

    def split(self, value: str, outputs: list[str], *, axis: int = 0) -> None:
        """A batch, or another axis, in as many equal parts."""
        node = helper.make_node("Split", [value], outputs, name=outputs[0], axis=axis, num_outputs=len(outputs))
        self.nodes.append(node)

    def tensor(self, name: str, values: NDArray[np.generic]) -> str:
        """A constant of the graph."""
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        """A constant that several nodes share, written once."""
        known = any(tensor.name == name for tensor in self.tensors)
        return name if known else self.tensor(name, values)


def to_onnx(network: Network, image_size: tuple[int, int]) -> onnx.GraphProto:
    """The network as a graph of standard operators (opset 18), batch normalisation folded into the convolutions.

    Input `inputs` is float32 (batch, 3, height, width), already normalised. Outputs are `logits` (batch, classes),
    `embedding` (batch, features) and, where the network pools globally and has at most 200 classes, `evidence`
    (batch, classes, rows, columns), whose mean over the regions is the logit. Trained tensors are initialisers under
    the layers' names. Of an ensemble, the members' graphs stand side by side: see `side_by_side`.

    Raises:
        ModelError: the network holds a layer that has no translation.
    """
    if isinstance(network, Ensemble):
        graphs = [to_onnx(member, image_size) for member in members_of(network)]
        return side_by_side(graphs, prefix=MEMBERS, outputs=network.outputs)
    return _one_network(network, image_size)


def _one_network(network: Classifier, image_size: tuple[int, int]) -> onnx.GraphProto:
    graph = GraphWriter(image_size)
    value, regions = "inputs", ""
    if network.both_ways:
        mirrored = _reversed(graph, value, f"{MIRRORED}.inputs")
        value = graph.add("Concat", [value, mirrored], output=f"{MIRRORED}.beside", attributes={"axis": 0})
    joining = network.layers if isinstance(network.layers, ConcatenateMaps) else None
    maps: list[str] = []
    for number, (name, layer) in enumerate(network.layers.named_children()):
        if isinstance(layer, GlobalMean):
            value = regions = value if joining is None else _joined(graph, value, maps, joining, "joined")
        value = _translate(graph, layer, value, f"layers.{name}")
        if joining is not None and number in joining.joined:
            maps.append(value)
    if network.both_ways:
        _mean_of_halves(graph, value, name=f"{MIRRORED}.embedding", is_map=False)
    graph.nodes[-1].output[0] = "embedding"
    weight, bias = _array(network.head.weight), _array(network.head.bias)
    graph.tensor("head.weight", weight)
    graph.tensor("head.bias", bias)
    graph.add("Gemm", ["embedding", "head.weight", "head.bias"], output="logits", attributes={"transB": 1})
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", weight.shape[0]]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", weight.shape[1]]),
    ]
    if regions and weight.shape[0] <= MOST_EVIDENCE_CLASSES:
        if network.both_ways:
            regions = _mean_of_halves(graph, regions, name=f"{MIRRORED}.regions", is_map=True)
        graph.tensor("evidence.shape", np.array([*weight.shape, 1, 1], np.int64))
        graph.add("Reshape", ["head.weight", "evidence.shape"], output="evidence.weight")
        graph.add(
            "Conv", [regions, "evidence.weight", "head.bias"], output="evidence", attributes={"kernel_shape": [1, 1]}
        )
        shape = ["batch", weight.shape[0], *_region_count(network, image_size)]
        outputs.append(helper.make_tensor_value_info("evidence", TensorProto.FLOAT, shape))
    inputs = [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["batch", 3, *image_size])]
    return helper.make_graph(graph.nodes, "network", inputs, outputs, graph.tensors)


def _joined(graph: GraphWriter, value: str, maps: list[str], layer: ConcatenateMaps, name: str) -> str:
    """The last map with those of earlier layers beside it."""
    beside = graph.add("Concat", maps, output=f"{name}.maps", attributes={"axis": 1})
    scale = graph.tensor(f"{name}.scale", np.array(layer.scale, np.float32))
    scaled = graph.add("Mul", [beside, scale], output=f"{name}.scaled")
    return graph.add("Concat", [value, scaled], output=name, attributes={"axis": 1})


def _reversed(graph: GraphWriter, value: str, name: str) -> str:
    """The columns from right to left."""
    numbers = {"from": -1, "to": FAR_BEFORE, "across": 3, "backwards": -1}
    names = [graph.constant(f"{MIRRORED}.{key}", np.array([number], np.int64)) for key, number in numbers.items()]
    return graph.add("Slice", [value, *names], output=name)


def _mean_of_halves(graph: GraphWriter, value: str, *, name: str, is_map: bool) -> str:
    """The mean over an image and its mirror image, which lies half a batch further on; maps are turned back."""
    halves = [f"{name}.image", f"{name}.mirror"]
    graph.split(value, halves)
    mirror = _reversed(graph, halves[1], f"{name}.back") if is_map else halves[1]
    total = graph.add("Add", [halves[0], mirror], output=f"{name}.sum")
    return graph.add("Mul", [total, graph.constant("half", np.array(0.5, np.float32))], output=name)


def _region_count(network: Classifier, image_size: tuple[int, int]) -> tuple[int, int]:
    """(rows, columns) of the map before the global mean, found by pushing an empty image through."""
    with torch.inference_mode():
        value = torch.zeros(1, 3, *image_size)
        for layer in network.layers.children():
            if isinstance(layer, GlobalMean):
                break
            value = layer(value)
    return int(value.shape[2]), int(value.shape[3])


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    values: NDArray[np.float32] = tensor.detach().to(torch.float32).cpu().contiguous().numpy()
    return values


def _translate(graph: GraphWriter, layer: nn.Module, value: str, name: str) -> str:
    if type(layer) in PLAIN:
        operator, attributes = PLAIN[type(layer)]
        return graph.add(operator, [value], output=name, attributes=attributes)
    try:
        translation = TRANSLATIONS[type(layer)]
    except KeyError:
        known = ", ".join(kind.__name__ for kind in (*PLAIN, *TRANSLATIONS))
        raise ModelError(
            f"{name}: a layer of type {type(layer).__name__} cannot be written as ONNX",
            f"Build the network from these layers, or add one to TRANSLATIONS in networks/to_onnx.py: {known}.",
        ) from None
    return translation(graph, layer, value, name)


def _conv_norm(graph: GraphWriter, layer: ConvNorm, value: str, name: str) -> str:
    norm = layer.norm
    # In float64, so that folding adds no error of its own.
    scale = _double(norm.weight) / np.sqrt(_double(norm.get_buffer("running_var")) + norm.eps)
    weight = _double(layer.convolution.weight) * scale[:, None, None, None]
    bias = _double(norm.bias) - _double(norm.get_buffer("running_mean")) * scale
    tensors = [
        graph.tensor(f"{name}.weight", weight.astype(np.float32)),
        graph.tensor(f"{name}.bias", bias.astype(np.float32)),
    ]
    before, after = layer.pads
    attributes = _as_attributes(layer.convolution, pads=[before, before, after, after])
    value = graph.add("Conv", [value, *tensors], output=f"{name}.convolution", attributes=attributes)
    if layer.pool:
        value = graph.add("MaxPool", [value], output=f"{name}.pool", attributes=POOLING)
    return _activation(graph, layer.activation, value, name)


def _activation(graph: GraphWriter, activation: Activation, value: str, name: str) -> str:
    if activation == "none":
        return value
    if activation == "relu":
        return graph.add("Relu", [value], output=f"{name}.relu")
    if activation == "gelu":
        return _gelu(graph, value, f"{name}.gelu")
    limits = [graph.constant("zero", np.array(0, np.float32)), graph.constant("six", np.array(6, np.float32))]
    return graph.add("Clip", [value, *limits], output=f"{name}.relu6")


def _gelu(graph: GraphWriter, value: str, name: str) -> str:
    """x Φ(x), by the error function: the operator Gelu is younger than the graph's opset; runtimes join the nodes."""
    divisor = graph.constant("square_root_of_two", np.array(np.sqrt(2), np.float32))
    one, half = (graph.constant(word, np.array(one, np.float32)) for word, one in (("one", 1), ("half", 0.5)))
    scaled = graph.add("Div", [value, divisor], output=f"{name}.scaled")
    error = graph.add("Erf", [scaled], output=f"{name}.error")
    raised = graph.add("Add", [error, one], output=f"{name}.raised")
    product = graph.add("Mul", [value, raised], output=f"{name}.product")
    return graph.add("Mul", [product, half], output=name)


def _sequence(graph: GraphWriter, layer: nn.Sequential, value: str, name: str) -> str:
    for index, part in layer.named_children():
        value = _translate(graph, part, value, f"{name}.{index}")
    return value


def _joining(graph: GraphWriter, layer: ConcatenateMaps, value: str, name: str) -> str:
    """Of a part that ends with its map."""
    maps = []
    for number, (index, part) in enumerate(layer.named_children()):
        value = _translate(graph, part, value, f"{name}.{index}")
        if number in layer.joined:
            maps.append(value)
    return _joined(graph, value, maps, layer, f"{name}.joined")


def _beside(graph: GraphWriter, layer: Parallel, value: str, name: str) -> str:
    maps = [_translate(graph, part, value, f"{name}.parts.{number}") for number, part in enumerate(layer.parts)]
    return graph.add("Concat", maps, output=name, attributes={"axis": 1})


def _double(tensor: torch.Tensor) -> NDArray[np.float64]:
    return _array(tensor).astype(np.float64)


def _residual(graph: GraphWriter, layer: Residual, value: str, name: str) -> str:
    inner = _sequence(graph, layer.body, value, f"{name}.body")
    passed = value if layer.shortcut is None else _conv_norm(graph, layer.shortcut, value, f"{name}.shortcut")
    value = graph.add("Add", [passed, inner], output=f"{name}.sum")
    return _activation(graph, layer.activation, value, name)


def _convolution(graph: GraphWriter, layer: nn.Conv2d, value: str, name: str) -> str:
    tensors = [graph.tensor(f"{name}.weight", _array(layer.weight))]
    if layer.bias is not None:
        tensors.append(graph.tensor(f"{name}.bias", _array(layer.bias)))
    attributes = _as_attributes(layer, pads=[int(side) for side in layer.padding] * 2)
    return graph.add("Conv", [value, *tensors], output=name, attributes=attributes)


def _as_attributes(layer: nn.Conv2d, *, pads: list[int]) -> Attributes:
    """A convolution's shape; zeros at top, left, bottom and right."""
    kernel, strides = list(layer.kernel_size), list(layer.stride)
    return {"kernel_shape": kernel, "pads": pads, "strides": strides, "group": layer.groups}


def _max_pool(graph: GraphWriter, layer: nn.MaxPool2d, value: str, name: str) -> str:
    kernel, stride, padding = (_both_ways(side) for side in (layer.kernel_size, layer.stride, layer.padding))
    attributes: dict[str, int | list[int]] = {"kernel_shape": kernel, "strides": stride, "pads": padding * 2}
    return graph.add("MaxPool", [value], output=name, attributes=attributes)


def _both_ways(side: int | tuple[int, ...]) -> list[int]:
    return [side, side] if isinstance(side, int) else list(side)


def _grid_mean(graph: GraphWriter, layer: GridMean, value: str, name: str) -> str:
    """Nothing where the map has the grid's size already, else one product with each pixel's share in each region."""
    if layer.incoming == layer.grid:
        return value
    row = graph.tensor(f"{name}.row", np.array([0, 0, -1], np.int64))
    value = graph.add("Reshape", [value, row], output=f"{name}.pixels")
    shares = graph.tensor(f"{name}.shares", _array(layer.shares()))
    value = graph.add("MatMul", [value, shares], output=f"{name}.means")
    grid = graph.tensor(f"{name}.grid", np.array([0, 0, *layer.grid], np.int64))
    return graph.add("Reshape", [value, grid], output=name)


def _linear(graph: GraphWriter, layer: nn.Linear, value: str, name: str) -> str:
    tensors = [
        graph.tensor(f"{name}.weight", _array(layer.weight)),
        graph.tensor(f"{name}.bias", _array(layer.bias)),
    ]
    return graph.add("Gemm", [value, *tensors], output=name, attributes={"transB": 1})


def _backbone(graph: GraphWriter, layer: Backbone, value: str, name: str) -> str:
    """The nodes that torch's exporter writes, between our value and our name."""
    inner = export_body(layer.body, image_size=graph.image_size, prefix=f"{name}.body")
    graph.add("Identity", [value], output=inner.input[0].name)
    graph.nodes.extend(inner.node)
    graph.tensors.extend(inner.initializer)
    return graph.add("Identity", [inner.output[0].name], output=name)


def _transformer(graph: GraphWriter, layer: VisionTransformer, value: str, name: str) -> str:
    """Its token by operators that model files may hold: a row of zeros, and what is added to it."""

    def numbers(key: str, values: list[int]) -> str:
        return graph.constant(f"{name}.{key}", np.array(values, np.int64))

    def turned(value: str, output: str, order: list[int]) -> str:
        return graph.add("Transpose", [value], output=output, attributes={"perm": order})

    def dense(part: nn.Linear, value: str, at: str, scale: NDArray[np.float64] | None = None) -> str:
        factor = np.ones(part.out_features) if scale is None else scale
        weight = graph.tensor(f"{at}.weight", (_double(part.weight).T * factor).astype(np.float32))
        bias = graph.tensor(f"{at}.bias", (_double(part.bias) * factor).astype(np.float32))
        return graph.add("Add", [graph.add("MatMul", [value, weight], output=f"{at}.product"), bias], output=at)

    def normal(part: nn.LayerNorm, value: str, at: str) -> str:
        tensors = [graph.tensor(f"{at}.weight", _array(part.weight)), graph.tensor(f"{at}.bias", _array(part.bias))]
        attributes: Attributes = {"axis": -1, "epsilon": part.eps}
        return graph.add("LayerNormalization", [value, *tensors], output=at, attributes=attributes)

    def attention(part: Attention, value: str, at: str, scale: NDArray[np.float64]) -> str:
        split = numbers("heads", [0, 0, 3 * HEADS, WIDTH // HEADS])
        parts = graph.add("Reshape", [dense(part.qkv, value, f"{at}.qkv"), split], output=f"{at}.heads")
        queries, keys, values = (f"{at}.{word}" for word in ("queries", "keys", "values"))
        graph.split(turned(parts, f"{at}.turned", [0, 2, 1, 3]), [queries, keys, values], axis=1)
        likeness = graph.add("MatMul", [queries, turned(keys, f"{at}.columns", [0, 1, 3, 2])], output=f"{at}.likeness")
        divisor = graph.constant(f"{name}.root", np.array((WIDTH // HEADS) ** 0.5, np.float32))
        likeness = graph.add("Div", [likeness, divisor], output=f"{at}.scaled")
        weights = graph.add("Softmax", [likeness], output=f"{at}.weights", attributes={"axis": -1})
        gathered = turned(graph.add("MatMul", [weights, values], output=f"{at}.gathered"), f"{at}.back", [0, 2, 1, 3])
        joined = graph.add("Reshape", [gathered, numbers("joined", [0, 0, WIDTH])], output=f"{at}.joined")
        return dense(part.proj, joined, f"{at}.proj", scale)

    patches = _convolution(graph, layer.patch_embed[0], value, f"{name}.patch_embed.proj")  # type: ignore[arg-type]
    row = graph.add("Reshape", [patches, numbers("row", [0, WIDTH, -1])], output=f"{name}.patches")
    tokens = graph.add(
        "Pad",
        [turned(row, f"{name}.tokens", [0, 2, 1]), numbers("before", [0, 1, 0, 0, 0, 0])],
        output=f"{name}.padded",
    )
    tokens = graph.add("Add", [tokens, graph.tensor(f"{name}.places", _array(layer.places()))], output=f"{name}.placed")
    for number, block in enumerate(block for block in layer.blocks if isinstance(block, Layer)):
        at = f"{name}.blocks.{number}"
        seen = attention(block.attn, normal(block.norm1, tokens, f"{at}.norm1"), f"{at}.attn", _double(block.ls1.gamma))
        tokens = graph.add("Add", [tokens, seen], output=f"{at}.seen")
        inner = dense(block.mlp.fc1, normal(block.norm2, tokens, f"{at}.norm2"), f"{at}.mlp.fc1")
        outer = dense(block.mlp.fc2, _gelu(graph, inner, f"{at}.mlp.act"), f"{at}.mlp.fc2", _double(block.ls2.gamma))
        tokens = graph.add("Add", [tokens, outer], output=f"{at}.sum")
    columns = turned(normal(layer.norm, tokens, f"{name}.norm"), f"{name}.columns", [0, 2, 1])
    grid = numbers("grid", [0, WIDTH, *layer.grid])
    first, second, last, axis = (numbers(f"at{number}", [number]) for number in (0, 1, 1 << 20, 2))
    others = graph.add("Slice", [columns, second, last, axis], output=f"{name}.others")
    token = graph.add("Slice", [columns, first, second, axis], output=f"{name}.token")
    nothing = graph.add("Mul", [others, graph.constant("zero", np.array(0, np.float32))], output=f"{name}.nothing")
    token = graph.add("Add", [nothing, token], output=f"{name}.everywhere")
    maps = [
        graph.add("Reshape", [one, grid], output=f"{name}.{word}")
        for one, word in ((others, "map"), (token, "token-map"))
    ]
    return graph.add("Concat", maps, output=name, attributes={"axis": 1})


def _mirrored(graph: GraphWriter, layer: MirrorPad, value: str, name: str) -> str:
    pads = graph.tensor(f"{name}.pads", np.array([0, 0, layer.pixels, layer.pixels] * 2, np.int64))
    graph.nodes.append(helper.make_node("Pad", [value, pads], [name], name=name, mode="reflect"))
    return name


def _inner(graph: GraphWriter, layer: Inner, value: str, name: str) -> str:
    corners = {"from": layer.places, "to": -layer.places}
    sides = [graph.tensor(f"{name}.{key}", np.array([number] * 2, np.int64)) for key, number in corners.items()]
    axes = graph.tensor(f"{name}.axes", np.array([2, 3], np.int64))
    return graph.add("Slice", [value, *sides, axes], output=name)


def _global_mean(graph: GraphWriter, _: GlobalMean, value: str, name: str) -> str:
    return graph.add("Flatten", [graph.add("GlobalAveragePool", [value], output=f"{name}.mean")], output=name)


TRANSLATIONS: Mapping[type[nn.Module], Callable[..., str]] = {
    Parallel: _beside,
    ConcatenateMaps: _joining,
    ConvNorm: _conv_norm,
    GlobalMean: _global_mean,
    GridMean: _grid_mean,
    MirrorPad: _mirrored,
    Inner: _inner,
    nn.MaxPool2d: _max_pool,
    Residual: _residual,
    nn.GELU: lambda graph, _, value, name: _gelu(graph, value, name),
    Backbone: _backbone,
    VisionTransformer: _transformer,
    nn.Sequential: _sequence,
    nn.Conv2d: _convolution,
    Whitening: _convolution,
    nn.Linear: _linear,
}
