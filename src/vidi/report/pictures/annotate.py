"""An image with boxes drawn on it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

COLOURS = ("#ffb000", "#1e88e5", "#d81b60", "#43a047", "#8e24aa", "#f4511e")  # told apart on most photographs
OUTLINE = 0.005  # of the longer side, the width of a line
LETTERS = 0.025  # of the longer side, the height of a letter


def draw_boxes(
    image: NDArray[np.uint8],
    boxes: Sequence[tuple[float, float, float, float]],
    texts: Sequence[str],
    *,
    kinds: Sequence[int],
) -> NDArray[np.uint8]:
    """A copy of the image with a frame and a few words for each box.

    Args:
        image: (height, width, 3) uint8.
        boxes: x_min, y_min, x_max, y_max in pixels.
        texts: what stands above each.
        kinds: which colour each gets; equal numbers get the same.
    """
    canvas = Image.fromarray(image.copy())
    draw, longer = ImageDraw.Draw(canvas), max(image.shape[:2])
    line, font = max(2, round(OUTLINE * longer)), ImageFont.load_default(max(11, round(LETTERS * longer)))
    for box, text, kind in zip(boxes, texts, kinds, strict=True):
        colour = COLOURS[kind % len(COLOURS)]
        draw.rectangle(box, outline=colour, width=line)
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        height, width = bottom - top + 4, right - left + 6
        x = min(max(0, box[0]), max(0, image.shape[1] - width))
        y = box[1] - height if box[1] >= height else box[1]
        draw.rectangle((x, y, x + width, y + height), fill=colour)
        draw.text((x + 3 - left, y + 2 - top), text, fill="black", font=font)
    return np.asarray(canvas)
