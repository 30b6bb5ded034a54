"""A network of someone else's inside our graph, as torch's own exporter writes it."""

import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import inliner
from torch import nn

from vidi.errors import ModelError
from vidi.model_file.anatomy import IR_VERSION, OPSET
from vidi.model_file.walk import OPERATORS, RefusedError, walk_model

_OTHER = "Use another network; convolutional networks usually work."


def export_body(body: nn.Module, *, image_size: tuple[int, int], prefix: str) -> onnx.GraphProto:
    """The graph of a network, every name of which begins with `prefix`, as our own layers' do.

    Args:
        body: (batch, 3, height, width) to (batch, features); left in the mode that it is in.
        image_size: (height, width) in pixels.

    Returns:
        One input and one output; only operators that may stand in a model file.

    Raises:
        ModelError: the exporter cannot write it, or not without other operators.
    """
    training = body.training
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own about torch's insides
            program = torch.onnx.export(
                body.eval(),
                (torch.zeros(2, 3, *image_size),),
                dynamo=True,
                opset_version=OPSET,
                verbose=False,
                input_names=["inputs"],
                output_names=["features"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
    except Exception as error:  # whatever tracing someone else's code runs into
        raise ModelError(f"torch cannot write {prefix} as ONNX: {type(error).__name__}", _OTHER) from error
    finally:
        body.train(training)
    if program is None:
        raise ModelError(f"torch wrote nothing for {prefix}", _OTHER)
    graph = inliner.inline_local_functions(program.model_proto).graph
    if not graph.input[0].type.tensor_type.shape.dim[0].dim_param:  # the exporter falls back to this without a word
        raise ModelError(f"in ONNX, {prefix} accepts only one fixed batch size", _OTHER)
    foreign = sorted({node.op_type for node in graph.node if node.op_type not in OPERATORS or node.domain})
    if foreign:
        raise ModelError(
            f"in ONNX, {prefix} needs operators that a model file may not hold: {', '.join(foreign)}", _OTHER
        )
    _add_prefix(graph, prefix)
    return graph


def check_export(body: nn.Module, graph: onnx.GraphProto, *, image_size: tuple[int, int]) -> None:
    """Whether the graph may stand in a model file, and answers as the network does for any number of images.

    Raises:
        ModelError: it may not, or does not.
    """
    data = graph_bytes(graph)
    try:
        walk_model(data)
    except RefusedError as error:
        raise ModelError(f"in ONNX, the network is not allowed in a model file: {error}", _OTHER) from error
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    inputs = torch.randn(3, 3, *image_size, generator=torch.Generator().manual_seed(0))
    (found,) = session.run(None, {graph.input[0].name: inputs.numpy()})
    with torch.inference_mode():
        expected = body.eval()(inputs).numpy()
    allowed = 1e-3 * max(1.0, float(np.abs(expected).max()))
    if found.shape != expected.shape or not np.abs(found - expected).max() <= allowed:
        raise ModelError("in ONNX, the network gives other predictions than in torch", _OTHER)


def graph_bytes(graph: onnx.GraphProto) -> bytes:
    """A graph alone as a model, to be run here."""
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return bytes(model.SerializeToString())


def _add_prefix(graph: onnx.GraphProto, prefix: str) -> None:
    """Our names, without the exporter's notes on where in the code each node comes from."""
    for field in ("value_info", "metadata_props", "doc_string"):
        graph.ClearField(field)
    for node in graph.node:
        node.name = f"{prefix}.{node.name}"
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        for names in (node.input, node.output):
            names[:] = [f"{prefix}.{name}" if name else "" for name in names]
    for value in (*graph.initializer, *graph.input, *graph.output):
        value.name = f"{prefix}.{value.name}"
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
