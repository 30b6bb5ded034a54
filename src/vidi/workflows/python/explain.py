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
    occlusion: bool = True,
    layers: bool = True,
) -> "Explanation":
    """Say why a model answers about an image as it does: maps over the image, training images like it, what layers see.

    Args:
        model: model file or run folder, or what `load` returned; of a run, the nearest training images are told.
        image: an image file, a Pillow image, or (height, width, 3) uint8, upright RGB, or (height, width), grey.
        top: maps for the K most probable classes; for the two or three that matter when left out.
        occlusion: cover one part after another and ask again, which takes a hundred answers or so.
        layers: show what each layer of the network sees.

    Raises:
        ModelError: no model file, or not one to trust.
        ImageError: the image cannot be used.
        ShapeError: an array that is no image.
    """
    from vidi.images.given import as_rgb, list_images
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.explaining.image import Wanted, explain_file, explain_image
    from vidi.workflows.explaining.neighbours import neighbours_of

    predictor = model if isinstance(model, Predictor) else Predictor.load(Path(model))
    wanted = Wanted(
        top=top, occlusion=occlusion, layers=layers, known=neighbours_of(predictor.model, events=LoggedEvents())
    )
    (one,) = list_images([image])
    if isinstance(one, str):
        return explain_file(predictor, one, wanted=wanted)
    return explain_image(predictor, as_rgb(one), wanted=wanted)
