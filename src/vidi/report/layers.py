"""The network layer by layer: what each does, what comes out of it, and what it sees in one image."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from vidi.model_file.members import MEMBERS, member_count
from vidi.model_file.read import ModelFile
from vidi.report.thumbnails import Thumbnail, data_uri

if TYPE_CHECKING:
    import onnx

MAPS_SHOWN = 8
LAYERS_PICTURED = 12
TILE = 64  # pixels a side at least
OWN_PREFIXES = ("vidi.", "evidence", "mean.")  # framing, calibration, evidence maps, the mean of several networks
AFTER = ("logits.",)  # what an ensemble makes of a member's answer
FIRST = f"{MEMBERS}.0."  # of several networks side by side one is shown
STARTS = {"Conv", "Gemm", "MatMul", "SpaceToDepth", "GlobalAveragePool", "ReduceMean", "Flatten"}
STEPS: Mapping[str, str] = {
    "Relu": "negative values become 0 (ReLU)",
    "MaxPool": "of each {kernel} the largest is kept (max pooling)",
    "AveragePool": "of each {kernel} the mean is kept (average pooling)",
    "Add": "what came in is added (a shortcut)",
    "Clip": "values are held between two limits",
    "Sigmoid": "values are pressed between 0 and 1",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as a reader meets it."""

    name: str  # `Convolution 3×3`
    steps: tuple[str, ...]  # what is done to its output
    shape: tuple[int, ...]  # of what comes out for one image: channels, rows, columns; or numbers
    parameter_count: int
    picture: Thumbnail | None  # what some of its maps show of the example

    @property
    def shape_text(self) -> str:
        """The shape in words of the trade: `48 maps of 32 × 32`."""
        if len(self.shape) == 3 and prod(self.shape[1:]) > 1:
            return f"{self.shape[0]:,} maps of {self.shape[1]:,} × {self.shape[2]:,}"
        return f"{prod(self.shape):,} numbers"


def describe_layers(model: ModelFile, example: NDArray[np.uint8] | None) -> tuple[Layer, ...]:
    """The layers of a model file in their order, found by running it on one image; of an ensemble its first network's.

    Args:
        model: a model file that passed its checks.
        example: (height, width, 3) pixels whose way through the network is pictured; None: shapes only.
    """
    import onnx  # only here: predicting never needs it

    network = onnx.load_model_from_string(model.data)
    is_ensemble = member_count(tensor.name for tensor in network.graph.initializer) > 1
    groups = list(_grouped(network.graph, FIRST if is_ensemble else ""))
    image = np.full((*model.metadata.framing.size, 3), 114, np.uint8) if example is None else example
    values = _run_through(network, [nodes[-1].output[0] for nodes in groups], image)
    sizes = {tensor.name: prod(tensor.dims) for tensor in network.graph.initializer}
    return tuple(
        _describe(nodes, values[nodes[-1].output[0]], sizes, pictured=example is not None and number < LAYERS_PICTURED)
        for number, nodes in enumerate(groups)
    )


def _grouped(graph: "onnx.GraphProto", prefix: str) -> "Iterator[list[onnx.NodeProto]]":
    """A layer's own node with the steps that follow it, of the network whose names begin with the prefix."""
    group: list[onnx.NodeProto] = []
    for node in graph.node:
        name = node.name.removeprefix(prefix)
        if not node.name.startswith(prefix) or name.startswith((*OWN_PREFIXES, *AFTER)) or name == "probabilities":
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


def _run_through(
    network: "onnx.ModelProto", names: list[str], image: NDArray[np.uint8]
) -> dict[str, NDArray[np.float32]]:
    """The values that pass through the network for one image."""
    import onnx

    shown = onnx.ModelProto()
    shown.CopyFrom(network)
    del shown.graph.output[:]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # the runtime's own warnings are not for users
    session = onnxruntime.InferenceSession(shown.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, {"images": image[None]}), strict=True))


def _describe(
    nodes: "list[onnx.NodeProto]", value: NDArray[np.float32], sizes: Mapping[str, int], *, pictured: bool
) -> Layer:
    first = next((node for node in nodes if node.op_type != "Flatten"), nodes[0])
    steps = tuple(
        STEPS[node.op_type].format(kernel="×".join(map(str, _kernel(node)))) for node in nodes if node.op_type in STEPS
    )
    return Layer(
        name=_name(first),
        steps=steps,
        shape=tuple(value.shape[1:]),
        parameter_count=sum(sizes.get(name, 0) for node in nodes for name in node.input if _is_trained(name)),
        picture=_picture(value[0]) if pictured and value.ndim == 4 and value.shape[2] > 1 else None,
    )


def _is_trained(name: str) -> bool:
    return name.endswith((".weight", ".bias"))


def _name(node: "onnx.NodeProto") -> str:
    names = {
        "Gemm": "Answer: one number for each class" if node.output[0].endswith("logits") else "Dense layer",
        "MatMul": "Dense layer" if any(map(_is_trained, node.input)) else "Mean over each region of a grid",
        "SpaceToDepth": "Blocks of pixels become channels",
        "GlobalAveragePool": "Mean over all places",
        "ReduceMean": "Mean over all places",
        "Flatten": "All numbers in one row",
    }
    if node.op_type == "Conv":
        return f"Convolution {'×'.join(map(str, _kernel(node)))}"
    return names.get(node.op_type, node.op_type)


def _kernel(node: "onnx.NodeProto") -> list[int]:
    return next((list(attribute.ints) for attribute in node.attribute if attribute.name == "kernel_shape"), [])


def _picture(maps: NDArray[np.float32]) -> Thumbnail:
    """The liveliest maps side by side, each stretched from black to white."""
    chosen = np.sort(np.argsort(-maps.var(axis=(1, 2)), kind="stable")[:MAPS_SHOWN])
    tiles = []
    for values in maps[chosen]:
        low, high = float(values.min()), float(values.max())
        grey = np.zeros_like(values) if high <= low else (values - low) / (high - low) * 255
        repeat = max(1, TILE // max(values.shape))
        tiles.append(np.pad(grey.astype(np.uint8).repeat(repeat, 0).repeat(repeat, 1), 1, constant_values=128))
    sheet = Image.fromarray(np.concatenate(tiles, axis=1))
    if sheet.width > 1000:  # a page, not a poster
        sheet = sheet.resize((1000, max(1, round(sheet.height * 1000 / sheet.width))), Image.Resampling.BILINEAR)
    return Thumbnail(data_uri(sheet, lossless=False), sheet.width, sheet.height, is_small=True)
