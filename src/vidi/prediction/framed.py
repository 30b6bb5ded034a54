"""A model's outputs for many framed images that are held in memory."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from vidi.machine import Deadline, core_count
from vidi.prediction.predictor import Predictor
from vidi.prediction.session import batch_size

MOST_TOGETHER = 32  # images for each run of the session


def run_pixels(
    predictor: Predictor, pixels: NDArray[np.uint8], rows: NDArray[np.int64], outputs: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """Run the model's graph on framed images, on every core; the outputs by name."""
    batches = list(run_until(predictor, pixels, rows, outputs))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in outputs}


def run_until(
    predictor: Predictor,
    pixels: NDArray[np.uint8],
    rows: NDArray[np.int64],
    outputs: Sequence[str],
    *,
    until: Deadline | None = None,
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """The same in pieces, in order, for as many of the first images as there is time for.

    Args:
        predictor: the model.
        pixels: (images, height, width, 3) uint8, framed; possibly memory-mapped.
        rows: which of them.
        outputs: names of the graph's outputs.
        until: when the last piece is begun; None: all are.
    """
    batches = in_batches(rows, min(MOST_TOGETHER, batch_size(predictor.metadata.framing)))

    def answer(some: NDArray[np.int64]) -> dict[str, NDArray[np.float32]] | None:
        if until is not None and until.seconds_left() <= 0:
            return None
        return predictor.run(np.ascontiguousarray(pixels[some]), outputs)

    # A session uses one core for each run: runs side by side use them all.
    with ThreadPoolExecutor(max(1, min(core_count(), len(batches))), thread_name_prefix="vidi-run") as threads:
        for given in threads.map(answer, batches):
            if given is None:
                return
            yield given


def answer_pixels(predictor: Predictor, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Predict probabilities (rows, classes) for framed images."""
    return run_pixels(predictor, pixels, rows, ("probabilities",))["probabilities"]


def embed_images(predictor: Predictor, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The embeddings (rows, features) of framed images; without features where there are no images."""
    if not len(rows):
        return np.empty((0, 0), np.float32)
    return run_pixels(predictor, pixels, rows, ("embedding",))["embedding"]


def in_batches(rows: NDArray[np.int64], size: int = MOST_TOGETHER) -> list[NDArray[np.int64]]:
    """The rows in pieces of at most `size`, in order."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
