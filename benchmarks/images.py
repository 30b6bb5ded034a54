"""Images for the rivals: one folder layout, or a known set, as plain arrays.

A folder has one folder for each part (`train/`, `test/` …) and in each part one folder for each class. The known sets
are read as their authors publish them: `cifar10/` with its six binary batches, `fashion-mnist/` with its four files.
"""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".pgm", ".ppm", ".gif", ".tif", ".tiff"}


@dataclass(frozen=True)
class Labelled:
    """The images of one part."""

    images: np.ndarray  # (n, height, width, 3) uint8
    labels: np.ndarray  # (n,) int64
    classes: tuple[str, ...]


def class_names(source: Path, part: str, only: Sequence[str] | None) -> tuple[str, ...]:
    """The class folders of a part, sorted; of them only those asked for."""
    found = sorted(folder.name for folder in (source / part).iterdir() if folder.is_dir())
    return tuple(name for name in found if only is None or name in only)


def class_files(source: Path, parts: Sequence[str], name: str) -> list[Path]:
    """The image files of one class in some parts, in a fixed order."""
    return [
        path for part in parts for path in sorted((source / part / name).iterdir()) if path.suffix.lower() in SUFFIXES
    ]


def read_images(
    source: Path, parts: Sequence[str], *, size: int | None, only: Sequence[str] | None = None, crop: bool = False
) -> Labelled:
    """Decode every image of some parts; `size` is the side in pixels that folders' images are stretched or cut to."""
    if (source / "data_batch_1.bin").exists():
        return read_cifar10(source, test="test" in parts)
    if (source / "train-labels-idx1-ubyte.gz").exists():
        return read_fashion_mnist(source, test="test" in parts)
    if size is None:
        raise SystemExit("images in folders need --size")
    classes = class_names(source, parts[0], only)
    images, labels = [], []
    for index, name in enumerate(classes):
        for path in class_files(source, parts, name):
            with Image.open(path) as image:
                upright = ImageOps.exif_transpose(image).convert("RGB")
                square = (size, size)
                way = Image.Resampling.BILINEAR
                fitted = ImageOps.fit(upright, square, way) if crop else upright.resize(square, way)
                images.append(np.asarray(fitted))
            labels.append(index)
    return Labelled(np.stack(images), np.array(labels, np.int64), classes)


def read_cifar10(source: Path, *, test: bool) -> Labelled:
    """Records of a label and 3,072 bytes, red plane first."""
    names = ["test_batch.bin"] if test else [f"data_batch_{number}.bin" for number in range(1, 6)]
    records = np.concatenate([np.fromfile(source / name, np.uint8).reshape(-1, 3073) for name in names])
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    classes = tuple((source / "batches.meta.txt").read_text().split())
    return Labelled(np.ascontiguousarray(images), records[:, 0].astype(np.int64), classes)


def read_fashion_mnist(source: Path, *, test: bool) -> Labelled:
    """IDX files: a header of 16 or 8 bytes, then one byte for each pixel or label."""
    prefix = "t10k" if test else "train"
    pixels = np.frombuffer(gzip.decompress((source / f"{prefix}-images-idx3-ubyte.gz").read_bytes()), np.uint8, -1, 16)
    labels = np.frombuffer(gzip.decompress((source / f"{prefix}-labels-idx1-ubyte.gz").read_bytes()), np.uint8, -1, 8)
    images = np.repeat(pixels.reshape(-1, 28, 28, 1), 3, axis=3)
    names = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
    return Labelled(images, labels.astype(np.int64), names)
