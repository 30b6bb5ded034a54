"""Shifts that the constants of `vidi.monitoring.estimate` were fitted on; the bench measures on none of them."""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.uint8]
Change = Callable[[Array, float, np.random.Generator], Array]


def smear(image: Array, strength: float, _random: np.random.Generator) -> Array:
    """Moved along its rows while it was taken; strength: percent of the width."""
    length = max(1, round(strength / 100 * image.shape[1]))
    padded = np.pad(image.astype(np.float32), ((0, 0), (0, length), (0, 0)), mode="edge")
    return _rounded(np.mean([padded[:, start : start + image.shape[1]] for start in range(length + 1)], axis=0))


def pepper(image: Array, strength: float, random: np.random.Generator) -> Array:
    """Some pixels black or white; strength: percent of them."""
    drawn = random.random(image.shape[:2])
    corrupted = image.copy()
    corrupted[drawn < strength / 200], corrupted[drawn > 1 - strength / 200] = 0, 255
    return corrupted


def cast(image: Array, strength: float, random: np.random.Generator) -> Array:
    """One colour stronger, another weaker; strength: percent."""
    gains = random.permutation(np.array([1 + strength / 100, 1, 1 - strength / 100]))
    return _rounded(image * gains)


def cover(image: Array, strength: float, random: np.random.Generator) -> Array:
    """A grey patch somewhere; strength: percent of the area."""
    height, width = (max(1, round(side * math.sqrt(strength / 100))) for side in image.shape[:2])
    top = int(random.integers(0, image.shape[0] - height + 1))
    left = int(random.integers(0, image.shape[1] - width + 1))
    covered = image.copy()
    covered[top : top + height, left : left + width] = 114
    return covered


def shear(image: Array, strength: float, random: np.random.Generator) -> Array:
    """Its rows moved aside, more the lower they lie; strength: degrees."""
    slope = math.tan(math.radians(strength)) * random.choice((-1, 1))
    middle = image.shape[0] / 2
    size = (image.shape[1], image.shape[0])
    moved = Image.fromarray(image).transform(
        size, Image.Transform.AFFINE, (1, slope, -slope * middle, 0, 1, 0), Image.Resampling.BILINEAR, fillcolor=114
    )
    return np.asarray(moved)


def posterise(image: Array, strength: float, _random: np.random.Generator) -> Array:
    """Few levels of light; strength: how many."""
    return _rounded(np.floor(image / 256 * strength) / (strength - 1) * 255)


def haze(image: Array, strength: float, _random: np.random.Generator) -> Array:
    """White light over it, stronger towards the top; strength: percent at the top."""
    share = np.linspace(strength / 100, 0, image.shape[0])[:, None, None]
    return _rounded(image * (1 - share) + 255 * share)


def fade(image: Array, strength: float, _random: np.random.Generator) -> Array:
    """Colours drawn towards grey; strength: percent of the way."""
    grey = image.mean(axis=2, keepdims=True)
    return _rounded(image + (grey - image) * strength / 100)


def move(image: Array, strength: float, random: np.random.Generator) -> Array:
    """Off its place, its margin repeated; strength: percent of the shorter side."""
    reach = round(strength / 100 * min(image.shape[:2]))
    down, right = (int(reach * random.choice((-1, 1))) for _ in range(2))
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    return padded[reach + down :, reach + right :][: image.shape[0], : image.shape[1]]


def _rounded(values: NDArray[np.floating]) -> Array:
    rounded: Array = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


SURROGATES: Mapping[str, tuple[Change, tuple[float, ...]]] = {
    "smear": (smear, (5.0, 10.0, 20.0)),
    "pepper": (pepper, (1.0, 4.0, 10.0)),
    "cast": (cast, (15.0, 30.0, 50.0)),
    "cover": (cover, (10.0, 20.0, 35.0)),
    "shear": (shear, (8.0, 16.0, 28.0)),
    "posterise": (posterise, (6.0, 4.0, 3.0)),
    "haze": (haze, (40.0, 65.0, 85.0)),
    "fade": (fade, (40.0, 70.0, 100.0)),
    "move": (move, (8.0, 15.0, 25.0)),
}
