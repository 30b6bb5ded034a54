"""What training is given: arrays. It never sees a file."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vidi.errors import DataError, ShapeError
from vidi.metrics.truth import Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Framed images with their labels, and which of them to learn from and which to choose by."""

    images: NDArray[np.uint8]  # (images, height, width, 3), possibly memory-mapped
    truth: Truth  # what the images show
    train_rows: NDArray[np.int64]  # which images are used for training
    validation_rows: NDArray[np.int64]  # which images the best epoch is chosen by; may be empty
    classes: tuple[str, ...] = ()  # names, kept in the checkpoint so that another list is noticed
    digest: str = ""  # of the data set and its split, by whoever knows; "" = of labels and rows alone
    start: Mapping[str, NDArray[np.float32]] | None = None  # weights to begin from, of `vidi.networks.from_onnx`
    # Gives the whole network's weights as torch keeps them, with a head that was fitted on the given rows alone.
    initial: Callable[[NDArray[np.int64]], Mapping[str, Tensor]] | None = None
    answered_after: int = 0  # images that the model file answers about once it is trained, on the same time
    colour_rows: NDArray[np.int64] | None = None  # whose mean colour is subtracted; None for the training images
    groups: tuple[str, ...] = ()  # of each image: those of one group are kept together; empty where nobody asks
    left_out: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # whose labels are in doubt
    weights: NDArray[np.float64] | None = None  # (images,) as how many images each counts in the fit; None: as one

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.shape[3] != 3 or self.images.dtype != np.uint8:
            raise ShapeError(
                f"images are {self.images.dtype} of shape {self.images.shape}", "Give uint8 (n, height, width, 3)."
            )
        if len(self.truth) != len(self.images):
            raise ShapeError(f"{len(self.images)} images have {len(self.truth)} labels", "Give one label each.")
        if len(self.train_rows) == 0:
            raise DataError("no training images are left", "Use at least two images of each of two classes.")
        if self.classes and len(self.classes) != self.class_count:
            raise ShapeError(f"{self.class_count} classes have {len(self.classes)} names", "Give one name each.")
        if self.weights is not None and len(self.weights) != len(self.images):
            raise ShapeError(f"{len(self.images)} images have {len(self.weights)} weights", "Give one weight each.")

    @property
    def class_count(self) -> int:
        """Number of classes."""
        return self.truth.class_count

    @property
    def strata(self) -> NDArray[np.int64]:
        """(images,) one number for each image, of one class each its class: see `Truth.strata`."""
        return self.truth.strata

    def weights_of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(rows,) as how many images each of these counts."""
        return np.ones(len(rows)) if self.weights is None else self.weights[rows]

    def groups_of(self, rows: NDArray[np.int64]) -> list[str]:
        """The group of each of these images."""
        return [self.groups[row] for row in rows.tolist()]

    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return int(self.images.shape[1]), int(self.images.shape[2])

    def identity(self) -> dict[str, object]:
        """What a checkpoint remembers of its data: enough to notice other data or another class list."""
        hashed = hashlib.sha256(self.digest.encode())
        if not self.digest:
            for part in (self.truth.array, self.train_rows, self.validation_rows):
                hashed.update(np.ascontiguousarray(part, np.int64).tobytes())
        if self.weights is not None:
            hashed.update(np.ascontiguousarray(self.weights).tobytes())
        return {
            "classes": list(self.classes) or self.class_count,
            "digest": hashed.hexdigest(),
            "images": len(self.images),
            "image_size": list(self.image_size()),
        }


def channel_statistics(
    images: NDArray[np.uint8], rows: NDArray[np.int64]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over the given images, in levels of 255.

    Sums are kept as integers, so that neither the order nor the size of the pieces matters.

    >>> channel_statistics(np.full((2, 4, 4, 3), 7, np.uint8), np.array([0, 1]))[0]
    (7.0, 7.0, 7.0)
    """
    totals, squares, count = [0, 0, 0], [0, 0, 0], 0
    for start in range(0, len(rows), 256):
        piece = images[rows[start : start + 256]].reshape(-1, 3)
        count += len(piece)
        for channel in range(3):
            levels = np.bincount(piece[:, channel], minlength=256)
            totals[channel] += int(levels @ np.arange(256))
            squares[channel] += int(levels @ np.arange(256) ** 2)
    means = [total / count for total in totals]
    deviations = [max(square / count - mean**2, 1.0) ** 0.5 for square, mean in zip(squares, means, strict=True)]
    return tuple(means), tuple(deviations)


def is_grey(images: NDArray[np.uint8], rows: NDArray[np.int64]) -> bool:
    """Whether every one of the images has three equal channels; over at the first that has not.

    >>> is_grey(np.full((1, 2, 2, 3), 9, np.uint8), np.array([0]))
    True
    """
    pieces = (images[rows[start : start + 16]] for start in range(0, len(rows), 16))
    return all(bool((piece == piece[..., :1]).all()) for piece in pieces)


def class_weights(labels: NDArray[np.int64], class_count: int, *, kind: str = "balanced") -> NDArray[np.float32]:
    """Weights that lift the classes with few images; over the images they average 1.

    Args:
        labels: (images,) int64, of the images to learn from.
        class_count: number of classes; one without images weighs nothing.
        kind: `balanced` gives every class the same say, `tempered` one that grows with the root of its images,
            `none` one that grows with its images.

    >>> class_weights(np.array([0, 0, 0, 1]), 2).tolist()
    [0.6666666865348816, 2.0]
    >>> class_weights(np.array([0, 0, 0, 0, 1]), 2, kind="tempered").round(3).tolist()
    [0.8330000042915344, 1.6670000553131104]
    """
    counts = np.bincount(labels, minlength=class_count)
    power = {"none": 0.0, "tempered": 0.5, "balanced": 1.0}[kind]
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -power, 0.0)
    return np.asarray(weights * len(labels) / (weights @ counts), np.float32)


def identity_difference(saved: dict[str, object], given: dict[str, object]) -> str:
    """The first thing that differs between two identities, in words; empty when nothing does."""
    names = {"classes": "class list", "image_size": "image size", "images": "number of images", "digest": "data set"}
    for key, name in names.items():
        if saved.get(key) != given[key]:
            detail = "" if key == "digest" else f": {_shown(saved.get(key))} then, {_shown(given[key])} now"
            return f"the {name} has changed{detail}"
    return ""


def _shown(value: object) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, Sequence) else str(value)
