"""How an image of any size becomes the network's size; the host's fast equal of what the graph does."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.uint8]
Size = tuple[int, int]  # (height, width), pixels
Mode = Literal["stretch", "pad", "crop"]

PAD_GREY = 114
DECODED = 3  # times the size of the first resize, at least, where a large JPEG is decoded at reduced size
# Times, up to which a side is resized as the graph does: beyond, ties are rare, and Pillow is faster.
MOST_SHRINKING = 2
MOST_PIXELS = 2048  # of a side that the graph's way makes
_BITS = 22  # of a weight, in Pillow as in onnxruntime
_ROWS = 64  # at once, so that what they are made of stays in the processor's cache
SAME_SHAPE = 1.1  # widest over narrowest aspect ratio up to which stretching is not seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """The stated rule by which images of any size become one size."""

    size: tuple[int, int]  # (height, width) of what the network sees, pixels
    mode: Mode = "pad"
    shrink_to: tuple[int, int] | None = None  # (height, width): the training images' usual size, if smaller


def fitted_size(size: Size, box: Size) -> Size:
    """The largest size of the same shape that fits within a box, in integers so that every host agrees.

    With scale = min(H / h, W / w), the side that decides becomes the box's; the other becomes
    `max(1, (2 * side * H + h) // (2 * h))`, or with W and w: rounded, halves up.

    >>> fitted_size((3000, 4000), (224, 224))
    (168, 224)
    """
    height, width = size
    box_height, box_width = box
    if box_height * width <= box_width * height:
        return box_height, _scaled(width, box_height, height)
    return _scaled(height, box_width, width), box_width


def covering_size(size: Size, box: Size) -> Size:
    """The smallest size of the same shape that covers a box; rounds as `fitted_size` does.

    >>> covering_size((3000, 4000), (224, 224))
    (224, 299)
    """
    height, width = size
    box_height, box_width = box
    if box_height * width >= box_width * height:
        return box_height, _scaled(width, box_height, height)
    return _scaled(height, box_width, width), box_width


def _scaled(side: int, target: int, of: int) -> int:
    return max(1, (2 * side * target + of) // (2 * of))


def shrunk_size(size: Size, framing: Framing) -> Size:
    """The size of the first of the two resizes: what `shrink_to` makes of an image, never more than it has.

    `stretch`: each side at most that of `shrink_to`. `pad`: fitted within it where a side is longer.
    `crop`: made to cover it where both sides are longer.

    An image that has the framing's very size is taken as framed and left alone, so that framing twice changes nothing:
    hosts that frame and hosts that leave it to the model file's graph get the same answer.
    """
    if framing.shrink_to is None or size == framing.size:
        return size
    longer = (size[0] > framing.shrink_to[0], size[1] > framing.shrink_to[1])
    if framing.mode == "stretch":
        return min(size[0], framing.shrink_to[0]), min(size[1], framing.shrink_to[1])
    if framing.mode == "pad":
        return fitted_size(size, framing.shrink_to) if any(longer) else size
    return covering_size(size, framing.shrink_to) if all(longer) else size


def resized_size(size: Size, framing: Framing) -> Size:
    """The size of the last resize, before the borders are added or cut off."""
    if framing.mode == "stretch":
        return framing.size
    return fitted_size(size, framing.size) if framing.mode == "pad" else covering_size(size, framing.size)


@dataclass(frozen=True, slots=True)
class FramedSizes:
    """The sizes (height, width) of one image on its way to the network's size, from that of the upright image."""

    full: Size
    first: Size  # after the first resize; as before where there is none
    last: Size  # after the second, before it is padded or cropped

    @property
    def reduced(self) -> Size:
        """The size after the first resize that there is."""
        return self.first if self.first != self.full else self.last

    @property
    def needed(self) -> Size:
        """The smallest size at which the image may be decoded and still frame nearly the same.

        Three times the size of the first resize: between two and three times, values of the framed image changed by up
        to 24 levels, from three on by up to 4.
        """
        return DECODED * self.reduced[0], DECODED * self.reduced[1]


