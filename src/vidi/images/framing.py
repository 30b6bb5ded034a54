"""How an image of any size becomes the network's size; the host's fast equal of what the graph does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidi.images.pixels.resize import resize

Array = NDArray[np.uint8]
Size = tuple[int, int]  # (height, width), pixels
Mode = Literal["stretch", "pad", "crop"]

PAD_GREY = 114
DECODED = 3  # times the size of the first resize, at least, where a large JPEG is decoded at reduced size
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


def place_in_frame(size: Size, framing: Framing) -> tuple[int, int, int, int]:
    """Where an image of that size lies in its frame: (top, left, height, width) in pixels of the frame.

    With `crop` it reaches beyond the frame: top or left is then negative.

    >>> place_in_frame((100, 200), Framing(size=(64, 64), mode="pad"))
    (16, 0, 32, 64)
    >>> place_in_frame((100, 200), Framing(size=(64, 64), mode="crop"))
    (0, -32, 64, 128)
    """
    height, width = resized_size(shrunk_size(size, framing), framing)
    if framing.mode == "crop":
        return -((height - framing.size[0]) // 2), -((width - framing.size[1]) // 2), height, width
    return (framing.size[0] - height) // 2, (framing.size[1] - width) // 2, height, width


def scale_needed(framing: Framing, image_size: Size) -> Size:
    """The smallest (height, width) at which an image may be decoded and still frame nearly the same.

    Three times the size of the first resize: between two and three times, values of the framed image changed by up to
    24 levels, from three on by up to 4.
    """
    first = shrunk_size(image_size, framing)
    if first == image_size:
        first = resized_size(image_size, framing)
    return DECODED * first[0], DECODED * first[1]


def frame_image(image: Array, framing: Framing, *, full_size: Size | None = None) -> Array:
    """An image of any size as the network's size: shrunk to the usual size, resized, then padded or cropped.

    Resizing is linear and antialiased on 8 bits: onnxruntime's own, to the bit, where a side grows or shrinks to no
    less than half, else Pillow's, which differs from it by a level in rare ties.
    Padding is grey 114 with the extra pixel right and bottom; a crop starts at half the surplus, rounded down.

    Args:
        image: (height, width, 3) uint8; upright RGB.
        framing: the rule.
        full_size: (height, width) before reduced-scale decoding, from which the shapes are computed.

    Returns:
        (framing.size[0], framing.size[1], 3) uint8.
    """
    size = full_size or (image.shape[0], image.shape[1])
    first = shrunk_size(size, framing)
    if first != size:
        image = resize(image, first)
    image = resize(image, resized_size(first, framing))
    if framing.mode == "crop":
        return _crop(image, framing.size)
    return _pad(image, framing.size)


def reduce_to_frame(image: Array, framing: Framing) -> Array:
    """An image as small as framing makes it, but never enlarged; framed after that, it becomes what it would become.

    >>> reduce_to_frame(np.zeros((300, 400, 3), np.uint8), Framing(size=(64, 64))).shape
    (48, 64, 3)
    """
    size = (image.shape[0], image.shape[1])
    first = shrunk_size(size, framing)
    last = first if first != size else resized_size(size, framing)
    return resize(image, last) if last[0] <= size[0] and last[1] <= size[1] else image


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
        mode: the user's own choice.

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
