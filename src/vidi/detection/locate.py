"""Boxes around what a classifier recognises: windows over many sizes, then the best of those about one thing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from vidi.boxes import OVERLAP, clip_boxes, covered, overlaps, suppress
from vidi.detection.slide import WindowModel, odds_of
from vidi.errors import UsageError
from vidi.images.framing import PAD_GREY, Framing, frame_image, resize
from vidi.metrics.arrays import SMALLEST_PROBABILITY
from vidi.model_file.limits import Verdict
from vidi.prediction.engines import batch_size
from vidi.prediction.predictor import Predictor

STEPS_PER_OCTAVE = 3  # sizes of windows between one and twice it
BORDER = 0.25  # of a window: so far windows may hang over the image's edges
MOST_PIXELS = 40_000_000  # of one level
LEAST_PROBABILITY = 0.5  # of a box that is given, unless the user says otherwise
MARGIN = 3.0  # in logarithms of odds: windows that lie so far below the least probability are looked at still
MOST_PROPOSED = 2_000  # windows for each class and image, before suppression
INSIDE = 0.8  # share of a box within a better one from which on it may be a part of the same thing
PART_PENALTY = 3.0  # in logarithms of odds: so much less sure is a box within a better one
SAME_THING = 0.6  # IoU of windows whose boxes are averaged


@dataclass(frozen=True, slots=True)
class Level:
    """One size of window in one image."""

    window: tuple[float, float]  # (height, width) in pixels of the image
    scale: tuple[float, float]  # pixels of the level for one pixel of the image, down and across
    border: tuple[int, int]  # (rows, columns) of grey around the image, in pixels of the level


def _window_shape(framing: Framing) -> tuple[float, float]:
    """(height, width) of the window that the network sees whole, where the smaller side is 1."""
    height, width = framing.shrink_to or framing.size
    if framing.mode != "stretch":
        height, width = framing.size
    least = min(height, width)
    return height / least, width / least


def choose_levels(
    size: tuple[int, int],
    framing: Framing,
    *,
    smallest: float | None = None,
    stride: int = 1,
) -> list[Level]:
    """The levels for an image, from the smallest windows on to those as large as the image, borders included.

    Args:
        size: (height, width) of the image, pixels.
        framing: of the model: a window is framed as an image of its own would be.
        smallest: shorter side of the smallest window, pixels of the image; None: a tenth of the image's shorter
            side, but not below a quarter of what the network sees.
        stride: pixels of a level between two places of a map: borders are multiples of it.

    Raises:
        UsageError: the windows are so small that the image, enlarged so that the network sees them, is too large.

    >>> levels = choose_levels((100, 200), Framing(size=(32, 32)), smallest=50)
    >>> [round(level.window[0]) for level in levels]
    [50, 63, 79, 100, 126]
    """
    tall, wide = _window_shape(framing)
    seen = min(framing.shrink_to or framing.size)
    room = (1 + 2 * BORDER) * min(size[0] / tall, size[1] / wide)
    least = min(smallest or max(min(size) / 10, seen / 4), room)
    count = math.floor(STEPS_PER_OCTAVE * math.log2(room / least) + 1e-9) + 1
    down, across = (math.ceil(BORDER * side / stride) * stride for side in framing.size)
    levels = []
    for number in range(count):
        side = least * 2 ** (number / STEPS_PER_OCTAVE)
        window = side * tall, side * wide
        scale = framing.size[0] / window[0], framing.size[1] / window[1]
        levels.append(Level(window, scale, (down, across)))
    height, width = _level_size(size, levels[0])
    if height * width > MOST_PIXELS:
        raise UsageError(
            f"to see windows of {least:.0f} pixels, the image would be enlarged to {width:,} x {height:,} pixels",
            "Use larger windows: --smallest, in pixels of the image.",
        )
    return levels


def _level_size(size: tuple[int, int], level: Level) -> tuple[int, int]:
    """(height, width) of an image at a level, without borders."""
    return max(1, round(size[0] * level.scale[0])), max(1, round(size[1] * level.scale[1]))


def draw_level(image: NDArray[np.uint8], level: Level, framing: Framing, *, stride: int) -> NDArray[np.uint8]:
    """The image at a level, as sharp as the training images were, with grey around it.

    Args:
        image: (height, width, 3) uint8.
        framing: of the model; where it shrinks images first, the level is shrunk and enlarged likewise.
        stride: the result's sides are multiples of it.
    """
    size = (image.shape[0], image.shape[1])
    height, width = _level_size(size, level)
    if framing.shrink_to is not None:
        small = [
            round(side * shrunk / window)
            for side, shrunk, window in zip(size, framing.shrink_to, level.window, strict=True)
        ]
        if small[0] < size[0] and small[1] < size[1]:
            image = resize(image, (max(1, small[0]), max(1, small[1])))
    image = resize(image, (height, width))
    top, left = level.border
    sides = [-(-(side + 2 * edge) // stride) * stride for side, edge in zip((height, width), level.border, strict=True)]
    canvas = np.full((*sides, 3), PAD_GREY, np.uint8)
    canvas[top : top + height, left : left + width] = image
    return canvas


@dataclass(frozen=True, slots=True)
class Located:
    """One box found in an image."""

    label: str  # class of the box
    label_index: int  # its index into the model's classes
    score: float  # calibrated probability of the label for this window
    box: tuple[float, float, float, float]  # x_min, y_min, x_max, y_max in pixels of the upright image
    novelty: float | None = None  # of the window; None if the model has no measure of it
    verdict: Verdict | None = None  # on the answer about a proposed box; None if it was not proposed, or has none
    proposal: float | None = None  # the detector's score of a proposed box

    @property
    def rank(self) -> float:
        """What orders boxes: the score, weighed by the detector's where it proposed the box."""
        return self.score if self.proposal is None else self.score * self.proposal

    @property
    def name(self) -> str:
        """The class, or that the box is unknown to the model.

        >>> Located("ant", 0, 0.4, (0.0, 0.0, 9.0, 9.0), verdict="unknown").name
        'unknown, nearest ant'
        """
        return f"unknown, nearest {self.label}" if self.verdict == "unknown" else self.label


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSearch:
    """How an image is searched."""

    classes: tuple[int, ...]  # indexes of those that are looked for
    least: float = LEAST_PROBABILITY  # probability of a box that is given
    smallest: float | None = None  # shorter side of the smallest window, pixels; None: chosen by the image's size
    most: int = 100  # boxes for each class
    share: tuple[float, float] = (1.0, 1.0)  # of a window's height and width that the thing itself fills


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows of one image that may show one class."""

    boxes: NDArray[np.float64]  # (windows, 4), pixels of the image
    odds: NDArray[np.float64]  # (windows,) logarithm of the class's odds


def locate(image: NDArray[np.uint8], model: WindowModel, predictor: Predictor, search: WindowSearch) -> list[Located]:
    """What is where in an image, the likeliest first.

    Args:
        image: (height, width, 3) uint8, upright RGB.
    """
    found: list[Located] = []
    proposals = _propose(image, model, predictor.metadata.framing, search)
    for label_index, windows in zip(search.classes, proposals, strict=True):
        chosen = _without_copies(windows, most=search.most)
        if not len(chosen.odds):
            continue
        chosen, novelty = _look_again(image, chosen, label_index, predictor, least=search.least)
        boxes = clip_boxes(_inner(chosen.boxes, search.share), (image.shape[0], image.shape[1]))
        rows = suppress(boxes, chosen.odds, overlap=OVERLAP, most=search.most)
        scores = expit(doubt_parts(boxes[rows], chosen.odds[rows]))
        limit = None if predictor.metadata.verdict is None else predictor.metadata.verdict.novelty
        for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
            strange = float(novelty[row])
            if score < search.least or (limit is not None and strange > limit):
                continue
            x_min, y_min, x_max, y_max = boxes[row].tolist()
            found.append(
                Located(
                    label=predictor.classes[label_index],
                    label_index=label_index,
                    score=score,
                    box=(x_min, y_min, x_max, y_max),
                    novelty=None if np.isnan(strange) else strange,
                )
            )
    return sorted(found, key=lambda one: -one.score)


def _propose(image: NDArray[np.uint8], model: WindowModel, framing: Framing, search: WindowSearch) -> list[Windows]:
    """For each class that is looked for its likeliest windows, at most `MOST_PROPOSED`."""
    size = (image.shape[0], image.shape[1])
    levels = choose_levels(size, framing, smallest=search.smallest, stride=model.stride)
    least = logit(search.least) - MARGIN
    found: list[list[Windows]] = [[] for _ in search.classes]
    for level in levels:
        drawn = draw_level(image, level, framing, stride=model.stride)
        answers = model.answer(drawn)
        for place, label_index in enumerate(search.classes):
            odds = answers[..., label_index]
            rows, columns = np.nonzero(odds > least)
            boxes = _boxes_of(level, rows, columns, framing=framing, stride=model.stride)
            found[place].append(Windows(boxes, odds[rows, columns]))
    return [_best(some) for some in found]


def _boxes_of(
    level: Level, rows: NDArray[np.int64], columns: NDArray[np.int64], *, framing: Framing, stride: int
) -> NDArray[np.float64]:
    """(windows, 4) in pixels of the image, of windows at these places of a level's map."""
    top, left = (
        (rows * stride - level.border[0]) / level.scale[0],
        (columns * stride - level.border[1]) / level.scale[1],
    )
    height, width = framing.size[0] / level.scale[0], framing.size[1] / level.scale[1]
    return np.stack([left, top, left + width, top + height], axis=1)


