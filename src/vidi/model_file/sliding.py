"""A model file's graph in two halves, so that it can slide over a large image. In memory only: imports onnx.

The first half takes framed images of any size and gives maps: all that looks at a neighbourhood, such as convolutions.
The second half takes windows of these maps and gives what the file gives: the head, the calibration, the novelty.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import onnx
from onnx import TensorProto, helper

from vidi.model_file.preprocessing import PREFIX
from vidi.model_file.stages import GraphStage, NotBandedError, split_stages

# What such a node gives at one place depends on what lies around the same place: it may see larger images. An image
# beside its mirror image, which Slice and Concat make, gives two maps, the second from right to left.
LOCAL = frozenset(
    {
        "Transpose",
        "Cast",
        "Conv",
        "Pad",
        "MaxPool",
        "AveragePool",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Identity",
        "Slice",
        "Concat",
    }
    | {"Relu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "LeakyRelu", "Erf"}
)
POOL = "GlobalAveragePool"
HEADS = frozenset({POOL, "Flatten", "Reshape"})  # what may follow the maps
OUTPUTS = ("probabilities", "novelty", "embedding", PREFIX + "calibrated")


@dataclass(frozen=True, slots=True, eq=False)
class StageGraph:
    """A stage of the first half, as bytes that a runtime opens."""

    stage: GraphStage
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SlidingGraphs:
    """The two halves, as bytes that a runtime opens."""

    chains: tuple[
        tuple[StageGraph, ...], ...
    ]  # for each map: from uint8 (batch, height, width, 3) at the network's scale
    head: bytes  # windows of the maps → `outputs`
    names: tuple[str, ...]  # of the maps; one for each member of an ensemble
    pools: tuple[bool, ...]  # for each map whether the head takes only its mean
    outputs: tuple[str, ...]  # of the head: `probabilities`, `novelty` where there is one, `vidi.calibrated` …


def split_graph(data: bytes) -> SlidingGraphs | None:
    """The halves of a model file; None where the network is not convolutional up to its head.

    Args:
        data: the bytes of a model file that was read and judged.
    """
    model = onnx.load_model_from_string(data)
    nodes = list(model.graph.node)
    framed = next(node.input[0] for node in nodes if node.name == PREFIX + "turned")
    constants = {tensor.name for tensor in model.graph.initializer} | {""}
    local = _local_values(nodes, framed, constants)
    made = {name for node in nodes for name in node.output}
    outputs = [name for name in OUTPUTS if name in made]
    head = _needed(nodes, outputs, given=local)
    names = list(dict.fromkeys(name for node in head for name in node.input if name in local))
    followers = {name: {node.op_type for node in head if name in node.input} for name in names}
    if not names or framed in names or any(len(kinds) != 1 or not kinds <= HEADS for kinds in followers.values()):
        return None
    return SlidingGraphs(
        chains=tuple(_chain(model, framed, name) for name in names),
        head=_as_model(model, head, [_map(name) for name in names], [_value(name, None) for name in outputs]),
        names=tuple(names),
        pools=tuple(followers[name] == {POOL} for name in names),
        outputs=tuple(outputs),
    )


def _chain(model: onnx.ModelProto, framed: str, target: str) -> tuple[StageGraph, ...]:
    """The stages from framed images to one map; one of all where it is not known which rows each place hangs on."""
    nodes = _needed(model.graph.node, [target], given={framed})
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    try:
        stages = split_stages(nodes, tensors, source=framed, target=target)
    except NotBandedError:
        stages = (GraphStage(nodes=tuple(nodes), source=framed, target=target),)
    images = helper.make_tensor_value_info(framed, TensorProto.UINT8, ["batch", "height", "width", 3])
    graphs = []
    for stage in stages:
        given = images if stage.source == framed else _map(stage.source)
        graphs.append(StageGraph(stage, _as_model(model, stage.nodes, [given], [_map(stage.target)])))
    return tuple(graphs)


def _map(name: str) -> onnx.ValueInfoProto:
    return _value(name, ["batch", "channels", "rows", "columns"])


def _local_values(nodes: Sequence[onnx.NodeProto], framed: str, constants: set[str]) -> set[str]:
    """The values that come from the framed images through local nodes alone, these images among them."""
    local = {framed}
    for node in nodes:
        inputs = set(node.input) - constants
        if node.op_type in LOCAL and inputs and inputs <= local:
            local.update(node.output)
    return local


def _needed(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str], *, given: set[str]) -> list[onnx.NodeProto]:
    """The nodes behind some values, in order, where others are given."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(set(node.input) - given)
    return kept[::-1]


def _value(name: str, sides: Sequence[int | str] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, sides)


def _as_model(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
) -> bytes:
    """Some of the nodes with the tensors that they use, as a model of its own."""
    used = {name for node in nodes for name in node.input}
    tensors = [tensor for tensor in model.graph.initializer if tensor.name in used]
    graph = helper.make_graph(nodes, "vidi", inputs, outputs, tensors)
    part = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    data: bytes = part.SerializeToString()
    return data
