"""A Pillow image that a Python caller holds, made upright RGB by the rules that files are read by."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.errors import ImageError
from vidi.images.decode import DEFAULT, turn_upright
from vidi.images.formats.header import Header, broken, truncated
from vidi.images.limits import DecodeOptions
from vidi.images.pixels.colour import to_rgb

EXIF_ORIENTATION = 274


def from_pillow(image: Image.Image, *, options: DecodeOptions = DEFAULT) -> NDArray[np.uint8]:
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
        rgb, _ = to_rgb(image, stored, background=options.background, profile=image.info.get("icc_profile"))
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
