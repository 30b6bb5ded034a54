"""Lighter forms of a model file's network: numbers of 8 or 16 bits in place of 32. Writing only: imports onnx."""

import contextlib
import logging
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vidi.errors import ModelError
from vidi.model_file.preprocessing import PREFIX

# What may read and give 8 bits; an activation between two of them would else be turned into 32 bits and back.
QUANTISED: Final = ("Conv", "Gemm", "MatMul", "Add", "Concat", "Clip", "Relu", "MaxPool", "AveragePool")
# 7 bits: kernels without VNNI add two products in 16 bits, which 8 bits would overflow.
LEAST_WEIGHT, MOST_WEIGHT = -64, 63
BATCH = 8
LEVELS = 256  # of an activation
INPUTS = f"{PREFIX}inputs"  # the normalised pixels
NORMALISES = (f"{PREFIX}mean", f"{PREFIX}standard_deviation")


def to_int8(model: onnx.ModelProto, images: NDArray[np.uint8]) -> onnx.ModelProto:
    """The model with its network in 8 bits; preprocessing, head, evidence, novelty and calibration stay as they are.

    Each weight tensor has a scale for each of its output channels and lies in -64 … 63; each activation has one scale,
    from the least to the largest value of a batch, the mean of all batches: single images do not widen it.

    Args:
        images: (images, height, width, 3) uint8, framed; the ranges of the activations are theirs.

    Raises:
        ModelError: no layer of the network can be written in 8 bits.

    Source: onnxruntime's static quantisation, with `reduce_range` and QDQ.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    given = onnx.ModelProto()
    given.CopyFrom(model)
    for node in given.graph.node:  # they are chosen by name, and foreign networks may have none
        node.name = node.name or node.output[0]
    names = [node.name for node in network_nodes(given.graph) if node.op_type in QUANTISED]
    _simplify_normalisation(given.graph)
    del given.metadata_props[:]
    with tempfile.TemporaryDirectory(prefix="vidi-") as place, _without_advice():
        target = Path(place) / "int8.onnx"
        quantize_static(
            given,
            target,
            _Reader(images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_quantize=names,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={
                "CalibMovingAverage": True,
                "TensorQuantOverrides": {INPUTS: [_input_range(model.graph)]},
            },
        )
        made = onnx.load_model(target)
    if not any(node.op_type == "DequantizeLinear" for node in made.graph.node):
        raise ModelError("the network has no layer that can be written in 8 bits", "Use --to fp16.")
    _make_plain(made, like=model)
    return made


def _input_range(graph: onnx.GraphProto) -> dict[str, np.float32]:
    """The range of the normalised pixels, 0 to 255, a little wider: their levels are not then those of the 8 bits.

    With as many levels, each pixel's value may lie in the middle between two of them, as with a mean of 127.5, and
    engines round it to different sides.
    """
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.name in NORMALISES}
    mean, deviation = (values[name].astype(np.float64) for name in NORMALISES)
    least, most = float(((0 - mean) / deviation).min()), float(((255 - mean) / deviation).max())
    step = (most - least) / (LEVELS - 2)
    zero = math.ceil(-least / step)
    return {"rmin": np.float32(-zero * step), "rmax": np.float32((LEVELS - 1 - zero) * step)}


class _Reader:
    """Batches of images, as onnxruntime's calibration asks for them."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        # Whole batches alone: onnxruntime's calibration takes arrays of one shape.
        count = len(images) // BATCH * BATCH or len(images)
        self._batches = iter([images[start : start + BATCH] for start in range(0, count, BATCH)])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next batch; None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}

    def __iter__(self) -> Iterator[dict[str, NDArray[np.uint8]]]:
        return iter(self.get_next, None)


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """onnxruntime advises every caller to prepare the model by a tool of its own."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _simplify_normalisation(graph: onnx.GraphProto) -> None:
    """One number in place of three equal ones, so that it can be applied to rows of channels as fast as to maps."""
    for tensor in graph.initializer:
        if tensor.name in NORMALISES:
            values = numpy_helper.to_array(tensor)
            if len(set(values.ravel().tolist())) == 1:
                tensor.CopyFrom(numpy_helper.from_array(values.ravel()[0].reshape(()), tensor.name))


def _make_plain(made: onnx.ModelProto, *, like: onnx.ModelProto) -> None:
    """Every number in `raw_data`, nothing that no node reads, and the parent's operator set, outputs and producer."""
    read = {name for node in made.graph.node for name in node.input}
    tensors = [
        numpy_helper.from_array(_within_7_bits(numpy_helper.to_array(tensor)), tensor.name)
        for tensor in made.graph.initializer
        if tensor.name in read
    ]
    del made.graph.initializer[:], made.graph.value_info[:]
    made.graph.initializer.extend(tensors)
    del made.opset_import[:], made.graph.output[:], made.graph.input[:]
    made.opset_import.extend(like.opset_import)
    made.graph.output.extend(like.graph.output)
    made.graph.input.extend(like.graph.input)
    made.graph.name, made.ir_version = like.graph.name, like.ir_version
    made.producer_name, made.producer_version = like.producer_name, like.producer_version


def _within_7_bits(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Weights as they are, but for the largest of all: onnxruntime's `reduce_range` goes one too far, to 64."""
    return np.minimum(values, np.int8(MOST_WEIGHT)) if values.dtype == np.int8 else values


FEATURES = "embedding"


def network_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that make the embedding of the normalised image, in order.

    Not among them: preprocessing, the head, the evidence, the novelty and the calibration.
    """
    wanted, kept = {FEATURES}, list[onnx.NodeProto]()
    for node in reversed(graph.node):
        if wanted.intersection(node.output) and not node.name.startswith(PREFIX):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


LEAST_VALUES = 256  # what is smaller saves nothing
LARGEST = float(np.finfo(np.float16).max)


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its network's weights in 16 bits; each is turned into 32 bits when the file is opened.

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
