"""How well boxes are found: which ones hit a true box, average precision, and the pointing game."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.boxes import Boxes, overlaps
from vidi.metrics.arrays import Floats

OVERLAP = 0.5  # IoU from which on a box counts as a hit
OVERLAPS = tuple(0.5 + 0.05 * step for step in range(10))  # over which COCO takes the mean
RECALL_POINTS = np.linspace(0, 1, 101)  # at which precision is read, as COCO does
MOST_BOXES = 100  # of an image that are judged, the best ones, as COCO does


@dataclass(frozen=True, slots=True, eq=False)
class FoundBoxes:
    """What was found in one image and what is there, of one class."""

    boxes: Boxes  # (found, 4)
    scores: Floats  # (found,)
    truth: Boxes  # (true, 4)


@dataclass(frozen=True, slots=True, eq=False)
class DetectionCurve:
    """Precision and recall as the limit on the score falls, one point for each box."""

    scores: Floats  # (boxes,) falling
    precision: Floats  # (boxes,)
    recall: Floats  # (boxes,)
    truth_count: int

    @property
    def best_precision(self) -> Floats:
        """(101,) at each of `RECALL_POINTS` the best precision at that recall or beyond; 0 where it is not reached."""
        if not len(self.precision):
            return np.zeros(len(RECALL_POINTS))
        best = np.maximum.accumulate(self.precision[::-1])[::-1]
        places = np.searchsorted(self.recall, RECALL_POINTS, side="left")
        reached = places < len(best)
        return np.where(reached, best[np.minimum(places, len(best) - 1)], 0)

    @property
    def average_precision(self) -> float | None:
        """Mean over 101 recalls of the best precision at that recall or beyond; None where there is no true box.

        Source: Lin and others 2014, Microsoft COCO.
        """
        return float(self.best_precision.mean()) if self.truth_count else None


def match_boxes(found: FoundBoxes, *, overlap: float = OVERLAP) -> NDArray[np.bool_]:
    """(found,) which boxes are hits: each true box is hit once, by the best-scored box that overlaps it enough.

    A box takes the true box, of those still free, that it overlaps most.

    >>> truth = np.array([[0, 0, 10, 10]])
    >>> boxes = np.array([[0, 0, 9, 10], [0, 0, 10, 10], [30, 30, 40, 40]])
    >>> match_boxes(FoundBoxes(boxes, np.array([0.6, 0.9, 0.5]), truth)).tolist()
    [False, True, False]
    """
    hits = np.zeros(len(found.scores), bool)
    if not len(found.truth):
        return hits
    shared = overlaps(found.boxes, found.truth)
    for row in np.argsort(-found.scores, kind="stable").tolist():
        best = int(shared[row].argmax())
        if shared[row, best] >= overlap:
            hits[row] = True
            shared[:, best] = -1
    return hits


def detection_curve(images: Sequence[FoundBoxes], *, overlap: float = OVERLAP) -> DetectionCurve:
    """The curve over all images of one class; of each image the best `MOST_BOXES` boxes count."""
    scores, hits = [np.empty(0)], [np.empty(0, bool)]
    for found in images:
        order = np.argsort(-found.scores, kind="stable")[:MOST_BOXES]
        judged = FoundBoxes(found.boxes[order], found.scores[order], found.truth)
        scores.append(np.asarray(judged.scores, np.float64))
        hits.append(match_boxes(judged, overlap=overlap))
    all_scores, all_hits = np.concatenate(scores), np.concatenate(hits)
    order = np.argsort(-all_scores, kind="stable")
    count = sum(len(found.truth) for found in images)
    right = np.cumsum(all_hits[order]).astype(np.float64)
    return DetectionCurve(
        scores=all_scores[order],
        precision=right / np.arange(1, len(order) + 1),
        recall=right / max(count, 1),
        truth_count=count,
    )


def pointing_game(images: Sequence[FoundBoxes]) -> tuple[int, int]:
    """In how many images that show the class the middle of the best box lies in a true box, and of how many.

    Source: Zhang and others 2016, Top-down neural attention by excitation backprop.
    """
    shown = [found for found in images if len(found.truth)]
    return sum(_points_into(found) for found in shown), len(shown)


def _points_into(found: FoundBoxes) -> bool:
    if not len(found.scores):
        return False
    x_min, y_min, x_max, y_max = found.boxes[int(np.argmax(found.scores))]
    x, y = (x_min + x_max) / 2, (y_min + y_max) / 2
    inside = (found.truth[:, 0] <= x) & (x <= found.truth[:, 2]) & (found.truth[:, 1] <= y) & (y <= found.truth[:, 3])
    return bool(inside.any())
