"""Why an answer came about: maps over the image, and the nearest training images; arrays in, arrays out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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

    Source: Zeiler and Fergus 2014, Visualizing and understanding convolutional networks, section 4.2.
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


def directions(embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
    """Embeddings (images, features) brought to length 1; one of length 0 stays.

    >>> directions(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    known = embeddings.astype(np.float32)
    lengths = np.linalg.norm(known, axis=1, keepdims=True)
    return np.asarray(known / np.maximum(lengths, np.float32(1e-12)), np.float32)


def nearest(
    embeddings: NDArray[np.floating], query: NDArray[np.float32], *, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The rows whose embeddings point most nearly where the query's does.

    Directions, not lengths, are compared, as `novelty` does: how much of something there is matters less than what.

    Args:
        embeddings: (images, features) of the known images.
        query: (features,).
        count: how many rows; fewer where there are not so many.

    Returns:
        Row numbers, the most similar first, and their cosine similarities, at most 1.

    Raises:
        ShapeError: the query has another number of features.

    >>> rows, similarity = nearest(np.array([[1.0, 0.0], [2.0, 2.0]]), np.array([0.0, 3.0], np.float32), count=1)
    >>> rows.tolist(), round(float(similarity[0]), 3)
    ([1], 0.707)
    """
    if embeddings.ndim != 2 or query.shape != embeddings.shape[1:]:
        raise ShapeError(
            f"embeddings of shape {embeddings.shape} and a query of shape {query.shape}",
            "Both must come from the same model.",
        )
    # A product of finite numbers at most 1 cannot be invalid; some builds of BLAS raise the flag all the same.
    with np.errstate(invalid="ignore"):
        similarity = directions(embeddings) @ directions(query[None])[0]
    rows = np.argsort(-similarity, kind="stable")[:count]
    return rows, similarity[rows]
