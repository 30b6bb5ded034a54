"""Images made worse as the world makes them worse: blur, noise, JPEG, light, contrast, rotation, scale, in five steps.

What is measured in pixels is given as a share of the shorter side: an image of 28 pixels is blurred as one of 2,800.
"""

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from vidi.images.decode import open_by_pillow

Array = NDArray[np.uint8]
Corrupt = Callable[[Array, float, np.random.Generator], Array]


@dataclass(frozen=True, slots=True)
class Corruption:
    """One way in which an image gets worse, in five steps."""

    noun: str  # what it is in a sentence: it loses most under …
    unit: str  # what the strengths are, as an axis says it
    strengths: tuple[float, float, float, float, float]  # the weakest first
    corrupt: Corrupt  # (image, strength, random) → an image of the same size


def blur(image: Array, strength: float, _random: np.random.Generator) -> Array:
    """A Gaussian blur.

    Args:
        image: (height, width, 3) uint8.
        strength: standard deviation, percent of the shorter side.
    """
    radius = strength / 100 * min(image.shape[:2])
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def add_noise(image: Array, strength: float, random: np.random.Generator) -> Array:
    """Normal noise, of its own for each pixel and each colour; grey where the image is.

    Args:
        image: (height, width, 3) uint8.
        strength: standard deviation, levels of 255.
    """
    is_grey = bool((image == image[:, :, :1]).all())
    noise = random.standard_normal((*image.shape[:2], 1 if is_grey else 3), dtype=np.float32)
    return _rounded(image + noise * np.float32(strength))


def compress(image: Array, strength: float, _random: np.random.Generator) -> Array:
    """Saved as JPEG (colours at half resolution), and read again.

    Args:
        image: (height, width, 3) uint8.
        strength: JPEG quality, 1 to 100; lower is worse.
    """
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=round(strength), subsampling=2)
    return np.asarray(open_by_pillow(stream.getvalue(), "JPEG"))


def expose(image: Array, strength: float, _random: np.random.Generator) -> Array:
    """Darker, or brighter with what becomes too bright cut off.

    Args:
        image: (height, width, 3) uint8.
        strength: percent that every value is multiplied with.
    """
    table = _rounded(np.arange(256) * strength / 100)
    return table[image]


def flatten(image: Array, strength: float, _random: np.random.Generator) -> Array:
    """Less contrast: every value drawn towards the image's mean grey.

    Args:
        image: (height, width, 3) uint8.
        strength: percent of the contrast that is left.
    """
    mean = float(image.mean())
    table = _rounded(mean + (np.arange(256) - mean) * strength / 100)
    return table[image]


def rotate(image: Array, strength: float, random: np.random.Generator) -> Array:
    """Turned about its middle, to the left or right at random; what comes into view mirrors what is there.

    Args:
        image: (height, width, 3) uint8.
        strength: degrees.
    """
    height, width = image.shape[:2]
    reach = math.ceil(math.hypot(height, width) / 2)
    above, beside = reach - height // 2, reach - width // 2
    wide = Image.fromarray(np.pad(image, ((above, above), (beside, beside), (0, 0)), mode="symmetric"))
    angle = math.radians(strength) * random.choice((-1, 1))
    cosine, sine = math.cos(angle), math.sin(angle)
    row, column = height / 2, width / 2
    # Where each pixel comes from: its place from the middle, turned back, in the padded image.
    places = (
        cosine,
        -sine,
        beside + column - cosine * column + sine * row,
        sine,
        cosine,
        above + row - sine * column - cosine * row,
    )
    turned = wide.transform((width, height), Image.Transform.AFFINE, places, Image.Resampling.BILINEAR)
    return np.asarray(turned)


def zoom(image: Array, strength: float, _random: np.random.Generator) -> Array:
    """Nearer, its margin cut off, or farther away, its outermost pixels repeated around it.

    Args:
        image: (height, width, 3) uint8.
        strength: times as large; below 1 it is farther away.
    """
    height, width = image.shape[:2]
    if strength >= 1:
        rows, columns = height * (1 - 1 / strength) / 2, width * (1 - 1 / strength) / 2
        box = (columns, rows, width - columns, height - rows)
        near = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, box=box)
        return np.asarray(near)
    small = max(1, round(height * strength)), max(1, round(width * strength))
    far = np.asarray(Image.fromarray(image).resize((small[1], small[0]), Image.Resampling.BILINEAR))
    rows_missing, columns_missing = height - small[0], width - small[1]
    around = (_halves(rows_missing), _halves(columns_missing), (0, 0))
    padded: Array = np.pad(far, around, mode="edge")
    return padded


def _halves(count: int) -> tuple[int, int]:
    return count // 2, count - count // 2


def _rounded(values: NDArray[np.floating]) -> Array:
    rounded: Array = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


CORRUPTIONS: Mapping[str, Corruption] = {
    "blur": Corruption("blur", "% of the shorter side", (0.5, 1.0, 2.0, 3.0, 5.0), blur),
    "noise": Corruption("noise", "levels of 255", (8.0, 16.0, 32.0, 48.0, 64.0), add_noise),
    "jpeg": Corruption("JPEG compression", "quality", (50.0, 30.0, 20.0, 10.0, 5.0), compress),
    "darker": Corruption("less light", "% of the original", (80.0, 60.0, 45.0, 30.0, 20.0), expose),
    "brighter": Corruption("more light", "% of the original", (120.0, 140.0, 170.0, 200.0, 250.0), expose),
    "contrast": Corruption("less contrast", "% of the original", (75.0, 55.0, 40.0, 25.0, 15.0), flatten),
    "rotation": Corruption("rotation", "degrees", (5.0, 10.0, 15.0, 30.0, 45.0), rotate),
    "nearer": Corruption("a nearer view", "times the original", (1.1, 1.2, 1.4, 1.7, 2.0), zoom),
    "farther": Corruption("a farther view", "times the original", (0.9, 0.8, 0.7, 0.6, 0.5), zoom),
}
STEPS = 5
