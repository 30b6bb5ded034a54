"""`vidi.load`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidi.prediction.predictor import Predictor


def load(model: "str | os.PathLike[str]") -> "Predictor":
    """Open a model file, or the one in a run folder.

    Raises:
        ModelError: the file is missing, damaged, changed, hostile, or not written by vidi.
    """
    from vidi.prediction.predictor import Predictor

    return Predictor.load(Path(model))
