"""Weights and activations of the network in 8 bits, as QuantizeLinear and DequantizeLinear of the standard domain."""

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
from onnx import numpy_helper

from vidi.errors import ModelError
from vidi.export.precisions.network import network_nodes
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
        model: of a model file.
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
