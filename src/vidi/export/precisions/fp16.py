"""Weights of the network in 16 bits. The arithmetic stays in 32: few processors are fast, or exact, in 16."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vidi.errors import ModelError
from vidi.export.precisions.network import network_nodes

LEAST_VALUES = 256  # what is smaller saves nothing
LARGEST = float(np.finfo(np.float16).max)


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its network's weights in 16 bits; each is turned into 32 bits when the file is opened.

    Args:
        model: of a model file.

    Raises:
        ModelError: a weight is too large for 16 bits, or all tensors are small.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    wanted = {name for node in network_nodes(graph) for name in node.input}
    casts = []
    for tensor in graph.initializer:
        if tensor.name not in wanted or tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < LEAST_VALUES:
            continue
        if float(np.abs(values).max()) > LARGEST:
            raise ModelError(f"a weight of {tensor.name} is too large for 16 bits", "Keep the file as it is.")
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.fp16"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], name=f"{name}.cast", to=TensorProto.FLOAT))
    if not casts:
        raise ModelError("the network has no weights that 16 bits would make smaller", "Keep the file as it is.")
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return made
