"""A sheet that shows what augmentation does to the user's own images."""

from pathlib import Path

import numpy as np

from vidi.errors import DataError
from vidi.files import escape_path, write_atomic
from vidi.images.encode import encode_png
from vidi.images.framing import choose_framing
from vidi.images.pool import DecodeJob, read_images
from vidi.training.augment import preview
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run.read import find_images
from vidi.workflows.run.recipes import choose_recipe

ROWS = 8  # images shown
COPIES = 7  # of each, beside the image as it is


def write_preview(request: TrainRequest, path: Path) -> Path:
    """Write a PNG: a row for each of eight images, first as the network gets it, then as augmentation changes it.

    Raises:
        DataError: no image could be read.
        ResourceError: the file cannot be written.
    """
    found = find_images(request.data)
    recipe, dataset = choose_recipe(request, found.traits), found.dataset
    framing = choose_framing(found.sizes, recipe.image_size, mode=request.data.framing)
    step = max(1, len(dataset.images) // ROWS)
    chosen = [image.path for image in dataset.images[::step]][:ROWS]
    stream = read_images(
        dataset.store, chosen, DecodeJob(framing=framing, options=decode_options(request.data)), isolated=False
    )
    images = [read.image for read in stream if read.image is not None]
    if not images:
        raise DataError(
            f"{escape_path(dataset.source)}: none of {len(chosen)} images could be read", "See `vidi check`."
        )
    write_atomic(path, encode_png(preview(np.stack(images), recipe.augmentation, copies=COPIES, seed=recipe.seed)))
    return path
