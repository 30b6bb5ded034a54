"""A data set: images by path, what they show, and which belong together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vidi.errors import DataError
from vidi.files import escape_path
from vidi.images.account import Account
from vidi.images.store import ImageStore
from vidi.metrics.truth import OneClass, SeveralClasses, Truth

NEGATIVE = ("negative", "It shows none of the classes: used to tell what is unknown.")
NEWEST = 100  # images of feedback: of older ones none are held back, since they show what came in long ago


@dataclass(frozen=True, slots=True)
class Box:
    """One object in an image."""

    class_index: int
    x_min: float  # pixels of the upright image, or shares of its size where `relative`
    y_min: float
    x_max: float
    y_max: float
    relative: bool = False


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One image file and what is known about it; the pixels stay in the store."""

    path: str  # relative to the source's root, as the system names it
    labels: frozenset[int]  # class indexes; one for single-label sets, else any number
    group: str | None = None  # images of one group never part: one person, one animal, one burst
    part: str | None = None  # as the user's own split names it
    boxes: tuple[Box, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()  # what a table says beside: name and text; figures are given by them
    is_feedback: bool = False  # labelled in use, after the first training
    is_for_learning: bool = False  # of feedback: never held back to compare models on
    given: frozenset[int] | None = None  # what the data says, where people said otherwise; empty: it says nothing
    left_out: tuple[str, str] | None = None  # the code and the sentence why people left it out
    is_confirmed: bool = False  # people looked at it, and said what it shows

    @property
    def label(self) -> int:
        """The class index of a single-label image."""
        (label,) = self.labels
        return label


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images with their classes, read from one source. Nothing is decoded yet."""

    name: str  # short, for folders and titles
    source: str  # what the user named: a path or the name of a known set
    reader: str  # the reader's name in `vidi.data.read.READERS`
    classes: tuple[str, ...]
    images: tuple[LabelledImage, ...]
    store: ImageStore
    account: Account = field(default_factory=Account)  # of the scan: `used` counts `images`
    notes: tuple[str, ...] = ()  # what the reader decided or left out, one sentence each, to be reported
    multi_label: bool = False  # an image may show several classes, or none
    left_out: tuple[LabelledImage, ...] = ()  # images with a label that people left out; the account names them, too
    labels_state: str | None = None  # of the labels file that was read, as `vidi.data.labels` has it

    def with_left_out(self) -> Self:
        """The set with the images that people left out, marked as such: a split stays as it was before.

        All are in the order of their paths, so that what is cached of them is found again.
        """
        if not self.left_out:
            return self
        images = sorted((*self.images, *self.left_out), key=lambda image: image.path.split("/"))
        account = self.account.using(image.path for image in self.left_out)
        return replace(self, images=tuple(images), left_out=(), account=account)

    def as_given(self) -> Self:
        """The images as the data labels them; those that it gives no label are left out."""
        return replace(self, images=tuple(map(self._as_given, self.images)))

    def _as_given(self, image: LabelledImage) -> LabelledImage:
        if image.given is None:
            return replace(image, left_out=None)
        is_new = not image.given and not self.multi_label
        return replace(image, labels=image.given, left_out=("", "") if is_new else None)

    @property
    def negatives(self) -> list[str]:
        """The paths of images that their owner says show none of the classes."""
        return [entry.path for entry in self.account.set_aside if entry.code == NEGATIVE[0]]

    @property
    def is_feedback(self) -> NDArray[np.bool_]:
        """(images,) bool: which were labelled in use."""
        return np.array([image.is_feedback for image in self.images], np.bool_)

    def labels(self) -> list[int]:
        """The class index of every image of a single-label set, in order.

        Raises:
            DataError: an image shows several classes at once.
        """
        for image in self.images:
            if len(image.labels) != 1:
                shown = ", ".join(self.classes[index] for index in sorted(image.labels)) or "none of the classes"
                raise DataError(
                    f"{escape_path(self.source)}: {escape_path(image.path)} shows {shown}; one class for each image is "
                    "needed",
                    f"Ask one question of it: `--positive {next(iter(self.classes), 'NAME')}` sorts the images into "
                    "two classes; or learn to tell every class by itself: `--multi-label`.",
                )
        return [image.label for image in self.images]

    def targets(self) -> NDArray[np.bool_]:
        """(images, classes) bool: which classes each image shows."""
        shown = np.zeros((len(self.images), len(self.classes)), np.bool_)
        for row, image in enumerate(self.images):
            shown[row, list(image.labels)] = True
        return shown

    def truth(self) -> Truth:
        """What every image shows.

        Raises:
            DataError: an image of a single-label set shows several classes at once.
        """
        if self.multi_label:
            return SeveralClasses.of(self.targets())
        return OneClass(labels=np.array(self.labels(), np.int64), class_count=len(self.classes))

    def class_sizes(self, counted: Sequence[bool]) -> dict[str, int]:
        """Class → how many of the images are counted, an answer for each in order; one of two classes counts twice."""
        shown = zip(self.images, counted, strict=True)
        sizes = Counter(label for image, counts in shown if counts for label in image.labels)
        return {name: sizes[index] for index, name in enumerate(self.classes)}
