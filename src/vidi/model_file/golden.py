"""Golden vectors: drawn tiny images and their answers, so that any host can check itself."""

import base64
import math
from collections.abc import Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vidi.errors import ModelError
from vidi.metrics.outputs import SIGMOID, Outputs
from vidi.model_file.metadata import GoldenVector

SIZES = ((12, 16), (21, 9), (1, 1), (32, 32))  # (height, width): wide, tall, the smallest, and square
TOLERANCE = 1e-4  # of probability; processors add in different orders, and fp32 logits then differ by a few 1e-6


def draw_golden_image(size: tuple[int, int]) -> NDArray[np.uint8]:
    """A drawn image (height, width, 3): ramps and a checkerboard, by whole-number arithmetic alone.

    >>> draw_golden_image((1, 2)).tolist()
    [[[0, 128, 40], [181, 91, 40]]]
    """
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    red = (columns * 181 + rows * 13) % 256
    green = (rows * 97 - columns * 37 + 128) % 256
    blue = ((rows // 3 + columns // 4) % 2) * 170 + 40
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def encode_image(image: NDArray[np.uint8]) -> str:
    """The pixels as base64."""
    return base64.b64encode(np.ascontiguousarray(image).tobytes()).decode("ascii")


def decode_golden(vector: GoldenVector) -> NDArray[np.uint8]:
    """The image (height, width, 3) of a golden vector.

    Raises:
        ModelError: it does not hold as many bytes as its size says.
    """
    height, width = vector.size
    try:
        data = base64.b64decode(vector.image, validate=True)
    except ValueError as error:
        raise ModelError("a golden vector's image is not base64", "Use a file that vidi wrote.") from error
    if len(data) != height * width * 3 or not data:
        raise ModelError(
            f"a golden vector of {height} x {width} pixels has {len(data):,} bytes", "Use a file that vidi wrote."
        )
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


def make_golden(session: onnxruntime.InferenceSession, outputs: Outputs) -> tuple[GoldenVector, ...]:
    """Ask the model about the drawn images.

    Raises:
        ModelError: an answer is not finite, or that of a model of one label each does not sum to 1.
    """
    vectors = []
    for size in SIZES:
        image = draw_golden_image(size)
        row = _answer(session, image)
        sums_to_one = outputs == SIGMOID or math.isclose(float(row.sum()), 1, abs_tol=1e-3)
        if not np.isfinite(row).all() or not sums_to_one:
            raise ModelError(
                f"the network's probabilities for a drawn image of {size[0]} x {size[1]} pixels sum to {row.sum()}",
                "Its weights hold values that are not finite; train it again from the last good checkpoint.",
            )
        vectors.append(GoldenVector(image=encode_image(image), size=size, probabilities=readable(row)))
    return tuple(vectors)


def _answer(session: onnxruntime.InferenceSession, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The probabilities (classes,) for one image.

    Raises:
        ModelError: the graph fails on it.
    """
    options = onnxruntime.RunOptions()
    options.log_severity_level = 4  # fatal only: the error itself says what is wrong
    try:
        row: NDArray[np.float32] = session.run(["probabilities"], {"images": image[None]}, options)[0][0]
    except Exception as error:  # onnxruntime's own errors have no common class below Exception
        raise ModelError(
            f"the model fails on an image of {image.shape[0]} x {image.shape[1]} pixels: {str(error)[:300]}",
            "The network's layers do not fit its image size; build it for the framing's size.",
        ) from error
    return row


def readable(row: Sequence[float] | NDArray[np.float32]) -> tuple[float, ...]:
    """Probabilities with seven significant digits: all that float32 holds, and short in JSON."""
    return tuple(float(f"{float(value):.7g}") for value in row)


def largest_golden_difference(session: onnxruntime.InferenceSession, vectors: Sequence[GoldenVector]) -> float:
    """How far this host's answers are from those in the file: the largest difference of a probability.

    Raises:
        ModelError: the file holds no golden vectors, or damaged ones.
    """
    if not vectors:
        raise ModelError("the file holds no golden vectors", "Write it again from its run.")
    differences = []
    for vector in vectors:
        row = _answer(session, decode_golden(vector))
        if len(row) != len(vector.probabilities):
            raise ModelError("a golden vector does not fit the model's classes", "Use a file that vidi wrote.")
        differences.append(float(np.abs(row - np.array(vector.probabilities)).max()))
    return max(differences)
