"""A few thousand bytes that stay nearly the same when an image is resized, re-encoded or lit a little differently."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.uint8]

SIDE = 48  # of the grey thumbnail
COLOUR_SIDE = 8  # of the two colour planes
GREY_BYTES = SIDE * SIDE
COLOUR_BYTES = COLOUR_SIDE * COLOUR_SIDE
QUALITY_NAMES = ("brightness", "contrast", "sharpness")
FINGERPRINT_BYTES = GREY_BYTES + 2 * COLOUR_BYTES + 4 * len(QUALITY_NAMES)

WORKING_SIDE = 90  # the shorter side at which sharpness is judged: about what a network sees


def fingerprint_image(image: Array) -> Array:
    """What the check keeps of one image: a grey thumbnail, its colours, and how bright, rich and sharp it is.

    A tenth of a millisecond for a photograph that was decoded at reduced scale.

    Args:
        image: (height, width, 3) uint8, of any size.

    Returns:
        (FINGERPRINT_BYTES,) uint8; `unpack_fingerprints` takes many of them apart.
    """
    height, width = image.shape[:2]
    small = Image.fromarray(np.ascontiguousarray(image))
    factor = min(height, width) // WORKING_SIDE
    if factor > 1:
        small = small.reduce(factor)  # a plain mean over blocks: five times faster than a resize, and no aliasing
    thumbnail = small.resize((SIDE, SIDE), Image.Resampling.BOX if factor else Image.Resampling.BILINEAR)
    colours = thumbnail.convert("YCbCr")
    planes = np.asarray(colours.reduce(SIDE // COLOUR_SIDE))[:, :, 1:]
    grey = np.asarray(colours)[:, :, 0]
    quality = np.array(_quality(np.asarray(small.convert("L"))), dtype="<f4")
    return np.concatenate([grey.ravel(), planes.transpose(2, 0, 1).ravel(), quality.view(np.uint8)])


def _quality(grey: Array) -> tuple[float, float, float]:
    """Mean grey level, its spread, and the spread of its second differences (0 for images too thin to have any)."""
    levels = grey.astype(np.float32)
    mean = float(levels.mean())
    levels -= mean  # first, so that the sum of squares loses nothing
    spread = _root_mean_square(levels)
    if min(levels.shape) < 3:
        return mean, spread, 0.0
    around = levels[:-2, 1:-1] + levels[2:, 1:-1]
    around += levels[1:-1, :-2]
    around += levels[1:-1, 2:]
    around -= 4 * levels[1:-1, 1:-1]
    around -= around.mean()
    return mean, spread, _root_mean_square(around)


def _root_mean_square(values: NDArray[np.float32]) -> float:
    flat = values.ravel()
    return math.sqrt(float(flat @ flat) / len(flat))


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """The fingerprints of many images, taken apart; rows stand in the order given."""

    grey: Array  # (images, SIDE, SIDE)
    colour: Array  # (images, 2, COLOUR_SIDE, COLOUR_SIDE): blue and red difference, 128 is none
    brightness: NDArray[np.float32]  # (images,) mean grey level, 0 to 255
    contrast: NDArray[np.float32]  # (images,) standard deviation of the grey levels
    sharpness: NDArray[np.float32]  # (images,) standard deviation of the Laplacian at working size

    def only(self, rows: NDArray[np.int64]) -> "Fingerprints":
        """Those of some images, in the order of their indexes `rows`."""
        return Fingerprints(
            self.grey[rows], self.colour[rows], self.brightness[rows], self.contrast[rows], self.sharpness[rows]
        )


def unpack_fingerprints(packed: Array) -> Fingerprints:
    """Take packed fingerprints apart.

    Args:
        packed: (images, FINGERPRINT_BYTES) uint8.
    """
    count = len(packed)
    colour_end = GREY_BYTES + 2 * COLOUR_BYTES
    quality = np.ascontiguousarray(packed[:, colour_end:]).view("<f4")
    return Fingerprints(
        grey=packed[:, :GREY_BYTES].reshape(count, SIDE, SIDE),
        colour=packed[:, GREY_BYTES:colour_end].reshape(count, 2, COLOUR_SIDE, COLOUR_SIDE),
        brightness=quality[:, 0],
        contrast=quality[:, 1],
        sharpness=quality[:, 2],
    )
