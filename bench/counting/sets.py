"""CIFAR-10 and Fashion-MNIST as arrays."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.drifting.prepare import read_batch

TRAINING_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
HEADER = {"images": 16, "labels": 8}  # bytes before the values


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallSet:
    """Training images, then test images."""

    images: NDArray[np.uint8]  # (images, height, width, 3)
    labels: NDArray[np.int64]  # (images,)
    training: int  # how many of them are training images


def read_cifar(folder: Path) -> SmallSet:
    """CIFAR-10 in the order of its batches."""
    batches = [read_batch(folder / f"{name}.bin") for name in (*TRAINING_BATCHES, "test_batch")]
    return SmallSet(
        images=np.concatenate([images for images, _ in batches]),
        labels=np.concatenate([labels for _, labels in batches]),
        training=sum(len(labels) for _, labels in batches[:-1]),
    )


def read_fashion(folder: Path) -> SmallSet:
    """Fashion-MNIST, its one channel three times."""
    values = {
        (part, kind): np.frombuffer(
            gzip.decompress((folder / f"{part}-{kind}-idx{number}-ubyte.gz").read_bytes()),
            np.uint8,
            offset=HEADER[kind],
        )
        for part in ("train", "t10k")
        for kind, number in (("images", 3), ("labels", 1))
    }
    grey = np.concatenate([values[part, "images"] for part in ("train", "t10k")]).reshape(-1, 28, 28, 1)
    labels = np.concatenate([values[part, "labels"] for part in ("train", "t10k")]).astype(np.int64)
    return SmallSet(images=grey.repeat(3, axis=3), labels=labels, training=len(values["train", "labels"]))


SETS: Mapping[str, Callable[[Path], SmallSet]] = {"cifar10": read_cifar, "fashion-mnist": read_fashion}
