"""A loaded model file: images in, predictions out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile, read_model
from vidi.prediction.prediction import Prediction, decide
from vidi.prediction.session import open_session, run_session

Image = NDArray[np.uint8]  # (height, width, 3), RGB, upright

BATCH = 16  # images for each run; larger ones take more memory and are not faster (performance notes, section 4)


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What the model file gives for a batch."""

    probabilities: NDArray[np.float32]  # (batch, classes), calibrated; rows sum to 1
    embedding: NDArray[np.float32]  # (batch, features), the layer before the head
    evidence: NDArray[np.float32] | None  # (batch, classes, rows, columns); None where the model has none


class Predictor:
    """A loaded model file: images in, predictions out. Safe to share between threads."""

    def __init__(self, session: onnxruntime.InferenceSession, model: ModelFile) -> None:
        self.session = session
        self.model = model

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Open a model file, or the one in a run folder.

        Raises:
            ModelError: it is not there, damaged, changed, hostile, or not written by vidi.
        """
        model = read_model(Path(path))
        return cls(open_session(model), model)

    @property
    def metadata(self) -> ModelMetadata:
        """What the model file says about itself."""
        return self.model.metadata

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of every row of probabilities."""
        return self.metadata.classes

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """Classify upright RGB images of any size: one prediction for each, in order.

        Args:
            images: each (height, width, 3) uint8.

        Raises:
            ShapeError: an image has another shape or type.
        """
        return [decide(row, self.metadata) for row in self.probabilities(images)]

    def probabilities(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Calibrated probabilities (batch, classes) for upright RGB images of any size.

        Raises:
            ShapeError: an image has another shape or type.
        """
        rows = np.empty((len(images), len(self.classes)), np.float32)
        for index, image in enumerate(images):
            check_image(image)
            rows[index] = self.run(image[None]).probabilities[0]
        return rows

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Everything the model gives for images (batch, height, width, 3) uint8 of one size, any size."""
        names = list(self.model.outputs)
        answers = dict(zip(names, run_session(self.session, images, names), strict=True))
        return Outputs(answers["probabilities"], answers["embedding"], answers.get("evidence"))


def check_image(image: NDArray[np.uint8]) -> None:
    """Refuse an array that is no image.

    Raises:
        ShapeError: not (height, width, 3) uint8, or without pixels.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ShapeError(
            f"an image has shape {image.shape} and type {image.dtype}",
            "Give (height, width, 3) uint8, RGB, upright; `vidi.images.decode.decode_image` makes such arrays.",
        )
