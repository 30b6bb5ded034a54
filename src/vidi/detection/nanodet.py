"""Boxes of a detector of NanoDet's kind, and what a classifier answers about each of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax

from vidi.boxes import clip_boxes, suppress
from vidi.detection.locate import Located, WindowSearch, cut_out
from vidi.errors import ShapeError, UsageError
from vidi.files import escape_path
from vidi.images.framing import Framing, frame_image, place_in_frame
from vidi.model_file.metadata import Calibration
from vidi.prediction.engines import batch_size
from vidi.prediction.prediction import Prediction
from vidi.prediction.predictor import Predictor

MAPS = ("scores", "distances")  # outputs of a detector's file
STRIDES = (8, 16, 32, 64)  # pixels between two places of a map, finest map first; NanoDet has three, NanoDet-Plus four
OVERLAP = 0.6  # IoU from which on the lower of two boxes of a class goes, as NanoDet does it
FINEST = 0.01  # score below which, and above 1 less which, all count as the same
MOST_DECODED = 1_000  # places for each class and image, before suppression, as NanoDet does it
MARGIN = 0.1  # of a box's sides, on each side of its crop: classifiers are trained on images with some surroundings


def is_detector(predictor: Predictor) -> bool:
    """Whether the file gives boxes by itself."""
    return set(MAPS) <= set(predictor.model.outputs)


def open_detector(path: Path) -> Predictor:
    """Open a detector's model file.

    Raises:
        UsageError: it is no detector.
        ModelError: it is no model file.
    """
    detector = Predictor.load(path)
    if not is_detector(detector):
        raise UsageError(f"{escape_path(path)} is no detector", "Fetch one: vidi fetch detector.")
    return detector


def strides_of(place_count: int, size: tuple[int, int]) -> tuple[int, ...]:
    """The strides of the maps that have this number of places together.

    Args:
        size: (height, width) of the network's images, pixels.

    Raises:
        ShapeError: no three or four maps have so many.

    >>> strides_of(52 * 52 + 26 * 26 + 13 * 13, (416, 416))
    (8, 16, 32)
    """
    for strides in (STRIDES[:3], STRIDES):
        if place_count == sum(rows * columns for rows, columns in _map_sizes(strides, size)):
            return strides
    raise ShapeError(
        f"maps of {place_count:,} places do not fit images of {size[0]} x {size[1]} pixels",
        f"The strides of a detector are {STRIDES[:3]} or {STRIDES}.",
    )


def _map_sizes(strides: Sequence[int], size: tuple[int, int]) -> list[tuple[int, int]]:
    return [(-(-size[0] // stride), -(-size[1] // stride)) for stride in strides]


def decode_boxes(
    distances: NDArray[np.float32], size: tuple[int, int], rows: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Boxes in pixels of the framed image, from NanoDet's distributions of distances.

    Each of a place's four sides is as far from its centre as the mean of the distribution says, in strides.

    Args:
        distances: (places, 4 * bins) float, logarithms up to a constant; left, top, right and bottom; places of the
            finest map first, row by row.
        size: (height, width) of the framed image, pixels.
        rows: the places to decode; all by default.

    Returns:
        (rows, 4) x_min, y_min, x_max, y_max.

    Raises:
        ShapeError: the maps do not fit the size.

    Source: Li et al. 2020, Generalized Focal Loss, equation 6; the centres are those of NanoDet and NanoDet-Plus.
    """
    strides = strides_of(len(distances), size)
    # NanoDet-Plus, which has the fourth map, counts from a cell's corner, NanoDet from its middle.
    middle = 0.5 if len(strides) == 3 else 0.0
    points = [
        np.stack([*np.meshgrid(np.arange(columns), np.arange(rows)), np.full((rows, columns), stride)], 2).reshape(
            -1, 3
        )
        for stride, (rows, columns) in zip(strides, _map_sizes(strides, size), strict=True)
    ]
    chosen = slice(None) if rows is None else rows
    places = np.concatenate(points)[chosen].astype(np.float64)
    spread = softmax(distances[chosen].reshape(len(places), 4, distances.shape[1] // 4).astype(np.float64), axis=2)
    sides = spread @ np.arange(spread.shape[2])
    centres = places[:, :2] + middle
    boxes: NDArray[np.float64] = np.concatenate([centres - sides[:, :2], centres + sides[:, 2:]], 1) * places[:, 2:]
    return boxes


def locate_by_detector(image: NDArray[np.uint8], predictor: Predictor, search: WindowSearch) -> list[Located]:
    """What a detector finds in an image, the best first.

    Args:
        image: (height, width, 3) uint8, upright RGB.
        search: the classes, the least score, and how many boxes of each.
    """
    framing = predictor.metadata.framing
    given = predictor.run(frame_image(image, framing)[None], MAPS)
    raw = given["scores"][0][:, list(search.classes)]
    rows = np.flatnonzero((raw > FINEST).any(axis=1))
    odds = logit(np.clip(raw[rows].astype(np.float64), FINEST, 1 - FINEST))
    scores = expit((predictor.metadata.calibration or Calibration()).apply(odds))
    boxes = _in_image(decode_boxes(given["distances"][0], framing.size, rows), image.shape[:2], framing)
    found: list[Located] = []
    for label_index, column in zip(search.classes, scores.T, strict=True):
        best = np.argsort(-column, kind="stable")[:MOST_DECODED]
        best = best[column[best] >= search.least]
        for row in best[suppress(boxes[best], column[best], overlap=OVERLAP, most=search.most)].tolist():
            x_min, y_min, x_max, y_max = boxes[row].tolist()
            label = predictor.classes[label_index]
            found.append(Located(label, label_index, float(column[row]), (x_min, y_min, x_max, y_max)))
    return sorted(found, key=lambda one: -one.score)


def _in_image(boxes: NDArray[np.float64], size: tuple[int, ...], framing: Framing) -> NDArray[np.float64]:
    """Boxes in pixels of the framed image as pixels of the image itself."""
    height, width = size
    top, left, down, across = place_in_frame((height, width), framing)
    placed = (boxes - np.array([left, top] * 2)) * np.array([width / across, height / down] * 2)
    return clip_boxes(placed, (height, width))


def answer_proposals(
    image: NDArray[np.uint8],
    predictor: Predictor,
    search: WindowSearch,
    *,
    detector: Predictor,
    proposed: WindowSearch,
) -> list[Located]:
    """What a classifier says of each box that a detector proposes, the surest first.

    A box that the classifier calls unknown is kept, and says so; one that shows no class that is looked for is not.

    Args:
        image: (height, width, 3) uint8, upright RGB.
        search: the classifier's classes, and the least probability of a box.
        proposed: the detector's classes, and the least score of a box.
    """
    boxes = locate_by_detector(image, detector, proposed)
    corners = np.array([one.box for one in boxes]).reshape(-1, 4)
    # One thing may be proposed as two classes.
    rows = suppress(corners, np.array([one.score for one in boxes]), overlap=OVERLAP, most=search.most).tolist()
    framing = predictor.metadata.framing
    crops = [cut_out(image, box, framing) for box in with_margin(corners[rows])]
    size = batch_size(framing)
    answers = [
        answer
        for start in range(0, len(crops), size)
        for answer in predictor.predict_framed(np.stack(crops[start : start + size]))
    ]
    found = [
        Located(
            label=predictor.classes[label_index],
            label_index=label_index,
            score=float(answer.probabilities[label_index]),
            box=boxes[row].box,
            novelty=answer.novelty,
            verdict=answer.verdict,
            proposal=boxes[row].score,
        )
        for row, answer in zip(rows, answers, strict=True)
        for label_index in _shown(answer, search)
    ]
    return sorted(found, key=lambda one: -one.rank)


def _shown(answer: Prediction, search: WindowSearch) -> list[int]:
    """The classes that are looked for and probable enough; of what is unknown the nearest class, however improbable."""
    if answer.verdict == "unknown":
        return [one for one in search.classes if one == answer.label_index]
    return [one for one in search.classes if answer.probabilities[one] >= search.least]


def with_margin(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes as they are cut out for a classifier, in training and in use.

    >>> with_margin(np.array([[10.0, 10.0, 20.0, 30.0]])).tolist()
    [[9.0, 8.0, 21.0, 32.0]]
    """
    grown = (boxes[:, 2:] - boxes[:, :2]) * MARGIN
    return np.concatenate([boxes[:, :2] - grown, boxes[:, 2:] + grown], 1)
