"""Images that a Python caller holds, framed for a model, and its probabilities for them."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.errors import DataError, ImageError
from vidi.files import escape_path
from vidi.images.account import Entry
from vidi.images.decode import read_header
from vidi.images.framing import Framing, frame_image
from vidi.images.given import Given, as_rgb, upright_size
from vidi.images.pool import DecodeJob, read_images
from vidi.images.store import GivenFilesStore
from vidi.prediction.predictor import Predictor

Array = NDArray[np.uint8]
Size = tuple[int, int]  # (height, width)
HELD = 64  # Pillow images that are turned into arrays at once


def look_at_given(images: Sequence[Given]) -> list[tuple[int, int]]:
    """Return (height, width) of the upright images from headers and shapes, without unreadable files."""
    store, sizes = GivenFilesStore(), []
    for image in images:
        if isinstance(image, str):
            try:
                sizes.append(read_header(store.read(image)).size)
            except ImageError:
                continue  # whoever decodes it names it
        elif isinstance(image, Image.Image):
            sizes.append(upright_size(image))
        else:
            sizes.append((image.shape[0], image.shape[1]))
    return sizes


def decode_given(images: Sequence[Given], framing: Framing | None = None) -> Iterator[tuple[Array, Size] | Entry]:
    """Decode every image, in order, with its own size; one that cannot be used becomes an entry with the reason.

    Files are read side by side. An image in memory is named by its number.

    Args:
        framing: how they are framed; None leaves them whole.
    """
    files = [image for image in images if isinstance(image, str)]
    paths = iter(read_images(GivenFilesStore(), files, DecodeJob(framing=framing), isolated=False))
    for number, image in enumerate(images):
        if not isinstance(image, str):
            try:
                whole = as_rgb(image)
                pixels = whole if framing is None else frame_image(whole, framing)
                yield pixels, (whole.shape[0], whole.shape[1])
            except ImageError as error:
                yield Entry(f"image {number}", error.code, error.cause)
            continue
        read = next(paths)
        if read.image is not None:
            yield read.image, read.size or (read.image.shape[0], read.image.shape[1])
        elif read.error is not None:
            yield Entry(read.path, read.error.code, read.error.cause)


def answer_given(predictor: Predictor, images: Sequence[Given]) -> NDArray[np.float32]:
    """Predict probabilities (images, classes) for images of any kind and size, in order.

    Raises:
        DataError: one of them cannot be used; a row must not be left out, and a substitute would be a lie.
    """
    rows = np.empty((len(images), len(predictor.classes)), np.float32)
    framed, done = decode_given(images, predictor.metadata.framing), 0
    while batch := list(islice(framed, HELD)):
        for one in batch:
            if isinstance(one, Entry):
                raise DataError(
                    f"{escape_path(one.path)} cannot be used ({one.code}): {one.sentence}",
                    "Leave it out. `vidi check` lists all such files.",
                )
        good = [one[0] for one in batch if not isinstance(one, Entry)]
        rows[done : done + len(good)] = predictor.run(np.stack(good), ("probabilities",))["probabilities"]
        done += len(good)
    return rows
