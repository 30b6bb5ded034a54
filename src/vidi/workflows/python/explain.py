"""`vidi.explain`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.workflows.interaction.logged import LoggedEvents

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from vidi.prediction.predictor import Predictor
    from vidi.report.explanation import Explanation


def explain(
    model: "str | os.PathLike[str] | Predictor",
    image: "str | os.PathLike[str] | NDArray[np.uint8] | Image.Image",
    *,
    top: int | None = None,
) -> "Explanation":
    """Explain the prediction for one image: maps over it, similar training images, and what each layer sees.

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
    wanted = ExplanationParts(top=top, known=neighbours_of(predictor.model, events=LoggedEvents()))
    (one,) = list_images([image])
    if isinstance(one, str):
        return explain_file(predictor, one, wanted=wanted)
    return explain_image(predictor, as_rgb(one), wanted=wanted)
