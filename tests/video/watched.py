"""A model that tells light from dark, and videos that are light now and then."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.model_file.tiny import tiny_metadata
from tests.video.draw import write_video
from vidi.images.framing import Framing
from vidi.model_file.write import write_model
from vidi.prediction.predictor import Predictor

CLASSES = ("background", "light")
DARK, LIGHT = 40, 215  # grey levels
SIZE = (16, 16)
STEEPNESS = 8.0


def light_network() -> onnx.GraphProto:
    """The mean of all pixels, normalised to -1 … 1, and a logit for and against light; grey is neither."""
    signs = np.array([-STEEPNESS, STEEPNESS], np.float32)
    weights = {
        "mean.weight": np.full(3, 1 / 3, np.float32).reshape(1, 3, 1, 1),
        "head.weight": signs.reshape(2, 1, 1, 1),
    }
    nodes = [
        helper.make_node("Conv", ["inputs", "mean.weight"], ["maps"]),
        helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
        helper.make_node("Conv", ["maps", "head.weight"], ["evidence"]),
        helper.make_node("GlobalAveragePool", ["evidence"], ["head"]),
        helper.make_node("Flatten", ["head"], ["logits"]),
    ]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 1]),
        helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["batch", 2, *SIZE]),
    ]
    inputs = [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["batch", 3, *SIZE])]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    return helper.make_graph(nodes, "network", inputs, outputs, tensors)


def light_model(path: Path) -> Path:
    """A model file of it."""
    metadata = replace(tiny_metadata(classes=2, framing=Framing(size=SIZE)), classes=CLASSES)
    return write_model(path, light_network(), metadata).path


def light_predictor(folder: Path) -> Predictor:
    return Predictor.load(light_model(folder / "light.onnx"))


def picture(level: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


def light_video(path: Path, parts: Sequence[tuple[bool, int]]) -> Path:
    """A video of ten frames a second: each part is light or dark for so many frames."""
    frames = [picture(LIGHT if is_light else DARK) for is_light, count in parts for _ in range(count)]
    return write_video(path, frames)
