"""An image at another size, in the arithmetic of the model file's graph, or in Pillow's where both hardly differ."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.uint8]
Size = tuple[int, int]  # (height, width), pixels

MOST_SHRINKING = (
    2  # times, up to which a side is resized as the graph does: beyond, ties are rare, and Pillow is faster
)
MOST_PIXELS = 2048  # of a side that the graph's way makes
_BITS = 22  # of a weight, in Pillow as in onnxruntime
_ROWS = 64  # at once, so that what they are made of stays in the processor's cache


def resize(image: Array, size: Size) -> Array:
    """An image at another size: linear, antialiased where it shrinks; itself where it has that size.

    Width first, then height, each rounded to levels, as the graph does. Pillow's BILINEAR is the same but for ties:
    where a value lies midway between two levels, Pillow rounds up and onnxruntime as its float32 coordinates have it,
    a level more or less in up to 7 % of the values. A side that grows, or shrinks to no less than half, therefore
    follows onnxruntime.

    Args:
        image: (height, width, 3) uint8.
        size: (height, width) of the result.
    """
    height, width = size
    if image.shape[1] != width:
        ours = _is_ours(image.shape[1], width)
        image = _to_width(image, width) if ours else _by_pillow(image, (image.shape[0], width))
    if image.shape[0] != height:
        ours = _is_ours(image.shape[0], height)
        image = _to_height(image, height) if ours else _by_pillow(image, size)
    return image


def _is_ours(side: int, target: int) -> bool:
    return side <= MOST_SHRINKING * target and target <= MOST_PIXELS


def _by_pillow(image: Array, size: Size) -> Array:
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _to_width(image: Array, width: int) -> Array:
    """The columns at another count, by onnxruntime's arithmetic.

    >>> _to_width(np.array([[[0, 0, 0], [9, 90, 200]]], np.uint8), 4)[0, :, 2].tolist()
    [0, 50, 150, 200]
    """
    places, weights = _column_taps(image.shape[1], width)
    flat = image.reshape(len(image), -1)
    made = np.empty((len(image), 3 * width), np.uint8)
    for start in range(0, len(image), _ROWS):
        rows = flat[start : start + _ROWS]
        made[start : start + _ROWS] = _weighed([np.take(rows, place, axis=1) for place in places], weights)
    return made.reshape(len(image), width, 3)


def _to_height(image: Array, height: int) -> Array:
    places, weights = _taps(image.shape[0], height)
    flat = image.reshape(len(image), -1)
    made = np.empty((height, flat.shape[1]), np.uint8)
    for start in range(0, height, _ROWS):
        some = slice(start, start + _ROWS)
        made[some] = _weighed([flat[place[some]] for place in places], weights[:, some, None])
    return made.reshape(height, -1, 3)


def _weighed(parts: list[Array], weights: NDArray[np.int32]) -> Array:
    """The sum of (height, columns) values by their weights, rounded to levels."""
    total = np.multiply(parts[0], weights[0], dtype=np.int32)
    total += 1 << (_BITS - 1)
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        total += np.multiply(part, weight, dtype=np.int32)
    total >>= _BITS
    levels: Array = total.astype(np.uint8)
    return levels


@lru_cache(maxsize=64)
def _column_taps(side: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """As `_taps`, for rows in which each pixel is three values."""
    places, weights = _taps(side, target)
    values = (3 * places[:, :, None] + np.arange(3)).reshape(len(places), -1)
    return values, np.repeat(weights, 3, axis=1)


@lru_cache(maxsize=64)
def _taps(side: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Which pixels each new one is made of, and by which weights: two arrays (taps, target).

    In float32, operation by operation: the last bits decide ties.

    Source: onnxruntime 1.31, `upsample_antialias.h`, for uint8, `half_pixel` and `exclude_outside`.
    """
    half, one = np.float32(0.5), np.float32(1)
    growth = np.float32(target) / np.float32(side)
    reach = max(one / growth, one)
    centre = (np.arange(target, dtype=np.float32) + half) / growth - half + half
    first = np.clip(np.floor(centre - reach + half), 0, side).astype(np.intp)
    end = np.clip(np.floor(centre + reach + half), 0, side).astype(np.intp)
    places = first + np.arange((end - first).max())[:, None]
    far = np.abs((places.astype(np.float32) - centre + half) * (one / reach))
    near = np.where((far < one) & (places < end), one - far, np.float32(0))
    total = np.zeros(target, np.float32)
    for share in near:
        total += share
    weights = np.floor((near * (one / total) * np.float32(1 << _BITS)).astype(np.float64) + 0.5)
    return np.minimum(places, side - 1), weights.astype(np.int32)
