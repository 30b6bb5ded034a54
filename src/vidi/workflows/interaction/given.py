"""Images that a Python caller holds: paths, arrays or Pillow images, framed one way."""

import os
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.data.inputs import GivenFilesStore
from vidi.errors import DataError, ImageError, ShapeError
from vidi.files import escape_path
from vidi.images.account import Entry
from vidi.images.decode import read_header
from vidi.images.framing import Framing, frame_image
from vidi.images.from_pillow import from_pillow, upright_size
from vidi.images.pool import read_images
from vidi.prediction.predictor import Predictor

Array = NDArray[np.uint8]
Given = str | Array | Image.Image  # one image: the path of a file, an array, or a Pillow image
HELD = 64  # Pillow images that are turned into arrays at once

_REMEDY = "Give paths, Pillow images, or uint8 arrays (height, width, 3), RGB, or (height, width), grey; any sizes."


def list_images(images: object) -> list[Given]:
    """The images one by one, from a list of them or from an array that holds them all.

    Args:
        images: a sequence of paths, of Pillow images, or of uint8 arrays (height, width, 3) or (height, width); or one
            uint8 array (images, height, width, 3) or (images, height, width); or an array of paths.

    Raises:
        ShapeError: it is none of these.

    >>> [image.shape for image in list_images(np.zeros((2, 8, 9), np.uint8))]
    [(8, 9), (8, 9)]
    """
    if isinstance(images, str | bytes | os.PathLike | Image.Image):
        raise ShapeError("one image was given where a list of images belongs", "Put it into a list: [image].")
    if isinstance(images, np.ndarray):
        return _from_array(images)
    if not isinstance(images, Sequence):
        images = list(images) if hasattr(images, "__iter__") else [images]
    return [_one(image, number) for number, image in enumerate(images)]


def _from_array(images: NDArray[np.generic]) -> list[Given]:
    if images.dtype.kind in "OU":
        return [_one(image, number) for number, image in enumerate(images.reshape(-1).tolist())]
    if images.ndim == 3 and images.shape[2] == 3:
        raise ShapeError(f"one image of shape {images.shape} was given where images belong", "Put it into a list.")
    if images.ndim not in (3, 4):
        raise ShapeError(f"the images are an array of shape {images.shape} and type {images.dtype}", _REMEDY)
    return [_one(image, number) for number, image in enumerate(images)]


def _one(image: object, number: int) -> Given:
    if isinstance(image, str | os.PathLike):
        return os.fsdecode(image)
    if isinstance(image, Image.Image):
        return image
    if not isinstance(image, np.ndarray):
        raise ShapeError(f"image {number} is a {type(image).__name__}", _REMEDY)
    is_grey = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1)
    if image.dtype != np.uint8 or not (is_grey or (image.ndim == 3 and image.shape[2] == 3)) or not image.size:
        hint = " What 1.0 stands for cannot be guessed: scale to 0 … 255." if image.dtype.kind == "f" else ""
        raise ShapeError(f"image {number} is an array of shape {image.shape} and type {image.dtype}", _REMEDY + hint)
    return image


def as_rgb(image: Array | Image.Image) -> Array:
    """One image as (height, width, 3) uint8, RGB, upright."""
    if isinstance(image, Image.Image):
        return from_pillow(image)
    return image if image.ndim == 3 and image.shape[2] == 3 else np.stack([image.reshape(image.shape[:2])] * 3, axis=2)


def look_at_given(images: Sequence[Given]) -> list[tuple[int, int]]:
    """(height, width) of the images, upright, from headers and shapes; of unreadable files nothing."""
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


def frame_given(images: Sequence[Given], framing: Framing) -> Iterator[Array | Entry]:
    """Every image framed, in order; in place of one that cannot be used, the entry that says why.

    Files are read side by side. An image in memory is named by its number.
    """
    paths = iter(
        read_images(
            GivenFilesStore(), [image for image in images if isinstance(image, str)], framing=framing, isolated=False
        )
    )
    for number, image in enumerate(images):
        if not isinstance(image, str):
            try:
                yield frame_image(as_rgb(image), framing)
            except ImageError as error:
                yield Entry(f"image {number}", error.code, error.cause)
            continue
        read = next(paths)
        if read.image is not None:
            yield read.image
        elif read.error is not None:
            yield Entry(read.path, read.error.code, read.error.cause)


def answer_given(predictor: Predictor, images: Sequence[Given]) -> NDArray[np.float32]:
    """The model file's probabilities (images, classes) for images of any kind and size, in order.

    Raises:
        DataError: one of them cannot be used; a row must not be left out, and a substitute would be a lie.
    """
    rows = np.empty((len(images), len(predictor.classes)), np.float32)
    framed, done = frame_given(images, predictor.metadata.framing), 0
    while batch := list(islice(framed, HELD)):
        for one in batch:
            if isinstance(one, Entry):
                raise DataError(
                    f"{escape_path(one.path)} cannot be used ({one.code}): {one.sentence}",
                    "Leave it out, or list all such files with `vidi check`.",
                )
        good = [one for one in batch if not isinstance(one, Entry)]
        rows[done : done + len(good)] = predictor.run(np.stack(good), ("probabilities",))["probabilities"]
        done += len(good)
    return rows
