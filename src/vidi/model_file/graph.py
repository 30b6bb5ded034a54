"""The whole graph of a model file: preprocessing, network, calibration, softmax. Writing only: imports onnx."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vidi.errors import ModelError
from vidi.metrics.novelty import MOST_POWER, SMALLEST, NoveltyScore, Sureness
from vidi.metrics.outputs import Sigmoid, Softmax
from vidi.model_file.metadata import Calibration, ModelMetadata
from vidi.model_file.preprocessing import PREFIX, GraphParts, add_preprocessing
from vidi.model_file.walk import MOST_EVIDENCE_CLASSES


def build_graph(
    network: onnx.GraphProto, metadata: ModelMetadata, novelty: NoveltyScore | None = None
) -> onnx.GraphProto:
    """One graph from `images` to `probabilities`, `embedding` and, if the network has them, `evidence` and `novelty`.

    Raises:
        ModelError: the network's input, outputs or names are not those that `write_model` describes.
    """
    check_network(network)
    parts = GraphParts()
    add_preprocessing(parts, metadata.framing, metadata.normalisation)
    _add_network(parts, network, PREFIX + "inputs")
    if novelty is not None:
        add_novelty(parts, novelty)
    add_answer(parts, metadata)
    outputs = {value.name: value for value in network.output}
    class_count = len(metadata.classes)
    given = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", class_count]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", *_shape(outputs["embedding"])[1:]]),
    ]
    if "evidence" in outputs and class_count <= MOST_EVIDENCE_CLASSES:
        shape = _shape(outputs["evidence"])[2:]
        given.append(helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["batch", class_count, *shape]))
    if novelty is not None:
        given.append(helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["batch"]))
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", "height", "width", 3])
    return helper.make_graph(_needed(parts.nodes, given), "vidi", [images], given, parts.initializers)


def check_network(network: onnx.GraphProto) -> None:
    """Refuse a network that cannot stand between preprocessing and answer.

    Raises:
        ModelError: says which input, output or name is wrong.
    """
    inputs, outputs = [value.name for value in network.input], [value.name for value in network.output]
    if inputs != ["inputs"]:
        raise ModelError(f"the network's inputs are {inputs}", "It must have the one input `inputs`.")
    if not {"logits", "embedding"} <= set(outputs) <= {"logits", "embedding", "evidence"}:
        raise ModelError(
            f"the network's outputs are {outputs}", "They must be `logits`, `embedding` and, at will, `evidence`."
        )
    names = [tensor.name for tensor in network.initializer]
    names += [name for node in network.node for name in node.output]
    reserved = [name for name in names if name.startswith(PREFIX) or name in ("images", "probabilities", "novelty")]
    if reserved:
        raise ModelError(f"the network uses the name {reserved[0]!r}", f"Names from `{PREFIX}` on are the file's own.")


def _add_network(parts: GraphParts, network: onnx.GraphProto, inputs: str) -> None:
    """Take over the network's nodes and tensors; its input becomes what the preprocessing gives."""
    for tensor in network.initializer:
        # Through NumPy, so that every value stands in `raw_data`, once, and nothing outside the file.
        parts.initializers.append(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
    for node in network.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.ClearField("doc_string")
        for index, name in enumerate(copy.input):
            if name == "inputs":
                copy.input[index] = inputs
        parts.nodes.append(copy)


def add_answer(parts: GraphParts, metadata: ModelMetadata) -> None:
    """The affine calibration of the logits, then softmax, or sigmoid where an image may show several classes."""
    calibration = metadata.calibration or Calibration()
    matrix = calibration.matrix(len(metadata.classes))
    scale = np.array(calibration.scale, np.float32) if matrix is None else matrix.T.astype(np.float32)
    operator = "Mul" if matrix is None else "MatMul"
    scaled = parts.node(operator, ["logits", parts.constant("calibration.scale", scale)], "scaled")
    shift = parts.constant("calibration.shift", np.array(calibration.shift, np.float32))
    calibrated = parts.node("Add", [scaled, shift], "calibrated")
    match metadata.outputs:
        case Sigmoid():
            node = helper.make_node("Sigmoid", [calibrated], ["probabilities"], name="probabilities")
        case Softmax():
            node = helper.make_node("Softmax", [calibrated], ["probabilities"], name="probabilities", axis=-1)
    parts.nodes.append(node)


def add_novelty(parts: GraphParts, novelty: NoveltyScore) -> None:
    """How unlike the training images an image is: the arithmetic of `NoveltyScore.of`, step by step."""

    def constant(name: str, value: np.ndarray) -> str:
        return parts.constant(f"novelty.{name}", value.astype(np.float32))

    def squared(what: str, name: str) -> str:
        return parts.node("ReduceSumSquare", [what, parts.integers(1)], f"novelty.{name}", {"keepdims": 1})

    length = parts.node("ReduceL2", ["embedding", parts.integers(1)], "novelty.length", {"keepdims": 1})
    least = parts.node("Max", [length, constant("least", np.array(SMALLEST))], "novelty.divisor")
    direction = parts.node("Div", ["embedding", least], "novelty.direction")
    centred = parts.node("Sub", [direction, constant("mean", novelty.mean)], "novelty.centred")
    placed = parts.node("MatMul", [centred, constant("projection", novelty.projection)], "novelty.placed")

    def nearest(prototypes: np.ndarray, name: str) -> str:
        towards, norms = constant(name, -2 * prototypes.T), constant(f"{name}-norms", (prototypes**2).sum(axis=1))
        products = parts.node("MatMul", [placed, towards], f"novelty.{name}-products")
        apart = parts.node("Add", [products, norms], f"novelty.{name}-apart")
        return parts.node("ReduceMin", [apart, parts.integers(1)], f"novelty.{name}-nearest", {"keepdims": 1})

    to_classes = nearest(novelty.prototypes, "prototypes")
    distance = parts.node("Add", [to_classes, squared(placed, "squares")], "novelty.distance")
    if novelty.weight:
        inside = constant("inside", np.sqrt(novelty.variances))
        kept = squared(parts.node("Mul", [placed, inside], "novelty.kept"), "length-inside")
        outside = parts.node("Sub", [squared(centred, "length-centred"), kept], "novelty.outside")
        weighed = parts.node("Mul", [outside, constant("weight", np.array(novelty.weight))], "novelty.weighed")
        distance = parts.node("Add", [distance, weighed], "novelty.whole-distance")
    if novelty.sureness is not None:
        distance = parts.node("Mul", [distance, _surprise(parts, novelty.sureness)], "novelty.doubted")
    if novelty.counters is not None:
        nearer = parts.node("Sub", [to_classes, nearest(novelty.counters, "counters")], "novelty.nearer")
        alike = parts.node("Add", [nearer, constant("offset", np.array(novelty.offset))], "novelty.alike")
        distance = parts.node("Max", [distance, alike], "novelty.greater")
    flat = helper.make_node("Squeeze", [distance, parts.integers(1)], ["novelty"], name="novelty")
    parts.nodes.append(flat)


def replace_answer(graph: onnx.GraphProto, metadata: ModelMetadata) -> None:
    """Put another calibration, of whatever kind, in the place of a written graph's."""
    parts = GraphParts()
    add_answer(parts, metadata)
    ours = {node.name for node in parts.nodes}
    nodes = [node for node in graph.node if node.name not in ours] + parts.nodes
    names = {tensor.name for tensor in parts.initializers}
    tensors = [tensor for tensor in graph.initializer if tensor.name not in names] + parts.initializers
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)


