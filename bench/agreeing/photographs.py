"""Pieces of photographs that scikit-image brings, alone or mixed: what the bench's images show."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.data.known_sets.demo_images import read_photograph

Array = NDArray[np.uint8]

LEARNED = ("brick", "gravel", "grass", "coins", "coffee", "chelsea")  # the classes of the bench's model
OTHERS = ("astronaut", "rocket", "hubble_deep_field", "text", "page", "moon", "retina", "immunohistochemistry")


@cache
def read_colour(name: str) -> Array:
    """One whole photograph (height, width, 3)."""
    photograph = read_photograph(name)
    return np.ascontiguousarray(np.dstack([photograph] * 3) if photograph.ndim == 2 else photograph)


def cut(name: str, random: np.random.Generator, *, sides: tuple[int, int] = (60, 190)) -> Array:
    """A square piece at a random place; `sides`: least and most, pixels."""
    photograph = read_colour(name)
    side = min(int(random.integers(*sides)), *photograph.shape[:2])
    top, left = (int(random.integers(0, length - side + 1)) for length in photograph.shape[:2])
    return photograph[top : top + side, left : left + side]


def scene(seed: int, size: tuple[int, int]) -> Array:
    """An image of a size (height, width): a piece of a learned photograph, of another, or a mix of two.

    Mixes give answers between the classes, where small differences of pixels show.
    """
    random = np.random.default_rng([19, seed])
    first = str(random.choice(LEARNED))
    match seed % 4:
        case 0:
            return scaled(cut(first, random), size)
        case 1:
            return scaled(cut(str(random.choice(OTHERS)), random), size)
        case _:
            second, weight = str(random.choice(LEARNED)), random.uniform(0.2, 0.8)
            pieces = [scaled(cut(name, random), size).astype(np.float64) for name in (first, second)]
            return (weight * pieces[0] + (1 - weight) * pieces[1]).round().astype(np.uint8)


def scaled(image: Array, size: tuple[int, int]) -> Array:
    """An image at another size (height, width)."""
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC))
