"""An image at many sizes, so that a window of one size meets small things and large ones."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.errors import UsageError
from vidi.images.framing import PAD_GREY, Framing
from vidi.images.pixels.resize import resize

STEPS_PER_OCTAVE = 3  # sizes of windows between one and twice it
BORDER = 0.25  # of a window: so far windows may hang over the image's edges
MOST_PIXELS = 40_000_000  # of one level


@dataclass(frozen=True, slots=True)
class Level:
    """One size of window in one image."""

    window: tuple[float, float]  # (height, width) in pixels of the image
    scale: tuple[float, float]  # pixels of the level for one pixel of the image, down and across
    border: tuple[int, int]  # (rows, columns) of grey around the image, in pixels of the level


def window_shape(framing: Framing) -> tuple[float, float]:
    """(height, width) of the window that the network sees whole, where the smaller side is 1."""
    height, width = framing.shrink_to or framing.size
    if framing.mode != "stretch":
        height, width = framing.size
    least = min(height, width)
    return height / least, width / least


def choose_levels(
    size: tuple[int, int],
    framing: Framing,
    *,
    smallest: float | None = None,
    stride: int = 1,
    steps: int = STEPS_PER_OCTAVE,
) -> list[Level]:
    """The levels for an image, from the smallest windows on to those as large as the image, borders included.

    Args:
        size: (height, width) of the image, pixels.
        framing: of the model: a window is framed as an image of its own would be.
        smallest: shorter side of the smallest window, pixels of the image; None: a tenth of the image's shorter
            side, but not below a quarter of what the network sees.
        stride: pixels of a level between two places of a map: borders are multiples of it.
        steps: levels between one size and twice it.

    Raises:
        UsageError: the windows are so small that the image, enlarged so that the network sees them, is too large.

    >>> levels = choose_levels((100, 200), Framing(size=(32, 32)), smallest=50)
    >>> [round(level.window[0]) for level in levels]
    [50, 63, 79, 100, 126]
    """
    tall, wide = window_shape(framing)
    seen = min(framing.shrink_to or framing.size)
    room = (1 + 2 * BORDER) * min(size[0] / tall, size[1] / wide)
    least = min(smallest or max(min(size) / 10, seen / 4), room)
    count = math.floor(steps * math.log2(room / least) + 1e-9) + 1
    down, across = (math.ceil(BORDER * side / stride) * stride for side in framing.size)
    levels = []
    for number in range(count):
        side = least * 2 ** (number / steps)
        window = side * tall, side * wide
        scale = framing.size[0] / window[0], framing.size[1] / window[1]
        levels.append(Level(window, scale, (down, across)))
    height, width = level_size(size, levels[0])
    if height * width > MOST_PIXELS:
        raise UsageError(
            f"to see windows of {least:.0f} pixels, the image would be enlarged to {width:,} x {height:,} pixels",
            "Use larger windows: --smallest, in pixels of the image.",
        )
    return levels


def level_size(size: tuple[int, int], level: Level) -> tuple[int, int]:
    """(height, width) of an image at a level, without borders."""
    return max(1, round(size[0] * level.scale[0])), max(1, round(size[1] * level.scale[1]))


def draw_level(image: NDArray[np.uint8], level: Level, framing: Framing, *, stride: int) -> NDArray[np.uint8]:
    """The image at a level, as sharp as the training images were, with grey around it.

    Args:
        image: (height, width, 3) uint8.
        level: of `choose_levels`.
        framing: of the model; where it shrinks images first, the level is shrunk and enlarged likewise.
        stride: the result's sides are multiples of it.
    """
    size = (image.shape[0], image.shape[1])
    height, width = level_size(size, level)
    if framing.shrink_to is not None:
        small = [
            round(side * shrunk / window)
            for side, shrunk, window in zip(size, framing.shrink_to, level.window, strict=True)
        ]
        if small[0] < size[0] and small[1] < size[1]:
            image = resize(image, (max(1, small[0]), max(1, small[1])))
    image = resize(image, (height, width))
    top, left = level.border
    sides = [-(-(side + 2 * edge) // stride) * stride for side, edge in zip((height, width), level.border, strict=True)]
    canvas = np.full((*sides, 3), PAD_GREY, np.uint8)
    canvas[top : top + height, left : left + width] = image
    return canvas
