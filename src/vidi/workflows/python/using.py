"""`vidi.load`, `locate` and `explain`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vidi.options import made
from vidi.workflows.interaction.events import logged_events
from vidi.workflows.requests.model_file import LocateRequest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from vidi.prediction.predictor import Predictor
    from vidi.report.pages.boxes import LocatedImage
    from vidi.report.pages.explain import Explanation


def load(model: "str | os.PathLike[str]", *, engine: str = "onnxruntime") -> "Predictor":
    """Open a model file, or the one in a run folder.

    Args:
        model: the model file, its run folder or a registered name.
        engine: executes the graph: onnxruntime, or openvino where it is installed and gives the file's answers.

    Raises:
        ModelError: the file is missing, damaged, changed, hostile, or not written by vidi; or the engine answers
            otherwise than the file says.
        UsageError: no such engine is installed.
    """
    from vidi.prediction.predictor import Predictor

    return Predictor.load(Path(model), engine=engine)


def locate(
    model: "str | os.PathLike[str] | Predictor",
    images: object,
    *,
    classes: Sequence[str] | None = None,
    by: Literal["windows", "evidence"] | None = None,
    least: float = 0.5,
    smallest: float | None = None,
    fills: tuple[float, float] = (1.0, 1.0),
    proposals: "str | os.PathLike[str] | None" = None,
    only: Sequence[str] | None = None,
) -> "list[LocatedImage]":
    """Find boxes around what a model recognises: a detector, or a model trained on labels of whole images.

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
        proposals: ask the model only about the boxes of this detector, a model file.
        only: classes of the detector that are proposed; by default all.

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
    from vidi.workflows.locating import finder, locate_given

    listed = list_images(images)
    predictor = model if isinstance(model, Predictor) else Predictor.load(Path(model))
    request = made(LocateRequest, given)
    return list(locate_given(finder(predictor, request), listed))


def explain(
    model: "str | os.PathLike[str] | Predictor",
    image: "str | os.PathLike[str] | NDArray[np.uint8] | Image.Image",
    *,
    top: int | None = None,
) -> "Explanation":
    """Explain the prediction for one image by maps, similar training images, and what each layer sees.

    Args:
        model: path to a model file or a run folder, or a `Predictor`; only a run folder gives similar training images.
        image: path, Pillow image, or uint8 array: (height, width, 3) upright RGB, or (height, width) grey.
        top: number of most probable classes to explain; by default the two or three that matter.

    Raises:
        ModelError: there is no model file, or it cannot be trusted.
        ImageError: the image cannot be used.
        ShapeError: the array is not an image.
    """
    from vidi.images.given import as_rgb, list_images
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.explaining.image import ExplanationParts, explain_file, explain_image
    from vidi.workflows.explaining.neighbours import neighbours_of

    predictor = model if isinstance(model, Predictor) else Predictor.load(Path(model))
    wanted = ExplanationParts(top=top, known=neighbours_of(predictor.model, events=logged_events()))
    (one,) = list_images([image])
    if isinstance(one, str):
        return explain_file(predictor, one, wanted=wanted)
    return explain_image(predictor, as_rgb(one), wanted=wanted)
