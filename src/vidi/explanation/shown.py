"""Which classes of an answer get a map, and the maps as JSON."""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vidi.model_file.values import Json
from vidi.prediction.prediction import Prediction

LEAST_CLASSES, MOST_SHOWN, LEAST_PROBABILITY = 2, 3, 0.01  # which classes get maps where nobody says
MOST_SEVERAL = 6  # maps of an image that shows several

Regions: TypeAlias = NDArray[np.float32]  # (classes, rows, columns), class evidence


def labels_shown(prediction: Prediction, top: int | None) -> list[str]:
    """Return the classes that get maps: the `top` ones, else the answer, the next, and a third that it may be.

    For several labels these are the predicted classes, at most `MOST_SEVERAL`, and the next.

    Args:
        prediction: of the image.
        top: how many are wanted; None: those that matter.
    """
    ranked = prediction.top(MOST_SHOWN if top is None else max(1, top))
    if prediction.multi_label:
        said = prediction.decision or ()
        others = [label for label, _ in prediction.top(len(prediction.classes)) if label not in said]
        return [*said, *others][: min(MOST_SEVERAL, max(LEAST_CLASSES, len(said) + 1)) if top is None else max(1, top)]
    return [
        label
        for rank, (label, probability) in enumerate(ranked)
        if top is not None or rank < LEAST_CLASSES or probability >= LEAST_PROBABILITY
    ]


def regions_as_json(
    regions: Regions, prediction: Prediction, labels: "list[str] | Mapping[str, object]"
) -> dict[str, Json]:
    """Return the evidence for some classes as rows of numbers, with five digits after the point.

    Args:
        regions: (classes, rows, columns) float32, for one image.
        prediction: of the same image.
        labels: the classes that are wanted.
    """
    return {
        label: rounded_rows(values)
        for label, values in zip(prediction.classes, regions, strict=True)
        if label in labels
    }


def rounded_rows(values: NDArray[np.floating]) -> list[Json]:
    """Return an array as nested lists, with five digits after the point."""
    rounded: list[Json] = np.round(values.astype(np.float64), 5).tolist()
    return rounded
