"""Drawn scenes with structure at every scale, as photographs have it, and copies of them as people make them."""

import functools
import io
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.uint8]


@functools.cache
def scene(seed: int, *, size: tuple[int, int] = (120, 160)) -> Array:
    """(height, width, 3) uint8: clouds of five sizes in three colours, and a few things in front of them."""
    random = np.random.default_rng([seed, 7])
    height, width = size
    canvas = np.zeros((height, width, 3), np.float32)
    for octave in range(5):
        cells = 3 * 2**octave
        noise = random.normal(0, 1, (cells, cells, 3)) * 0.62**octave
        noise = 0.7 * noise.mean(axis=2, keepdims=True) + 0.3 * noise
        for channel in range(3):
            plane = Image.fromarray(noise[:, :, channel].astype(np.float32))
            canvas[:, :, channel] += np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC))
    canvas = 128 + 45 * canvas / canvas.std()
    rows, columns = np.mgrid[:height, :width]
    for _ in range(5):
        middle, radius = random.uniform(0, 1, 2) * size, random.uniform(0.05, 0.2) * min(size)
        canvas[(rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < radius**2] = random.uniform(20, 235, 3)
    image = np.clip(canvas, 0, 255).astype(np.uint8)
    image.setflags(write=False)  # many tests share it
    return image


def jpeg(image: Array, *, quality: int = 90, exif: Image.Exif | None = None) -> bytes:
    """The bytes of a JPEG file."""
    stream = io.BytesIO()
    if exif is None:
        Image.fromarray(image).save(stream, "JPEG", quality=quality)
    else:
        Image.fromarray(image).save(stream, "JPEG", quality=quality, exif=exif)
    return stream.getvalue()


def taken(time: str, *, camera: str = "Model 1", fraction: str = "") -> Image.Exif:
    """EXIF of a photograph: when it was taken, as `2024:05:01 10:00:00`, and by which camera."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", camera
    inner = exif.get_ifd(0x8769)
    inner[0x9003] = time
    if fraction:
        inner[0x9291] = fraction
    return exif


def resized(image: Array, random: np.random.Generator) -> bytes:
    share = random.uniform(0.45, 0.9)
    size = (round(image.shape[1] * share), round(image.shape[0] * share))
    return jpeg(np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)))


def reencoded(image: Array, random: np.random.Generator) -> bytes:
    return jpeg(image, quality=int(random.integers(40, 85)))


def mirrored(image: Array, random: np.random.Generator) -> bytes:
    return jpeg(image[:, ::-1])


def cropped(image: Array, random: np.random.Generator) -> bytes:
    """A window of 80 to 97 % of the area, anywhere, of the image's own proportions or others."""
    height, width = image.shape[:2]
    area, tilt = random.uniform(0.8, 0.97), random.choice([0.0, 0.5, 1.0])
    tall, wide = -int(-height * area**tilt // 1), -int(-width * area ** (1 - tilt) // 1)  # rounded up
    top, left = int(random.integers(height - tall + 1)), int(random.integers(width - wide + 1))
    return jpeg(image[top : top + tall, left : left + wide])


def shaken(image: Array, random: np.random.Generator) -> bytes:
    """The next photograph of a burst: shifted by up to 2 % each way, the light up to 5 % off."""
    height, width = image.shape[:2]
    down, across = random.integers(-height * 2 // 100, height * 2 // 100 + 1), random.integers(-3, 4)
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)), mode="reflect")
    moved = padded[4 + down : 4 + down + height, 4 + across : 4 + across + width].astype(np.float32)
    return jpeg(np.clip(moved * random.uniform(0.95, 1.05), 0, 255).astype(np.uint8))


NEAR_COPIES: Mapping[str, Callable[[Array, np.random.Generator], bytes]] = {
    "resized": resized,
    "reencoded": reencoded,
    "mirrored": mirrored,
    "cropped": cropped,
    "shaken": shaken,
}
