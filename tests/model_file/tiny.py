"""A network small enough to follow by hand, and model files made of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vidi.images.framing import Framing
from vidi.model_file.metadata import Calibration, ModelMetadata, Provenance
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.write import set_metadata, write_model


def tiny_network(
    *, classes: int = 3, size: tuple[int, int] = (16, 16), seed: int = 0, evidence: bool = True
) -> onnx.GraphProto:
    """A 1x1 convolution, global mean, and a linear head, with random weights."""
    random = np.random.default_rng(seed)
    weights = {
        "layer.weight": random.normal(size=(4, 3, 1, 1)).astype(np.float32),
        "layer.bias": random.normal(size=4).astype(np.float32),
        "head.weight": random.normal(size=(classes, 4, 1, 1)).astype(np.float32),
        "head.bias": random.normal(size=classes).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["inputs", "layer.weight", "layer.bias"], ["mixed"]),
        helper.make_node("Relu", ["mixed"], ["maps"]),
        helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
        helper.make_node("Conv", ["maps", "head.weight", "head.bias"], ["evidence"]),
        helper.make_node("GlobalAveragePool", ["evidence"], ["head"]),
        helper.make_node("Flatten", ["head"], ["logits"]),
    ]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 4]),
    ]
    if evidence:
        outputs.append(helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["batch", classes, *size]))
    inputs = [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["batch", 3, *size])]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    return helper.make_graph(nodes, "network", inputs, outputs, tensors)


def tiny_metadata(*, classes: int = 3, framing: Framing | None = None) -> ModelMetadata:
    """Metadata that fits `tiny_network`."""
    return ModelMetadata(
        classes=tuple(f"class {index}" for index in range(classes)),
        framing=framing or Framing(size=(16, 16)),
        provenance=Provenance(
            network="tiny",
            run="tiny-run",
            date="2026-11-21T12:00:00Z",
            description="Random weights.",
            license="Apache-2.0",
        ),
    )


def tiny_model(path: Path, *, classes: int = 3, framing: Framing | None = None, seed: int = 0) -> ModelFile:
    """A written model file with random weights."""
    metadata = tiny_metadata(classes=classes, framing=framing)
    return write_model(path, tiny_network(classes=classes, size=metadata.framing.size, seed=seed), metadata)


def recalibrate(path: Path, calibration: Calibration | None) -> ModelFile:
    """Give a model file another calibration; None: the bare logits."""
    return set_metadata(path, replace(read_model(path).metadata, calibration=calibration))


def with_provenance(metadata: ModelMetadata, **changes: Any) -> ModelMetadata:
    """The metadata of a model that comes from elsewhere."""
    return replace(metadata, provenance=replace(metadata.provenance, **changes))
