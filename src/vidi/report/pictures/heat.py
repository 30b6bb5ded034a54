"""A map laid over its image: orange speaks for, blue against, and what is grey was not seen."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.explanation import Map, enlarge
from vidi.report.pictures.thumbnails import Thumbnail, data_uri

FOR, AGAINST = (255, 106, 0), (0, 96, 255)  # told apart with every kind of colour blindness
LEAST_SIDE = 256  # pixels of the longer side: smaller images are enlarged, each pixel a square
MOST_SIDE = 448
COVER = 0.78  # of the image at most: what the map marks must stay recognisable
FADE = 0.35  # of the image's own colours, so that those of the map are not taken for them
PAPER = 240  # grey of what stands in for an image that must not be shown
UNSEEN = 128
LEAST_SCALE = 1.0  # of a logit or of log odds: a map that is weak all over looks so


def common_scale(maps: Iterable[Map]) -> float:
    """What is drawn strongest on some maps of one kind: their largest number, but no less than counts for little."""
    sizes = [float(np.nanmax(np.abs(one))) for one in maps if np.isfinite(one).any()]
    return max([LEAST_SCALE, *sizes])


def draw_heat(image: NDArray[np.uint8], values: Map, *, scale: float) -> Thumbnail:
    """A map over its image, as a picture.

    Args:
        image: (height, width, 3) uint8.
        values: (height, width); above 0 for, below 0 against, NaN unseen.
        scale: the size of a number that is drawn strongest.
    """
    shown = enlarged(image).astype(np.float32)
    size = (shown.shape[0], shown.shape[1])
    seen = np.isfinite(values)
    strength = enlarge(np.where(seen, values, 0).astype(np.float32) / scale, size).clip(-1, 1)
    shown += FADE * (shown.mean(axis=2, keepdims=True) - shown)
    colour = np.where(strength[..., None] > 0, np.array(FOR), np.array(AGAINST)).astype(np.float32)
    share = COVER * np.abs(strength)[..., None] ** 0.8
    shown = shown * (1 - share) + colour * share
    if not seen.all():
        unseen = enlarge((~seen).astype(np.float32), size)[..., None] > 0.5
        shown = np.where(unseen, 0.3 * shown + 0.7 * UNSEEN, shown)
    return as_picture(shown.round().astype(np.uint8))


def draw_image(image: NDArray[np.uint8]) -> Thumbnail:
    """An image as large as the maps beside it."""
    return as_picture(enlarged(image))


def enlarged(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A small image with each of its pixels as a square; a larger one as it is."""
    repeat = max(1, LEAST_SIDE // max(image.shape[:2]))
    return image.repeat(repeat, axis=0).repeat(repeat, axis=1)


def blank_like(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What stands in for an image that must not be shown."""
    return np.full_like(image, PAPER)


def as_picture(image: NDArray[np.uint8]) -> Thumbnail:
    """Pixels as a page holds them."""
    picture = Image.fromarray(image)
    return Thumbnail(data_uri(picture, lossless=False), picture.width, picture.height, is_small=False)
