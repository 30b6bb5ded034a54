"""What happens to the images: blur, darkness, another camera, at any strength from 0 to 1."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from vidi.images.corruptions import add_noise, blur, compress, expose, zoom

Image = NDArray[np.uint8]  # (height, width, 3)
Disturb = Callable[[Image, float, np.random.Generator], Image]

MOST_BLUR = 8.0  # percent of the shorter side, at strength 1
CAST = 0.5  # the red is multiplied by 1 + this, the blue by 1 - this
MOST_NOISE = 25.0  # levels of 255
WORST_QUALITY, BEST_QUALITY = 15, 95
NEAREST = 1.3  # times as large


def blurred(image: Image, strength: float, random: np.random.Generator) -> Image:
    """Out of focus."""
    return blur(image, MOST_BLUR * strength, random)


def darkened(image: Image, strength: float, random: np.random.Generator) -> Image:
    """Less light: strength 1 is black."""
    return expose(image, 100 * (1 - strength), random)


def by_another_camera(image: Image, strength: float, random: np.random.Generator) -> Image:
    """A colour cast, noise, JPEG at a lower quality and a slightly longer lens, all at once."""
    gains = np.array([1 + CAST * strength, 1.0, 1 - CAST * strength], np.float32)
    tinted = np.clip(np.rint(image * gains), 0, 255).astype(np.uint8)
    noisy = add_noise(zoom(tinted, 1 + (NEAREST - 1) * strength, random), MOST_NOISE * strength, random)
    return compress(noisy, BEST_QUALITY - (BEST_QUALITY - WORST_QUALITY) * strength, random)


DISTURBANCES: Mapping[str, Disturb] = {"blur": blurred, "darkness": darkened, "another camera": by_another_camera}


def disturb_all(images: NDArray[np.uint8], how: Disturb, strength: float, *, seed: int) -> NDArray[np.uint8]:
    """Disturb images (images, height, width, 3), each by its own random numbers; none at strength 0."""
    if strength == 0:
        return images
    return np.stack([how(one, strength, np.random.default_rng([seed, row])) for row, one in enumerate(images)])


def find_strength(cost_of: Callable[[float], float], cost: float, *, tolerance: float, steps: int = 12) -> float:
    """The strength between 0 and 1 that costs so many points of accuracy, by bisection.

    Args:
        cost_of: points that a strength costs; about rising.
        cost: points.
        tolerance: points; the search ends this near.
        steps: at most.

    Returns:
        The strength, or 1 where even that costs less.

    >>> find_strength(lambda strength: 100 * strength**2, 25.0, tolerance=0.01)
    0.5
    """
    low, high = 0.0, 1.0
    if cost_of(high) <= cost:
        return high
    middle = 0.5
    for _ in range(steps):
        middle = (low + high) / 2
        found = cost_of(middle)
        if abs(found - cost) <= tolerance:
            break
        low, high = (middle, high) if found < cost else (low, middle)
    return middle
