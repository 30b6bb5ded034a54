"""Whether a map tells the truth: what happens to the answer when the parts that it marks are taken away, or alone kept.

Source: Petsiuk, Das and Saenko 2018, RISE: randomized input sampling for explanation of black-box models, section 4.1.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.explanation.maps import Map, enlarge
from vidi.explanation.occlusion import Predict
from vidi.images.framing import Size

STEPS = 10  # of equal area


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