def _best(some: Sequence[Windows]) -> Windows:
    boxes, odds = np.concatenate([one.boxes for one in some]), np.concatenate([one.odds for one in some])
    order = np.argsort(-odds, kind="stable")[:MOST_PROPOSED]
    return Windows(boxes[order], odds[order])


def _without_copies(windows: Windows, *, most: int) -> Windows:
    """The best window about each thing, its box averaged with those that say nearly the same."""
    rows = suppress(windows.boxes, windows.odds, overlap=OVERLAP, most=most)
    shared = overlaps(windows.boxes[rows], windows.boxes)
    weights = np.where(shared >= SAME_THING, expit(windows.odds)[None], 0)
    weights[np.arange(len(rows)), rows] += SMALLEST_PROBABILITY
    boxes = (weights @ windows.boxes) / weights.sum(axis=1, keepdims=True)
    return Windows(boxes, windows.odds[rows])


def _look_again(
    image: NDArray[np.uint8], windows: Windows, label_index: int, predictor: Predictor, *, least: float
) -> tuple[Windows, NDArray[np.float64]]:
    """The windows of which the model file itself is as sure as it must be; the mean of the two looks counts.

    Which looks are sure enough is asked of each by itself; which window is the better one is told best by both.

    Returns:
        The windows, and the novelty of each, NaN where the model has no measure of it.
    """
    framing = predictor.metadata.framing
    at_once = max(1, batch_size(framing) // 4)  # the session keeps the memory of its largest run
    names = [name for name in ("probabilities", "novelty") if name in predictor.model.outputs]
    given = [
        predictor.run(np.stack([cut_out(image, box, framing) for box in windows.boxes[start : start + at_once]]), names)
        for start in range(0, len(windows.boxes), at_once)
    ]
    probabilities = np.concatenate([one["probabilities"] for one in given])
    odds = odds_of(probabilities, predictor.metadata.outputs)[:, label_index]
    novelty = np.full(len(odds), np.nan)
    if "novelty" in names:
        novelty = np.concatenate([one["novelty"] for one in given]).astype(np.float64)
    sure = np.minimum(odds, windows.odds) >= logit(least)
    return Windows(windows.boxes[sure], (odds[sure] + windows.odds[sure]) / 2), novelty[sure]


def doubt_parts(boxes: NDArray[np.float64], odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The odds, lower by `PART_PENALTY` for what lies within a better box: it may be a part of the same thing.

    Args:
        boxes: (boxes, 4).
        odds: (boxes,) logarithms.

    >>> doubt_parts(np.array([[0.0, 0, 10, 10], [1, 1, 4, 4], [8, 8, 14, 14]]), np.array([4.0, 2.0, 1.0])).tolist()
    [4.0, -1.0, 1.0]
    """
    is_part = ((covered(boxes, boxes) >= INSIDE) & (odds[:, None] > odds[None])).any(axis=0)
    return odds - PART_PENALTY * is_part


def cut_out(image: NDArray[np.uint8], box: NDArray[np.floating], framing: Framing) -> NDArray[np.uint8]:
    """(height, width, 3) what a box holds, framed as an image of its own; `piece_of` has the arguments."""
    return frame_image(piece_of(image, box), framing)


def piece_of(image: NDArray[np.uint8], box: NDArray[np.floating]) -> NDArray[np.uint8]:
    """(rows, columns, 3) what a box holds; grey where it hangs over the edge.

    Args:
        image: (height, width, 3) uint8.
        box: (4,) x_min, y_min, x_max, y_max in pixels; rounded to whole ones, at least one each way.
    """
    left, top = round(float(box[0])), round(float(box[1]))
    right, bottom = max(left + 1, round(float(box[2]))), max(top + 1, round(float(box[3])))
    piece = np.full((bottom - top, right - left, 3), PAD_GREY, np.uint8)
    inside = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    down, across = max(-top, 0), max(-left, 0)
    piece[down : down + inside.shape[0], across : across + inside.shape[1]] = inside
    return piece


def _inner(boxes: NDArray[np.float64], share: tuple[float, float]) -> NDArray[np.float64]:
    """The middle part of boxes that has this share of their height and width."""
    centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    half = sides * np.array([share[1], share[0]]) / 2
    return np.concatenate([centres - half, centres + half], axis=1)
