"""Simple statistics of an image beside what it shows: light, colours, sharpness and shape."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from vidi.images.decode import ReadImage
from vidi.images.framing import Framing, Size, place_in_frame

SEEN_SIDE = 64  # pixels along each side whose light is averaged; more would tell no more
GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStatistics:
    """What one image is like, as the network sees it, without the borders of its frame."""

    brightness: float  # mean grey level, 0 to 255
    contrast: float  # standard deviation of the grey level
    saturation: float  # mean difference between the strongest and the weakest colour of a pixel, 0 to 255
    sharpness: float  # mean difference between the green of neighbouring pixels, 0 to 255
    side: float  # of a square as large as the upright file, pixels
    aspect: float  # width of the upright file through its height


QUALITIES = tuple(one.name for one in fields(ImageStatistics))


def read_statistics(read: ReadImage, framing: Framing) -> ImageStatistics | None:
    """The statistics of a file that was read and framed; None where it could not be used."""
    return None if read.image is None or read.size is None else statistics_of(read.image, framing, read.size)


def statistics_of(framed: NDArray[np.uint8], framing: Framing, size: Size) -> ImageStatistics:
    """The statistics of one framed image; they cost about a twentieth of a millisecond.

    Args:
        framed: (height, width, 3) uint8, of the framing's size.
        size: (height, width) of the full upright image.

    >>> grey = np.full((8, 8, 3), 100, np.uint8)
    >>> found = statistics_of(grey, Framing(size=(8, 8)), (30, 120))
    >>> round(found.brightness), found.contrast, found.sharpness, found.side, found.aspect
    (100, 0.0, 0.0, 60.0, 4.0)
    """
    top, left, height, width = place_in_frame(size, framing)
    image = framed[max(0, top) : top + height, max(0, left) : left + width]
    planes = np.ascontiguousarray(_thinned(image).reshape(-1, 3).T)  # a row for each colour: whole rows are fast
    red, green, blue = planes
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    grey = GREY @ planes.astype(np.float32)
    brightness = float(np.add.reduce(grey)) / grey.size  # `mean` takes four times as long
    grey -= np.float32(brightness)
    return ImageStatistics(
        brightness=brightness,
        contrast=float(np.sqrt(grey @ grey / grey.size)),
        saturation=float(spread.sum(dtype=np.uint32)) / spread.size,
        sharpness=_sharpness(image[..., 1]),
        side=float(np.sqrt(size[0] * size[1])),
        aspect=size[1] / size[0],
    )


def brightness_of(image: NDArray[np.uint8]) -> float:
    """Mean grey level, 0 to 255, of an image (height, width, 3) of any size."""
    return float(_thinned(image).mean(axis=(0, 1), dtype=np.float32) @ GREY)


def _thinned(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Some of the pixels, evenly spaced: 64 to 127 along each side of a larger image."""
    rows, columns = (max(1, side // SEEN_SIDE) for side in image.shape[:2])
    return image[::rows, ::columns]


def _sharpness(values: NDArray[np.uint8]) -> float:
    """Mean difference of neighbours (height, width), along some of the rows and columns; 0 for a single pixel."""
    rows, columns = (max(1, side // SEEN_SIDE) for side in values.shape)
    across, down = np.ascontiguousarray(values[::rows]), np.ascontiguousarray(values[:, ::columns])
    total = _difference(across[:, 1:], across[:, :-1]) + _difference(down[1:], down[:-1])
    return total / max(1, across[:, 1:].size + down[1:].size)


def _difference(some: NDArray[np.uint8], others: NDArray[np.uint8]) -> float:
    """The sum of |some - others|, without a wider type."""
    return float((np.maximum(some, others) - np.minimum(some, others)).sum(dtype=np.uint32))
