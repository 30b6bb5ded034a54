"""`vidi.load`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidi.prediction.predictor import Predictor


def load(model: "str | os.PathLike[str]", *, engine: str = "onnxruntime") -> "Predictor":
    """Open a model file, or the one in a run folder.

    Args:
        model: the model file, its run folder or a registered name.
        engine: executes the graph: onnxruntime, or openvino where it is installed and gives the file's answers;
            auto takes the fastest, measured once for each model and processor.

    Raises:
        ModelError: the file is missing, damaged, changed, hostile, or not written by vidi; or the engine answers
            otherwise than the file says.
        UsageError: no such engine is installed.
    """
    from vidi.prediction.predictor import Predictor

    return Predictor.load(Path(model), engine=engine)
