"""A model's outputs for many framed images that are held in memory."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidi.prediction.predictor import Predictor


def run_pixels(
    predictor: Predictor, pixels: NDArray[np.uint8], rows: NDArray[np.int64], outputs: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """Run the model's graph on framed images; the outputs by name."""
    batches = [predictor.run(np.ascontiguousarray(pixels[some]), outputs) for some in in_batches(rows)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in outputs}


def answer_pixels(predictor: Predictor, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Predict probabilities (rows, classes) for framed images."""
    return run_pixels(predictor, pixels, rows, ("probabilities",))["probabilities"]


def in_batches(rows: NDArray[np.int64], size: int = 32) -> list[NDArray[np.int64]]:
    """The rows in pieces of at most `size`, in order."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