def framed_sizes(size: Size, framing: Framing) -> FramedSizes:
    """The sizes of an image of that size (height, width) on its way into a frame."""
    first = shrunk_size(size, framing)
    return FramedSizes(size, first, resized_size(first, framing))


def place_in_frame(size: Size, framing: Framing) -> tuple[int, int, int, int]:
    """Where an image of that size lies in its frame: (top, left, height, width) in pixels of the frame.

    With `crop` it reaches beyond the frame: top or left is then negative.

    >>> place_in_frame((100, 200), Framing(size=(64, 64), mode="pad"))
    (16, 0, 32, 64)
    >>> place_in_frame((100, 200), Framing(size=(64, 64), mode="crop"))
    (0, -32, 64, 128)
    """
    height, width = framed_sizes(size, framing).last
    if framing.mode == "crop":
        return -((height - framing.size[0]) // 2), -((width - framing.size[1]) // 2), height, width
    return (framing.size[0] - height) // 2, (framing.size[1] - width) // 2, height, width


def frame_image(image: Array, framing: Framing, *, sizes: FramedSizes | None = None) -> Array:
    """An image of any size as the network's size: shrunk to the usual size, resized, then padded or cropped.

    Resizing is linear and antialiased on 8 bits: onnxruntime's own, to the bit, where a side grows or shrinks to no
    less than half, else Pillow's, which differs from it by a level in rare ties.
    Padding is grey 114 with the extra pixel right and bottom; a crop starts at half the surplus, rounded down.

    Args:
        image: (height, width, 3) uint8; upright RGB.
        sizes: of the image before it was decoded at a reduced scale; from its own size by default.

    Returns:
        (framing.size[0], framing.size[1], 3) uint8.
    """
    sizes = sizes or framed_sizes((image.shape[0], image.shape[1]), framing)
    if sizes.first != sizes.full:
        image = resize(image, sizes.first)
    image = resize(image, sizes.last)
    if framing.mode == "crop":
        return _crop(image, framing.size)
    return _pad(image, framing.size)


def reduce_to_frame(image: Array, framing: Framing) -> Array:
    """An image as small as framing makes it, but never enlarged; framed after that, it becomes what it would become.

    >>> reduce_to_frame(np.zeros((300, 400, 3), np.uint8), Framing(size=(64, 64))).shape
    (48, 64, 3)
    """
    size = (image.shape[0], image.shape[1])
    height, width = framed_sizes(size, framing).reduced
    return resize(image, (height, width)) if height <= size[0] and width <= size[1] else image


def _pad(image: Array, size: Size) -> Array:
    height, width = image.shape[:2]
    if (height, width) == size:
        return image
    framed = np.full((*size, 3), PAD_GREY, np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    framed[top : top + height, left : left + width] = image
    return framed


def _crop(image: Array, size: Size) -> Array:
    top, left = (image.shape[0] - size[0]) // 2, (image.shape[1] - size[1]) // 2
    return np.ascontiguousarray(image[top : top + size[0], left : left + size[1]])


def choose_framing(sizes: Sequence[Size], size: Size, mode: Mode | None = None) -> Framing:
    """The framing for images of these sizes: `stretch` where all shapes are alike within 10 %, else `pad`.

    Args:
        sizes: (height, width) of the training images; at least one.
        size: (height, width) that the network sees.

    >>> choose_framing([(375, 500), (370, 500)], (128, 128)).mode
    'stretch'
    >>> choose_framing([(375, 500), (500, 375)], (128, 128)).mode
    'pad'
    """
    measured = np.asarray(sizes, np.float64)
    shapes = measured[:, 1] / measured[:, 0]
    if mode is None:
        mode = "stretch" if shapes.max() <= SAME_SHAPE * shapes.min() else "pad"
    usual = (int(np.median(measured[:, 0])), int(np.median(measured[:, 1])))
    # Only where the images would be enlarged: a sharp photograph must not look foreign for its sharpness.
    target = size if mode == "stretch" else resized_size(usual, Framing(size=size, mode=mode))
    enlarged = usual[0] < target[0] and usual[1] < target[1]
    return Framing(size=size, mode=mode, shrink_to=usual if enlarged else None)


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
