"""`vidi.locate`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vidi.options import made
from vidi.workflows.requests.locate import LocateRequest

if TYPE_CHECKING:
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.locating.search import LocatedImage


def locate(
    model: "str | os.PathLike[str] | Predictor",
    images: object,
    *,
    classes: Sequence[str] | None = None,
    by: Literal["windows", "evidence"] | None = None,
    least: float = 0.5,
    smallest: float | None = None,
    fills: tuple[float, float] = (1.0, 1.0),
) -> "list[LocatedImage]":
    """Find boxes around what a model recognises; it was trained on labels of whole images only.

    Measure how good the boxes are on images with true boxes: `vidi evaluate --boxes`.

    Args:
        model: path to a model file or a run folder, or a `Predictor`.
        images: list of paths, Pillow images or uint8 arrays of any sizes, or one uint8 array of all images. Arrays are
            (height, width, 3), upright RGB, or (height, width), grey.
        classes: classes to find; by default all but those whose name means that nothing is there.
        by: search method: windows of many sizes or the evidence map (default: windows; one box without a class for
            nothing).
        least: minimum probability of a box.
        smallest: shorter side of the smallest window, in pixels.
        fills: share (height, width) of a training image that the object fills; boxes shrink by it.

    Returns:
        One result per image, in order, with its `boxes`, most probable first. A box has a `label`, a `score` and a
        `box` (x_min, y_min, x_max, y_max) in pixels of the upright image. An image that cannot be used has an `error`.

    Raises:
        ModelError: there is no model file, it cannot be trusted, or it gives no evidence for `by="evidence"`.
        ShapeError: `images` holds something other than images.
        UsageError: the model does not have the class, or a number is out of range.
    """
    given = dict(locals())
    from vidi.images.given import list_images
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.locating.given import locate_given
    from vidi.workflows.locating.search import finder

    listed = list_images(images)
    predictor = model if isinstance(model, Predictor) else Predictor.load(Path(model))
    request = made(LocateRequest, given)
    return list(locate_given(finder(predictor, request), listed))