def _shape(value: onnx.ValueInfoProto) -> list[int | str]:
    """The sides of an output, as numbers or names."""
    return [side.dim_value or side.dim_param for side in value.type.tensor_type.shape.dim]


def _needed(nodes: Sequence[onnx.NodeProto], outputs: Sequence[onnx.ValueInfoProto]) -> list[onnx.NodeProto]:
    """The nodes that some output needs, in order: evidence that is not given is not computed."""
    wanted = {value.name for value in outputs}
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def _surprise(parts: GraphParts, sureness: Sureness) -> str:
    """(batch, 1): `Sureness.factor`."""

    def constant(name: str, value: np.ndarray | float) -> str:
        return parts.constant(f"novelty.{name}", np.asarray(value, np.float32))

    products = parts.node("MatMul", ["embedding", constant("head", sureness.weight.T)], "novelty.head-products")
    logits = parts.node("Add", [products, constant("head-bias", sureness.bias)], "novelty.head-logits")
    highest = parts.node("ReduceMax", [logits, parts.integers(1)], "novelty.strongest", {"keepdims": 1})
    below = parts.node("Sub", [constant("usual", sureness.usual), highest], "novelty.below")
    power = parts.node("Mul", [below, constant("power", sureness.power)], "novelty.powered")
    limits = constant("least-power", -MOST_POWER), constant("most-power", MOST_POWER)
    return parts.node("Exp", [parts.node("Clip", [power, *limits], "novelty.clipped")], "novelty.factor")
