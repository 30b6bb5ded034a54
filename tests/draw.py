"""Tiny drawn images, the same every time: what the tests look at instead of photographs."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.uint8]
# With a part of its own for calibration a run trains once: without one, five more networks answer for it.
PARTS = (*["train"] * 6, "validation", "calibration", "test", "test")


def draw(kind: str, *, size: tuple[int, int] = (32, 32), seed: int = 0) -> Array:
    """One image (height, width, 3) of a kind that a small network can learn: disc, stripes, square or noise."""
    height, width = size
    random = np.random.default_rng([seed, len(kind)])
    image = random.integers(0, 60, (height, width, 3), dtype=np.uint8)
    rows, columns = np.mgrid[:height, :width]
    centre = random.uniform(0.4, 0.6, 2) * size
    radius = min(size) * random.uniform(0.22, 0.34)
    colour = random.integers(150, 256, 3, dtype=np.uint8)
    shapes = {
        "disc": (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2,
        "square": np.maximum(abs(rows - centre[0]), abs(columns - centre[1])) < radius,
        "stripes": (columns + int(random.integers(0, 6))) // 3 % 2 == 0,
        "noise": random.random((height, width)) < 0.3,
    }
    image[shapes[kind]] = colour
    return image


def encoded(image: Array, *, format: str = "PNG", quality: int = 90) -> bytes:
    """The bytes of an image file."""
    stream = io.BytesIO()
    if format in ("JPEG", "WEBP"):
        Image.fromarray(image).save(stream, format, quality=quality)
    else:
        Image.fromarray(image).save(stream, format)
    return stream.getvalue()


def class_folders(
    root: Path,
    *,
    kinds: tuple[str, ...] = ("disc", "stripes"),
    each: int = 10,
    size: tuple[int, int] = (32, 32),
    grey: bool = False,
    parts: tuple[str, ...] = ("",),
) -> Path:
    """A data set on disk: one folder for each kind, with `each` PNG files.

    Args:
        root: the folder.
        kinds: as for `draw`; also the names of the classes.
        each: how many images there are of each kind.
        size: (height, width), pixels.
        grey: whether the images are without colour.
        parts: folders to which the images of each kind are assigned in turn, such as `PARTS`.
    """
    for kind in kinds:
        for number in range(each):
            path = root / parts[number % len(parts)] / kind / f"{number:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = draw(kind, size=size, seed=number)
            image = image[:, :, 1:2].repeat(3, axis=2) if grey else image
            path.write_bytes(encoded(image))
    return root
