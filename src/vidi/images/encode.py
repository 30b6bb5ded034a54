"""Pixels out: an image as the bytes of a PNG or JPEG file."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """The bytes of a PNG file.

    Args:
        image: (height, width, 3) RGB or (height, width) grey, uint8.

    >>> encode_png(np.zeros((2, 2, 3), np.uint8))[:4]
    b'\\x89PNG'
    """
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(stream, "PNG")
    return stream.getvalue()


def encode_jpeg(image: NDArray[np.uint8], *, quality: int, comment: bytes = b"") -> bytes:
    """The bytes of a JPEG file.

    Args:
        image: (height, width, 3) RGB uint8.
        quality: 1 to 95.
        comment: stands near the beginning of the file, where programs can read it; none where empty.

    >>> encode_jpeg(np.zeros((2, 2, 3), np.uint8), quality=80)[:2]
    b'\\xff\\xd8'
    """
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(stream, "JPEG", quality=quality, comment=comment)
    return stream.getvalue()
