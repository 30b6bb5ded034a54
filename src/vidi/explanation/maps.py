"""Maps of numbers over an image: from the regions of a network's frame to the pixels of the image, and in words."""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.errors import ShapeError
from vidi.images.framing import Framing, Size, place_in_frame
from vidi.metrics.outputs import SOFTMAX, Outputs
from vidi.model_file.values import Json
from vidi.prediction.prediction import Prediction

Map = NDArray[np.float32]  # (rows, columns)
MIDDLE = (3 / 8, 5 / 8)  # of a side: what counts as the middle
WORDS = (("top left", "top", "top right"), ("left", "middle", "right"), ("bottom left", "bottom", "bottom right"))
LEAST_CLASSES, MOST_SHOWN, LEAST_PROBABILITY = 2, 3, 0.01  # which classes get maps where nobody says
MOST_SEVERAL = 6  # maps of an image that shows several
Regions: TypeAlias = NDArray[np.float32]  # (classes, rows, columns), class evidence


def evidence_for(evidence: NDArray[np.float32], class_index: int, outputs: Outputs = SOFTMAX) -> Map:
    """How much each region speaks for a class.

    Its mean over the regions is the class's logit above the mean of the other classes' logits; where each class is
    told by itself, the class's own logit.

    Args:
        evidence: (classes, rows, columns), as the model file gives it for one image.
        class_index: the class.
        outputs: of the model.

    Returns:
        (rows, columns): above 0 where a region speaks for the class, below where it speaks against it.

    >>> evidence_for(np.array([[[3.0, 1.0]], [[1.0, 1.0]]], np.float32), 0).tolist()
    [[2.0, 0.0]]
    """
    if evidence.ndim != 3 or not 0 <= class_index < len(evidence) or len(evidence) < 2:
        raise ShapeError(
            f"evidence of shape {evidence.shape} has no class {class_index} beside others",
            "Give (classes, rows, columns) for one image, of two classes or more.",
        )
    return np.asarray(outputs.evidence_for(evidence, class_index), np.float32)


def enlarge(values: Map, size: Size) -> Map:
    """A map at another size, with smooth passages between its regions."""
    picture = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR), np.float32)


def over_image(values: Map, framing: Framing, image_size: Size, *, shown: Size) -> Map:
    """A map over the network's frame as one over the image: borders fall away, what was cropped off has no value.

    Args:
        values: (rows, columns) over the frame, of any resolution.
        framing: how the image came into the frame.
        image_size: (height, width) of the image, pixels.
        shown: (height, width) of the map that is wanted, pixels.

    Returns:
        (height, width) float32; NaN where the network saw nothing of the image.
    """
    top, left, height, width = place_in_frame(image_size, framing)
    frame = enlarge(values, framing.size)
    whole = np.full((height, width), np.nan, np.float32)
    above, before = max(0, -top), max(0, -left)
    seen = frame[max(0, top) : top + height, max(0, left) : left + width]
    whole[above : above + seen.shape[0], before : before + seen.shape[1]] = seen
    if above or before:  # smoothing would carry the holes inwards
        rows = np.minimum(np.arange(shown[0]) * height // shown[0], height - 1)
        columns = np.minimum(np.arange(shown[1]) * width // shown[1], width - 1)
        return whole[rows][:, columns]
    return enlarge(whole, shown)


def strongest_place(values: Map) -> tuple[float, float]:
    """Where a map is largest: (down, across) as shares of its sides; the middle of that spot, holes left out.

    >>> strongest_place(np.array([[0.0, 0.0], [0.0, 1.0]], np.float32))
    (0.75, 0.75)
    """
    row, column = np.unravel_index(int(np.nanargmax(values)), values.shape)
    return (int(row) + 0.5) / values.shape[0], (int(column) + 0.5) / values.shape[1]


def place_in_words(values: Map) -> str:
    """Where a map is largest, for those who do not see it.

    >>> place_in_words(np.array([[0.0, 0.0], [0.0, 1.0]], np.float32))
    'bottom right'
    """
    down, across = (sum(share > border for border in MIDDLE) for share in strongest_place(values))
    return WORDS[down][across]


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
