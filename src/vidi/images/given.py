"""Images that a Python caller holds: paths, arrays or Pillow images."""

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.errors import ImageError, ShapeError
from vidi.images.colour import to_rgb
from vidi.images.decode import DEFAULT, turn_upright
from vidi.images.formats.header import Header, broken, truncated

Array = NDArray[np.uint8]
Held = Array | Image.Image  # one image in memory: (height, width, 3) RGB or (height, width) grey, or a Pillow image
Given = str | Held  # or the path of its file

_REMEDY = "Give paths, Pillow images, or uint8 arrays (height, width, 3), RGB, or (height, width), grey; any sizes."
EXIF_ORIENTATION = 274


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
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise _no_images("the images are an array", images)
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
        raise _no_images(f"image {number} is an array", image)
    return image


def _no_images(what: str, array: NDArray[np.generic]) -> ShapeError:
    """What to say of an array that holds no images, with its whole shape."""
    hint = " What 1.0 stands for cannot be guessed: scale to 0 … 255." if array.dtype.kind == "f" else ""
    return ShapeError(f"{what} of shape {array.shape} and type {array.dtype}", _REMEDY + hint)


def as_rgb(image: Array | Image.Image) -> Array:
    """One image as (height, width, 3) uint8, RGB, upright."""
    if isinstance(image, Image.Image):
        return from_pillow(image)
    return image if image.ndim == 3 and image.shape[2] == 3 else np.stack([image.reshape(image.shape[:2])] * 3, axis=2)


def from_pillow(image: Image.Image) -> NDArray[np.uint8]:
    """A Pillow image as (height, width, 3) uint8, RGB, upright: depth, palette, transparency, profile, EXIF turn.

    Raises:
        ImageError: its file is damaged, or its kind is not read.

    >>> from_pillow(Image.new("L", (2, 1), 7)).tolist()
    [[[7, 7, 7], [7, 7, 7]]]
    """
    try:
        image.load()
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
        stored = Header(format=image.format or "PNG", stored_size=(image.height, image.width))
        rgb, _ = to_rgb(image, stored, background=DEFAULT.background, profile=image.info.get("icc_profile"))
    except ImageError:
        raise
    except Exception as error:  # as in `decode_pixels`: whatever Pillow raises over an image is the image's fault
        if "truncated" in str(error).lower():
            raise truncated("The image ends before it is complete.") from error
        raise broken("The image cannot be decoded.") from error
    return turn_upright(rgb, orientation)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """(height, width) of a Pillow image once it is turned as its EXIF orientation says."""
    is_on_its_side = image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
    return (image.width, image.height) if is_on_its_side else (image.height, image.width)
