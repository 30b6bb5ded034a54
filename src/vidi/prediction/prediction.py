"""From a row of probabilities to an answer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.model_file.metadata import ModelMetadata


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The answer for one image."""

    label: str  # the most probable class
    label_index: int  # its index into `classes`
    probability: float  # of `label`, calibrated
    probabilities: NDArray[np.float32]  # (classes,), of all classes in the model's order; sums to 1
    classes: tuple[str, ...]  # the model's

    def top(self, count: int) -> list[tuple[str, float]]:
        """The most probable classes with their probabilities, falling; equal ones in the model's order."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.classes[index], float(self.probabilities[index])) for index in order]


def decide(probabilities: NDArray[np.float32], metadata: ModelMetadata) -> Prediction:
    """The answer that a row of probabilities stands for; evaluation and prediction both come here.

    Args:
        probabilities: (classes,) float32; sums to 1.
        metadata: of the model that gave them.

    Raises:
        ShapeError: there is not one probability for each class.
    """
    if probabilities.shape != (len(metadata.classes),):
        raise ShapeError(
            f"probabilities of shape {probabilities.shape} for {len(metadata.classes)} classes",
            "Give one row, with one probability for each class of the model.",
        )
    index = int(probabilities.argmax())
    return Prediction(metadata.classes[index], index, float(probabilities[index]), probabilities, metadata.classes)
