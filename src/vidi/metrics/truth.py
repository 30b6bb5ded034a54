"""What images show: one class each, or any number of classes. What differs between the two is asked here."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.calibration import apply_temperature, best_temperature
from vidi.metrics.classification import log_losses
from vidi.metrics.multi_label import EVEN, Doubles, binary_log_losses, tempered_binary_losses
from vidi.metrics.operating import Mask
from vidi.metrics.outputs import SIGMOID, SOFTMAX, Sigmoid, Softmax


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OneClass:
    """Images that show one class each."""

    labels: Counts  # (images,) class index; -1: none of the classes
    class_count: int
    outputs: ClassVar[Softmax] = SOFTMAX  # of a model that learns it
    is_judged_by_loss: ClassVar[bool] = False  # else by accuracy, which comes first

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, rows: NDArray[np.int64] | Mask) -> Self:
        """The truth about some of the images, by index or by mask."""
        return type(self)(labels=self.labels[rows], class_count=self.class_count)

    @property
    def shown(self) -> Mask:
        """(images, classes) bool: which classes each image shows."""
        return np.eye(self.class_count, dtype=np.bool_)[self.labels] & (self.labels >= 0)[:, None]

    @property
    def array(self) -> Counts:
        """(images,) class indexes: the truth as a network's loss takes it."""
        return self.labels

    @property
    def strata(self) -> Counts:
        """(images,) one number for each image; like images have like numbers. Here the class."""
        return self.labels

    @property
    def is_known(self) -> Mask:
        """(images,) bool: whether an image can be scored; not where it shows none of the classes."""
        return self.labels >= 0

    @property
    def class_sizes(self) -> Counts:
        """(classes,) the number of images of each class."""
        return np.bincount(self.labels[self.labels >= 0], minlength=self.class_count)

    def correct(self, probabilities: Floats) -> Mask:
        """(images,) bool: whether the most probable class is the true one."""
        return np.asarray(probabilities.argmax(axis=1) == self.labels, np.bool_)

    def log_losses(self, probabilities: Floats) -> Doubles:
        """(images,): minus the logarithm of the true class's probability."""
        return np.asarray(log_losses(probabilities, self.labels), np.float64)

    def calibrated_log_losses(self, probabilities: Floats) -> Doubles:
        """(images,): the log losses at the temperature that suits these images best: what calibration will make."""
        return self.log_losses(apply_temperature(probabilities, best_temperature(probabilities, self.labels)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeveralClasses:
    """Images that show any number of classes, or none; each class is a question of its own."""

    shown: Mask  # (images, classes): which classes each image shows
    strata: Counts  # (images,) one number for each image; like images have like numbers
    outputs: ClassVar[Sigmoid] = SIGMOID
    is_judged_by_loss: ClassVar[bool] = True  # to be right about all classes of an image is rare

    @classmethod
    def of(cls, shown: Mask) -> Self:
        """The truth with each image's stratum: the rarest class that it shows."""
        return cls(shown=shown, strata=rarest_shown(shown))

    def __len__(self) -> int:
        return len(self.shown)

    def at(self, rows: NDArray[np.int64] | Mask) -> Self:
        """The truth about some of the images, by index or by mask; strata stay those of all."""
        return type(self)(shown=self.shown[rows], strata=self.strata[rows])

    @property
    def array(self) -> Mask:
        """(images, classes) bool: the truth as a network's loss takes it."""
        return self.shown

    @property
    def class_count(self) -> int:
        """Number of classes."""
        return int(self.shown.shape[1])

    @property
    def is_known(self) -> Mask:
        """(images,) bool: all can be scored, for an image without any of the classes shows that none is there."""
        return np.ones(len(self), np.bool_)

    @property
    def class_sizes(self) -> Counts:
        """(classes,) the number of images that show each class."""
        return np.asarray(self.shown.sum(axis=0), np.int64)

    def correct(self, probabilities: Floats) -> Mask:
        """(images,) bool: whether every class is on the right side of one half."""
        return np.asarray(((probabilities >= EVEN) == self.shown).all(axis=1), np.bool_)

    def log_losses(self, probabilities: Floats) -> Doubles:
        """(images,): the mean over the classes of each one's own log loss."""
        return binary_log_losses(probabilities, self.shown)

    def calibrated_log_losses(self, probabilities: Floats) -> Doubles:
        """(images,): the log losses at the temperature that suits these images best: what calibration will make."""
        return tempered_binary_losses(probabilities, self.shown)


Truth = OneClass | SeveralClasses


def rarest_shown(shown: Mask) -> Counts:
    """(images,) the rarest of the classes that each image shows; the number of classes where it shows none.

    >>> rarest_shown(np.array([[True, True], [True, False], [False, False]])).tolist()
    [1, 0, 2]
    """
    sizes = shown.sum(axis=0)
    rarest = np.where(shown, sizes, len(shown) + 1).argmin(axis=1)
    return np.asarray(np.where(shown.any(axis=1), rarest, shown.shape[1]), np.int64)
