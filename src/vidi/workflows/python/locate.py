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
    by: Literal["windows", "evidence"] = "windows",
    least: float = 0.5,
    smallest: float | None = None,
    largest: float | None = None,
    overlap: float = 0.4,
    soft: bool = False,
    most: int = 100,
    fills: tuple[float, float] = (1.0, 1.0),
) -> "list[LocatedImage]":
    """Find boxes around what a model recognises; it has learnt from labels of whole images alone.

    Nobody knows how good such boxes are before they are compared with true ones: `vidi evaluate --boxes` does that.

    Args:
        model: model file or run folder, or what `load` returned.
        images: a list of paths, of Pillow images, or of uint8 arrays (height, width, 3), upright RGB, or
            (height, width), grey, of any sizes; or one uint8 array of all images.
        classes: to look for; all but those whose name says that nothing is there when left out.
        by: windows of many sizes, or the evidence map of the image as a whole (faster).
        least: probability of a box, at least.
        smallest: shorter side of the smallest window.
        largest: shorter side of the largest window.
        overlap: boxes that overlap by more are about one thing.
        soft: lower the scores of overlapping boxes, not drop them.
        most: boxes for each class and image.
        fills: (height, width), the share of a training image that its thing filled: boxes shrink by it.

    Returns:
        For each image, in order, its `boxes`, the likeliest first: each has a `label`, a `score` and a `box` x_min,
        y_min, x_max, y_max in pixels of the upright image. One that cannot be used has no boxes, and an `error`.

    Raises:
        ModelError: no model file, or not one to trust; or evidence was asked for of a model that gives none.
        ShapeError: `images` holds something else than images.
        UsageError: a class that the model does not have, or a number that makes no sense.
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
