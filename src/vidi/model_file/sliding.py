"""A model file's graph in two halves, so that it can slide over a large image. In memory only: imports onnx.

The first half takes framed images of any size and gives maps: all that looks at a neighbourhood, such as convolutions.
The second half takes windows of these maps and gives the calibrated logits: the head and the calibration.

The first half is a chain of stages, each of which can be worked out in bands of rows. A band is given with the rows
around it that it hangs on, so that every row of a stage's map is what it is when the whole is worked out at once.
Stages end where the map is small, so that few rows around a band are needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import onnx
from onnx import TensorProto, helper

from vidi.model_file.preprocessing import PREFIX

MOST_KEPT = 8.0  # bytes of a map for each pixel of the image, where a stage may end
NOT_MUCH_LARGER = 1.5  # times the smallest map of its stride
LEAST_STRIDE = 4  # pixels of the image from one place of such a map to the next
ROWS = {2: 1, 3: 2}  # the axis of the rows, by that of the columns
FLOAT_BYTES = 4
WINDOWED = frozenset({"Conv", "MaxPool", "AveragePool"})


class NotBandedError(ValueError):
    """A node of which it is not known which rows it looks at."""


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """Rows `first * stride - above` to `last * stride + below` of one map make rows `first` to `last` of another."""

    stride: int = 1
    above: int = 0
    below: int = 0

    def through(self, window: "RowWindow") -> "ReceptiveField":
        """The same about the map before, of which a window makes each row.

        >>> ReceptiveField().through(RowWindow(3, 2, 1, 1)).through(RowWindow(3, 1, 1, 1))
        ReceptiveField(stride=2, above=2, below=2)
        """
        return ReceptiveField(
            self.stride * window.stride,
            self.above * window.stride + window.top,
            self.below * window.stride - window.top + window.rows - 1,
        )


@dataclass(frozen=True, slots=True)
class RowWindow:
    """What a node looks at to make one row."""

    rows: int = 1
    stride: int = 1
    top: int = 0  # rows that are added above and …
    bottom: int = 0  # … below the map

    def count(self, rows: int) -> int:
        """Number of rows of the output for this many rows of the input."""
        return (rows + self.top + self.bottom - self.rows) // self.stride + 1


@dataclass(frozen=True, slots=True, eq=False)
class GraphStage:
    """A part of a chain: one map in, one map out."""

    nodes: tuple[onnx.NodeProto, ...] = field(repr=False)
    source: str
    target: str
    axis: int = 1  # of the rows of the source
    reach: ReceptiveField = field(default_factory=ReceptiveField)
    windows: tuple[RowWindow, ...] = ()  # along one way from the source to the target
    pixel_bytes: float = 0.0  # that one pixel of the source takes while the stage is worked out; 0: never in bands

    def count(self, rows: int) -> int:
        """Number of rows of the target for this many rows of the source."""
        for window in self.windows:
            rows = window.count(rows)
        return rows


@dataclass(frozen=True, slots=True)
class _Value:
    """A map as it stands between two nodes."""

    stride: int  # pixels of the image
    depth: float  # numbers for each place, all maps of the batch together
    item_bytes: int
    columns: int  # their axis
    made: int  # number of the node

    @property
    def pixel_bytes(self) -> float:
        """Bytes for each pixel of the image."""
        return self.depth * self.item_bytes / self.stride**2


def _split_stages(
    nodes: Sequence[onnx.NodeProto], tensors: Mapping[str, onnx.TensorProto], *, source: str, target: str
) -> tuple[GraphStage, ...]:
    """The stages from framed images, `source`, to one map, `target`; the nodes are all between, of `LOCAL`."""
    windows = [_window(node, tensors) for node in nodes]
    values = _measure(nodes, windows, tensors, source)
    last_used = {name: number for number, node in enumerate(nodes) for name in node.input if name in values}
    last_used[target] = len(nodes)
    alive = [
        [name for name, one in values.items() if one.made <= number < last_used.get(name, -1)]
        for number in range(len(nodes))
    ]
    ends = [names[0] for names in alive if len(names) == 1 and names[0] != target]
    cuts = [source, *_choose_ends({name: values[name] for name in ends}), target]
    stages = []
    for before, after in pairwise(cuts):
        first, last = values[before].made + 1, values[after].made
        stages.append(
            GraphStage(
                nodes=tuple(nodes[first : last + 1]),
                source=before,
                target=after,
                axis=ROWS[values[before].columns],
                reach=_reach(nodes[first : last + 1], windows[first : last + 1], before, after),
                windows=_one_way(nodes[first : last + 1], windows[first : last + 1], before, after),
                pixel_bytes=values[before].stride ** 2
                * max(
                    sum(values[name].pixel_bytes for name in {*alive[number], *nodes[number].input} & values.keys())
                    for number in range(first, last + 1)
                ),
            )
        )
    return tuple(stages)


def _choose_ends(values: Mapping[str, _Value]) -> list[str]:
    """For each stride the last of the small maps, if it is small enough to be kept whole."""
    smallest: dict[int, float] = {}
    for one in values.values():
        smallest[one.stride] = min(smallest.get(one.stride, MOST_KEPT / NOT_MUCH_LARGER), one.pixel_bytes)
    chosen = {
        one.stride: name
        for name, one in values.items()
        if one.stride >= LEAST_STRIDE and one.pixel_bytes <= NOT_MUCH_LARGER * smallest[one.stride]
    }
    return list(chosen.values())


def _measure(
    nodes: Sequence[onnx.NodeProto], windows: Sequence[RowWindow], tensors: Mapping[str, onnx.TensorProto], source: str
) -> dict[str, _Value]:
    """What each map is like, the images first."""
    values = {source: _Value(stride=1, depth=3, item_bytes=1, columns=2, made=-1)}
    for number, (node, window) in enumerate(zip(nodes, windows, strict=True)):
        given = [values[name] for name in node.input if name in values]
        if len({(one.stride, one.columns) for one in given}) != 1:
            raise NotBandedError(f"{node.op_type} of maps of several strides")
        first, depth = given[0], max(one.depth for one in given)
        columns, item_bytes = first.columns, first.item_bytes
        if node.op_type == "Conv":
            batch = first.depth / (tensors[node.input[1]].dims[1] * _number(node, "group", 1))
            depth = batch * tensors[node.input[1]].dims[0]
        elif node.op_type == "Concat":
            depth = sum(one.depth for one in given)
        elif node.op_type == "Transpose":
            columns = _numbers(node, "perm").index(columns)
        elif node.op_type == "Cast":
            item_bytes = FLOAT_BYTES
        _refuse_across_rows(node, tensors, rows=ROWS.get(columns, -1))
        (name,) = node.output
        values[name] = _Value(first.stride * window.stride, depth, item_bytes, columns, number)
    return values


def _refuse_across_rows(node: onnx.NodeProto, tensors: Mapping[str, onnx.TensorProto], *, rows: int) -> None:
    """Only what leaves the rows where they are can be worked out in bands."""
    if node.op_type == "Slice":
        axes = _constant(node, tensors, 3)
        across = rows < 0 or rows in axes or min(axes) < 0
    elif node.op_type == "Concat":
        across = rows < 0 or _number(node, "axis", rows) not in range(rows)
    else:
        across = rows < 0
    if across:
        raise NotBandedError(f"{node.op_type} across the rows")


def _window(node: onnx.NodeProto, tensors: Mapping[str, onnx.TensorProto]) -> RowWindow:
    """The rows that a node looks at."""
    if node.op_type == "Pad":
        pads = _constant(node, tensors, 1)
        if len(pads) != 8 or len(node.input) > 3 or min(pads) < 0:
            raise NotBandedError("Pad of some axes")
        if any(attribute.name == "mode" and attribute.s != b"constant" for attribute in node.attribute):
            raise NotBandedError("Pad that is no constant")
        return RowWindow(top=pads[2], bottom=pads[6])
    if node.op_type not in WINDOWED:
        return RowWindow()
    if _number(node, "ceil_mode", 0) or any(
        attribute.name == "auto_pad" and attribute.s not in (b"NOTSET", b"VALID") for attribute in node.attribute
    ):
        raise NotBandedError(f"{node.op_type} that pads by itself")
    kernel = _numbers(node, "kernel_shape") or list(tensors[node.input[1]].dims[2:])
    strides, dilations = _numbers(node, "strides") or [1, 1], _numbers(node, "dilations") or [1, 1]
    pads = _numbers(node, "pads") or [0, 0, 0, 0]
    if strides[0] != strides[1]:
        raise NotBandedError(f"{node.op_type} of two strides")
    return RowWindow(rows=(kernel[0] - 1) * dilations[0] + 1, stride=strides[0], top=pads[0], bottom=pads[2])


def _reach(nodes: Sequence[onnx.NodeProto], windows: Sequence[RowWindow], source: str, target: str) -> ReceptiveField:
    """Which rows of the source make some rows of the target, by whichever way."""
    found = {target: ReceptiveField()}
    for node, window in zip(reversed(nodes), reversed(windows), strict=True):
        before = found[node.output[0]].through(window)
        for name in node.input:
            other = found.get(name, before)
            found[name] = ReceptiveField(before.stride, max(before.above, other.above), max(before.below, other.below))
    return found[source]


def _one_way(
    nodes: Sequence[onnx.NodeProto], windows: Sequence[RowWindow], source: str, target: str
) -> tuple[RowWindow, ...]:
    """The windows from the source to the target; every way gives as many rows."""
    makers = {node.output[0]: (node, window) for node, window in zip(nodes, windows, strict=True)}
    way, name = [], target
    while name != source:
        node, window = makers[name]
        way.append(window)
        name = next(given for given in node.input if given in makers or given == source)
    return tuple(way[::-1])


def _number(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), default)


def _numbers(node: onnx.NodeProto, name: str) -> list[int]:
    return next((list(attribute.ints) for attribute in node.attribute if attribute.name == name), [])


def _constant(node: onnx.NodeProto, tensors: Mapping[str, onnx.TensorProto], place: int) -> list[int]:
    """The whole numbers that a node takes as one of its inputs."""
    if place >= len(node.input) or node.input[place] not in tensors:
        raise NotBandedError(f"{node.op_type} of what is worked out")
    numbers: list[int] = onnx.numpy_helper.to_array(tensors[node.input[place]]).tolist()
    return numbers


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
CALIBRATED = PREFIX + "calibrated"  # the logits that probabilities are made of


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
    head: bytes  # windows of the maps → `vidi.calibrated`
    names: tuple[str, ...]  # of the maps; one for each member of an ensemble
    pools: tuple[bool, ...]  # for each map whether the head takes only its mean


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
    head = _needed(nodes, [CALIBRATED], given=local)
    names = list(dict.fromkeys(name for node in head for name in node.input if name in local))
    followers = {name: {node.op_type for node in head if name in node.input} for name in names}
    if not names or framed in names or any(len(kinds) != 1 or not kinds <= HEADS for kinds in followers.values()):
        return None
    return SlidingGraphs(
        chains=tuple(_chain(model, framed, name) for name in names),
        head=_as_model(model, head, [_map(name) for name in names], [_value(CALIBRATED, None)]),
        names=tuple(names),
        pools=tuple(followers[name] == {POOL} for name in names),
    )


def _chain(model: onnx.ModelProto, framed: str, target: str) -> tuple[StageGraph, ...]:
    """The stages from framed images to one map; one of all where it is not known which rows each place hangs on."""
    nodes = _needed(model.graph.node, [target], given={framed})
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    try:
        stages = _split_stages(nodes, tensors, source=framed, target=target)
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
