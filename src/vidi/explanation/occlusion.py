"""What an answer loses when a part of the image is covered.

Source: Zeiler and Fergus 2014, Visualizing and understanding convolutional networks, section 4.2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.explanation.maps import Map, enlarge
from vidi.images.framing import Size

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # (batch, height, width, 3) → (batch, classes)
Progress = Callable[[int, int], None]  # done, in all
PATCH_SHARE = 0.2  # of the geometric mean of the sides: small enough to tell parts apart, large enough to be missed
LEAST = 1e-6  # a probability is taken to lie this far from 0 and 1, so that its odds stay finite
BATCH = 16  # covered images for each call
STEPS = 10  # of equal area


@dataclass(frozen=True, slots=True, eq=False)
class Occlusion:
    """The answers about one image, each with another part of it covered."""

    size: Size  # (height, width) of the image, pixels
    place: tuple[int, int, int, int]  # (top, left, height, width) of what was covered at all
    patch: Size  # (height, width) of what is covered at once, pixels
    tops: NDArray[np.int64]  # (rows,) of the patches, pixels; the first may lie above the image
    lefts: NDArray[np.int64]  # (columns,)
    probabilities: NDArray[np.float32]  # (rows, columns, classes) with the patch there
    whole: NDArray[np.float32]  # (classes,) with nothing covered

    def least(self, class_index: int) -> float:
        """The probability of a class with that part covered which it needs most."""
        return float(self.probabilities[:, :, class_index].min())


def choose_patch(size: Size) -> tuple[Size, int]:
    """A square patch and its stride, in pixels, for images of that size.

    >>> choose_patch((128, 128))
    ((26, 26), 13)
    """
    side = max(1, round(PATCH_SHARE * float(np.sqrt(size[0] * size[1]))))
    return (min(side, size[0]), min(side, size[1])), max(1, side // 2)


def occlude(
    predict: Predict,
    image: NDArray[np.uint8],
    *,
    fill: NDArray[np.uint8],
    place: tuple[int, int, int, int] | None = None,
    patch: Size | None = None,
    stride: int | None = None,
    on_progress: Progress | None = None,
) -> Occlusion:
    """Cover one part after another and ask again.

    Args:
        predict: gives probabilities for a batch of images of this size.
        image: (height, width, 3) uint8.
        fill: (3,) or (height, width, 3) uint8; what stands in the covered part.
        place: (top, left, height, width) of what is worth covering; the whole image by default.
        patch: (height, width) of the covered part; of a fifth of the image's sides by default.
        stride: pixels between two patches; half a patch by default.
        on_progress: called with (answers so far, answers in all).

    Raises:
        ShapeError: no image, or a patch or stride below one pixel.
    """
    if image.ndim != 3 or not image.size:
        raise ShapeError(f"an image of shape {image.shape}", "Give (height, width, 3).")
    usual_patch, usual_stride = choose_patch((image.shape[0], image.shape[1]))
    patch, stride = patch or usual_patch, stride or usual_stride
    if min(*patch, stride) < 1:
        raise ShapeError(f"a patch of {patch} pixels in steps of {stride}", "Cover one pixel at least.")
    place = _inside(place or (0, 0, image.shape[0], image.shape[1]), image)
    tops = _starts(place[0], place[0] + place[2], patch[0], stride)
    lefts = _starts(place[1], place[1] + place[3], patch[1], stride)
    corners = [(int(row), int(column)) for row in tops for column in lefts]
    cover, answers = np.broadcast_to(fill, image.shape), [predict(image[None])]
    for start in range(0, len(corners), BATCH):
        some = corners[start : start + BATCH]
        covered = np.repeat(image[None], len(some), axis=0)
        for one, (row, column) in zip(covered, some, strict=True):
            part = _part(row, column, patch, place)
            one[part] = cover[part]
        answers.append(predict(covered))
        if on_progress is not None:
            on_progress(start + len(some), len(corners))
    given = np.concatenate(answers[1:])
    return Occlusion(
        size=(image.shape[0], image.shape[1]),
        place=place,
        patch=patch,
        tops=tops,
        lefts=lefts,
        probabilities=given.reshape(len(tops), len(lefts), -1),
        whole=answers[0][0],
    )


def _inside(place: tuple[int, int, int, int], image: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """What of a place lies within the image."""
    top, left = max(0, place[0]), max(0, place[1])
    bottom, right = min(image.shape[0], place[0] + place[2]), min(image.shape[1], place[1] + place[3])
    return top, left, bottom - top, right - left


def _part(top: int, left: int, patch: Size, place: tuple[int, int, int, int]) -> tuple[slice, slice]:
    """The pixels of a patch that lie in the place."""
    return (
        slice(max(place[0], top), min(place[0] + place[2], top + patch[0])),
        slice(max(place[1], left), min(place[1] + place[3], left + patch[1])),
    )


def _starts(first: int, end: int, patch: int, stride: int) -> NDArray[np.int64]:
    """Where patches begin so that every pixel between two borders is covered about equally often."""
    beyond = (patch - 1) // stride * stride  # patches that begin before the border and still reach in
    return np.arange(first - beyond, end, stride, dtype=np.int64)


def occlusion_map(occlusion: Occlusion, class_index: int) -> Map:
    """How much a class needs each pixel: the mean fall of its log odds over the patches that cover the pixel.

    Log odds, since a probability near 1 hardly moves although the evidence for it falls.

    Returns:
        (height, width) float32: above 0 where covering lowers the class's probability; 0 where nothing was covered.
    """
    falls = _log_odds(occlusion.whole[class_index]) - _log_odds(occlusion.probabilities[:, :, class_index])
    total, count = np.zeros(occlusion.size), np.zeros(occlusion.size)
    for row, top in enumerate(occlusion.tops.tolist()):
        for column, left in enumerate(occlusion.lefts.tolist()):
            part = _part(top, left, occlusion.patch, occlusion.place)
            total[part] += falls[row, column]
            count[part] += 1
    return np.asarray(total / np.maximum(count, 1), np.float32)


def _log_odds(probability: NDArray[np.float32]) -> NDArray[np.float64]:
    held = np.clip(np.asarray(probability, np.float64), LEAST, 1 - LEAST)
    return np.asarray(np.log(held / (1 - held)))


def deletion_curve(
    predict: Predict,
    image: NDArray[np.uint8],
    importance: Map,
    *,
    class_index: int,
    fill: NDArray[np.uint8],
    steps: int = STEPS,
) -> NDArray[np.float32]:
    """The probability of a class while the image vanishes, the most important pixels first.

    Args:
        predict: gives probabilities for a batch of images of this size.
        image: (height, width, 3) uint8.
        importance: (height, width); larger is more important; NaN stays as it is.
        class_index: the class.
        fill: (3,) or (height, width, 3) uint8; what stands where pixels were.
        steps: in how many parts of equal area it vanishes.

    Returns:
        (steps + 1,): at first with nothing gone, at last with nothing left. A map that tells the truth falls early;
        from a blank image, filled with the image itself, it rises early.
    """
    if importance.shape != image.shape[:2] or steps < 1:
        raise ShapeError(
            f"a map of shape {importance.shape} for an image of shape {image.shape}, in {steps} steps",
            "Give one number for each pixel, and one step or more.",
        )
    filled = np.broadcast_to(fill, image.shape).reshape(-1, 3)
    order = np.argsort(-importance.ravel(), kind="stable")[: int(np.isfinite(importance).sum())]  # NaN comes last
    mixed = np.repeat(image[None], steps + 1, axis=0).reshape(steps + 1, -1, 3)
    for step in range(1, steps + 1):
        changed = order[: round(len(order) * step / steps)]
        mixed[step, changed] = filled[changed]
    return np.asarray(predict(mixed.reshape(steps + 1, *image.shape))[:, class_index])


def covered_probabilities(
    predict: Predict,
    image: NDArray[np.uint8],
    importances: Sequence[Map],
    *,
    class_index: int,
    fill: NDArray[np.uint8],
    share: float,
) -> NDArray[np.float32]:
    """The probability of a class with the most important part of an image covered, for each of some maps.

    Args:
        predict: gives probabilities for a batch of images of this size.
        image: (height, width, 3) uint8.
        importances: each (height, width); larger is more important; NaN stays as it is.
        class_index: the class.
        fill: (3,) uint8; what stands where pixels were.
        share: of the area that is covered.
    """
    covered = np.repeat(image[None], len(importances), axis=0)
    for one, importance in zip(covered, importances, strict=True):
        order = np.argsort(-importance.ravel(), kind="stable")[: int(np.isfinite(importance).sum())]
        one.reshape(-1, 3)[order[: round(share * len(order))]] = fill
    return np.asarray(predict(covered)[:, class_index])


def random_map(regions: Size, size: Size, random: np.random.Generator) -> Map:
    """A map that knows nothing, as coarse as another: what a map that tells the truth must beat."""
    return enlarge(random.random(regions, np.float32), size)
