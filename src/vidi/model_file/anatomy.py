"""The network inside a model file: its nodes, the shapes between them, and values on the way. Imports onnx."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import onnx
from onnx import TensorProto, helper, shape_inference

from vidi.model_file.preprocessing import PREFIX
from vidi.model_file.read import ModelFile

OPSET, IR_VERSION = 18, 8
INPUTS = f"{PREFIX}inputs"  # what a model file's preprocessing gives to its network
SMALL = 1_000  # numbers; larger tensors decide no shape


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A network's graph, with the shape of every value in it, if it is known."""

    graph: onnx.GraphProto
    shapes: dict[str, tuple[int, ...]]  # for one image, without the batch; of tensors all sides


def dissect_model(model: ModelFile) -> Anatomy:
    """The network of a model file, without what goes before it."""
    graph = onnx.load_model_from_string(model.data).graph
    nodes = [node for node in graph.node if not _is_preprocessing(node)]
    height, width = model.metadata.framing.size
    return _dissect(graph, nodes, INPUTS, (height, width))


def dissect_network(graph: onnx.GraphProto) -> Anatomy:
    """A network that is not in a file yet: as `vidi.networks.to_onnx` writes it."""
    height, width = (side.dim_value for side in graph.input[0].type.tensor_type.shape.dim[2:])
    return _dissect(graph, list(graph.node), graph.input[0].name, (height, width))


def with_outputs(model: ModelFile, names: Sequence[str]) -> ModelFile:
    """A copy in memory that gives other values of its graph as its outputs, whatever they are."""
    shown = onnx.load_model_from_string(model.data)
    del shown.graph.output[:]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return replace(model, data=shown.SerializeToString())


def _is_preprocessing(node: onnx.NodeProto) -> bool:
    return all(name.startswith(PREFIX) for name in node.output)


def _dissect(
    graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto], inputs: str, image_size: tuple[int, int]
) -> Anatomy:
    kept = helper.make_graph(
        nodes,
        graph.name or "network",
        [helper.make_tensor_value_info(inputs, TensorProto.FLOAT, ["batch", 3, *image_size])],
        [],
    )
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer} | {inputs: (3, *image_size)}
    # Weights take part by their shape alone, so that even a network of a gigabyte is dissected at once.
    kept.input.extend(_by_shape(tensor) for tensor in graph.initializer if _is_large(tensor))
    kept.initializer.extend(tensor for tensor in graph.initializer if not _is_large(tensor))
    model = helper.make_model(kept, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    for value in inferred.value_info:
        sides = value.type.tensor_type.shape.dim
        shapes[value.name] = tuple(side.dim_value for side in list(sides)[1:])
    return Anatomy(graph, shapes)


def _is_large(tensor: TensorProto) -> bool:
    return tensor.data_type == TensorProto.FLOAT and _count(tensor.dims) > SMALL


def _by_shape(tensor: TensorProto) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))


def _count(sides: Iterable[int]) -> int:
    count = 1
    for side in sides:
        count *= side
    return count
