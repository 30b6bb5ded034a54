"""The usual engine: onnxruntime, which the golden vectors were made with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vidi.model_file.read import ModelFile
from vidi.prediction.session import open_session, run_session


@dataclass(frozen=True, slots=True, eq=False)
class OnnxRuntime:
    """An onnxruntime session of a model file."""

    session: onnxruntime.InferenceSession
    name: str = "onnxruntime"

    def run(self, images: NDArray[np.uint8], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """Run the whole graph, framing included; what no output needs is not computed."""
        return run_session(self.session, images, list(outputs))


def open_onnxruntime(model: ModelFile) -> OnnxRuntime:
    """Open a model file with onnxruntime.

    Raises:
        ModelError: onnxruntime does not take the graph.
    """
    return OnnxRuntime(open_session(model))
