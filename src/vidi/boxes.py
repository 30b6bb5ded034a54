"""Boxes in images: how much they overlap, and which of several about one thing to keep."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError

Boxes = NDArray[np.floating[Any]]  # (boxes, 4): x_min, y_min, x_max, y_max in pixels
OVERLAP = 0.4  # from which on two boxes are taken to be about one thing


def check_boxes(boxes: Boxes) -> None:
    """Refuse what is not a list of boxes.

    Raises:
        ShapeError: not (boxes, 4).
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ShapeError(f"boxes have the shape {boxes.shape}", "Give (boxes, 4): x_min, y_min, x_max, y_max.")


def areas(boxes: Boxes) -> NDArray[np.float64]:
    """(boxes,) width times height, never below 0.

    >>> areas(np.array([[0, 0, 2, 3], [2, 2, 1, 5]]))
    array([6., 0.])
    """
    check_boxes(boxes)
    sides = np.maximum(boxes[:, 2:].astype(np.float64) - boxes[:, :2], 0)
    return np.asarray(sides.prod(axis=1))


def shared_areas(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """(first, second) the area that two boxes share."""
    check_boxes(first)
    check_boxes(second)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.asarray(np.maximum(high.astype(np.float64) - low, 0).prod(axis=2))


def overlaps(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """(first, second) the area that two boxes share, over the area that they cover together (IoU); 0 of empty boxes.

    >>> overlaps(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2], [0, 0, 2, 2], [5, 5, 6, 6]])).round(2)
    array([[0.33, 1.  , 0.  ]])
    """
    shared = shared_areas(first, second)
    together = areas(first)[:, None] + areas(second)[None] - shared
    shares: NDArray[np.float64] = np.divide(shared, together, out=np.zeros_like(shared), where=together > 0)
    return shares


def covered(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """(first, second) how much of each second box lies in a first one; 0 of empty boxes.

    >>> covered(np.array([[0, 0, 10, 10]]), np.array([[8, 0, 12, 10], [2, 2, 3, 3]])).tolist()
    [[0.5, 1.0]]
    """
    shared, own = shared_areas(first, second), areas(second)[None]
    shares: NDArray[np.float64] = np.divide(shared, own, out=np.zeros_like(shared), where=own > 0)
    return shares


def suppress(
    boxes: Boxes,
    scores: NDArray[np.floating[Any]],
    *,
    overlap: float = OVERLAP,
    most: int | None = None,
) -> NDArray[np.int64]:
    """Non-maximum suppression: the rows to keep, best first; what overlaps a better one by more is dropped.

    Args:
        boxes: (boxes, 4).
        scores: (boxes,) float; of equal ones the first is better.
        overlap: IoU from which on the lower one goes.
        most: maximum number of boxes to keep; None keeps all.

    >>> boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]])
    >>> suppress(boxes, np.array([0.8, 0.9, 0.7])).tolist()
    [1, 2]
    """
    check_boxes(boxes)
    kept: list[int] = []
    left = np.argsort(-scores, kind="stable")
    while len(left) and (most is None or len(kept) < most):
        best, left = left[0], left[1:]
        kept.append(int(best))
        one = boxes[best : best + 1]
        left = left[overlaps(one, boxes[left])[0] < overlap]
    return np.array(kept, np.int64)


def clip_boxes(boxes: Boxes, size: tuple[int, int]) -> NDArray[np.float64]:
    """Boxes cut off at the edges of an image of this size (height, width), pixels.

    >>> clip_boxes(np.array([[-3, 2, 50, 8]]), (10, 20))
    array([[ 0.,  2., 20.,  8.]])
    """
    check_boxes(boxes)
    height, width = size
    clipped: NDArray[np.float64] = np.clip(boxes.astype(np.float64), 0, [width, height, width, height])
    return clipped
