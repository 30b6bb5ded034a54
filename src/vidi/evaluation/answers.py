"""A model's answers about test images with the true classes, stored as predictions.csv."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.evaluation.traits import Traits
from vidi.files import escape_in_list, escape_path, write_csv_whole
from vidi.metrics.arrays import Counts, Floats, Labels
from vidi.metrics.truth import OneClass, SeveralClasses, Truth
from vidi.model_file.metadata import ModelMetadata
from vidi.prediction.prediction import Prediction, decide

Mask = NDArray[np.bool_]

TEST, EXTRA = "test", "extra"
COLUMNS = (
    "path",
    "digest",
    "part",
    "group",
    "near_copy",
    "label",
    "predicted",
    "probability",
    "label_probability",
    "verdict",
    "candidates",
    "decision",
)
MOST_CLASSES_IN_TABLE = 200  # above, only the two probabilities above are written


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeveralCalled:
    """True and predicted classes of images with several classes."""

    shown: Mask  # (images, classes)
    called: Mask  # (images, classes)

    def at(self, rows: Mask) -> Self:
        """The same of some of the images."""
        return type(self)(shown=self.shown[rows], called=self.called[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """A model's answers about test images; all fields in one order."""

    classes: tuple[str, ...]  # the model's, in the order of the columns of `probabilities`
    paths: tuple[str, ...]  # as the system names them
    truths: tuple[str, ...]  # names of the true classes; one that is not in `classes` is foreign to the model
    probabilities: Floats  # (images, classes), calibrated as shipped
    parts: tuple[str, ...]  # `test`, or `extra`, which is scored by itself
    digests: tuple[str, ...]  # SHA-256 of each file's bytes, "" where unknown
    groups: tuple[str, ...]  # images of one group are not independent; "" where an image stands alone
    near_copies: tuple[bool, ...]  # has a near copy among the images that something was chosen on
    novelty: Floats | None = None  # (images,), how strange the model finds each; None: it cannot tell
    several: SeveralCalled | None = None  # where images may show several classes; `truths` then joins names
    traits: tuple[Traits, ...] | None = None  # what each image is like beside what it shows; None: nobody looked

    def __post_init__(self) -> None:
        columns = [self.truths, self.probabilities, self.parts, self.digests, self.groups, self.near_copies]
        columns += [one for one in (self.novelty, self.traits) if one is not None]
        columns += [] if self.several is None else [self.several.shown, self.several.called]
        if any(len(column) != len(self.paths) for column in columns):
            raise ShapeError(
                f"{len(self.paths):,} images have columns of {[len(column) for column in columns]}",
                "Use one value per image, in the same order.",
            )

    @classmethod
    def of(
        cls,
        classes: Sequence[str],
        paths: Sequence[str],
        *,
        truths: Sequence[str],
        probabilities: Floats,
        parts: Sequence[str] | None = None,
        digests: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
    ) -> Self:
        """Make answers with defaults: part `test`, no digest, each image its own group."""
        nothing = ("",) * len(paths)
        return cls(
            classes=tuple(classes),
            paths=tuple(paths),
            truths=tuple(truths),
            probabilities=probabilities,
            parts=(TEST,) * len(paths) if parts is None else tuple(parts),
            digests=nothing if digests is None else tuple(digests),
            groups=nothing if groups is None else tuple(groups),
            near_copies=(False,) * len(paths),
        )

    @property
    def labels(self) -> Counts:
        """(images,) int64: index into `classes`, -1 for a class that is foreign to the model.

        Where images may show several classes, the first of them, or 0: no image is foreign then.
        """
        truth = self.truth
        return truth.labels if isinstance(truth, OneClass) else truth.shown.argmax(axis=1)

    @property
    def truth(self) -> Truth:
        """What each image shows, of the classes that the model knows."""
        if self.several is not None:
            return SeveralClasses.of(self.several.shown)
        index = {name: number for number, name in enumerate(self.classes)}
        labels = np.array([index.get(name, -1) for name in self.truths], dtype=np.int64)
        return OneClass(labels=labels, class_count=len(self.classes))

    @property
    def called(self) -> Mask:
        """(images, classes) bool: what the model calls each image; of one class each, the most probable one."""
        return (
            np.eye(len(self.classes), dtype=np.bool_)[self.predicted] if self.several is None else self.several.called
        )

    @property
    def predicted(self) -> Labels:
        """(images,) int64: the most probable class."""
        chosen: Labels = self.probabilities.argmax(axis=1)
        return chosen

    @property
    def is_right(self) -> Mask:
        """(images,) bool: whether the answer is the truth; of several classes, the right one about every class."""
        return np.asarray((self.called == self.truth.shown).all(axis=1), np.bool_)

    def novelty_of(self, row: int) -> float | None:
        """How strange the model finds one image; None where it cannot tell."""
        return None if self.novelty is None else float(self.novelty[row])

    def only(self, rows: NDArray[np.bool_]) -> "Answers":
        """The answers about some of the images.

        Args:
            rows: (images,) bool.
        """
        kept = np.flatnonzero(rows).tolist()

        def pick(column: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(column[row] for row in kept)

        return Answers(
            classes=self.classes,
            paths=pick(self.paths),
            truths=pick(self.truths),
            probabilities=self.probabilities[rows],
            parts=pick(self.parts),
            digests=pick(self.digests),
            groups=pick(self.groups),
            near_copies=tuple(self.near_copies[row] for row in kept),
            novelty=None if self.novelty is None else self.novelty[rows],
            several=None if self.several is None else self.several.at(rows),
            traits=None if self.traits is None else tuple(self.traits[row] for row in kept),
        )

    def about(self, columns: Sequence[int], classes: Sequence[str]) -> "Answers":
        """The same answers about some classes alone, where images may show several.

        Args:
            columns: indexes into `classes`.
            classes: what they are called now.
        """
        rows = list(columns)
        shown = self.truth.shown[:, rows]
        return replace(
            self,
            classes=tuple(classes),
            truths=tuple(join_names(classes, row) for row in shown),
            probabilities=self.probabilities[:, rows],
            several=SeveralCalled(shown=shown, called=self.called[:, rows]),
        )

    def followed_by(self, more: "Answers") -> "Answers":
        """These answers and then others of the same model."""
        both = None if self.novelty is None or more.novelty is None else np.concatenate([self.novelty, more.novelty])
        return (
            self
            if not more.paths
            else Answers(
                classes=self.classes,
                paths=self.paths + more.paths,
                truths=self.truths + more.truths,
                probabilities=np.concatenate([self.probabilities, more.probabilities]),
                parts=self.parts + more.parts,
                digests=self.digests + more.digests,
                groups=self.groups + more.groups,
                near_copies=self.near_copies + more.near_copies,
                novelty=both,
            )
        )


def as_column(novelty: Sequence[float | None]) -> Floats | None:
    """What a model said of each image as an array; None where it cannot tell."""
    told = [value for value in novelty if value is not None]
    return np.array(told) if told else None


def as_called(decisions: Sequence[tuple[str, ...] | None], classes: Sequence[str]) -> Mask:
    """(images, classes) bool: what a model called each image."""
    called = np.zeros((len(decisions), len(classes)), np.bool_)
    for row, decision in enumerate(decisions):
        called[row] = np.isin(classes, decision or ())
    return called


def name_truths(classes: Sequence[str], labels: Sequence[frozenset[int]]) -> tuple[str, ...]:
    """The names of the classes that each image shows, joined by `|` where there are several.

    >>> name_truths(["cat", "dog"], [frozenset([1]), frozenset([0, 1]), frozenset()])
    ('dog', 'cat|dog', '')
    """
    return tuple("|".join(classes[label] for label in sorted(each)) for each in labels)


def write_predictions(path: Path, answers: Answers, metadata: ModelMetadata) -> None:
    """Write predictions.csv whole: one row for each image, paths escaped so that they can be read back exactly.

    Args:
        path: the file.
        answers: what the model said.
        metadata: of the model; its limits give verdict and candidates.

    After the fixed columns stands one column `p:CLASS` for each class, where there are at most 200. Where images may
    show several classes, `label` and `predicted` hold them joined by `|`, and the two probabilities are those of all
    that was said and of all that is true, the classes taken as independent.
    """
    names = answers.classes if len(answers.classes) <= MOST_CLASSES_IN_TABLE else ()
    rows: list[list[str]] = [[*COLUMNS, *(f"p:{escape_path(name)}" for name in names)]]
    truth, predicted = answers.truth, answers.predicted.tolist()
    for row in range(len(answers.paths)):
        probabilities = answers.probabilities[row]
        shipped = decide(probabilities, metadata, novelty=answers.novelty_of(row))
        rows.append(
            [
                escape_path(answers.paths[row]),
                answers.digests[row],
                answers.parts[row],
                escape_path(answers.groups[row]),
                "yes" if answers.near_copies[row] else "",
                *_said_and_true(answers, truth.at(np.array([row])), row, predicted[row], shipped),
                shipped.verdict or "",
                "|".join(map(escape_in_list, shipped.candidates)),
                "|".join(map(escape_in_list, shipped.decision or ())),
                *(_short(value) for value in (probabilities if names else ())),
            ]
        )
    write_csv_whole(path, rows)


def _said_and_true(answers: Answers, truth: Truth, row: int, predicted: int, shipped: Prediction) -> list[str]:
    """The cells label, predicted, probability and label_probability of one image, given the truth about it alone."""
    probabilities = answers.probabilities[row]
    if isinstance(truth, OneClass):
        label = int(truth.labels[0])
        said, true = probabilities[predicted], probabilities[label] if label >= 0 else None
        texts = [escape_path(answers.truths[row]), escape_path(answers.classes[predicted])]
        return [*texts, _short(said), "" if true is None else _short(true)]
    called, shown = np.isin(answers.classes, shipped.decision or ()), truth.shown[0]
    return [
        join_names(answers.classes, shown),
        join_names(answers.classes, called),
        _short(np.where(called, probabilities, 1 - probabilities).prod()),
        _short(np.where(shown, probabilities, 1 - probabilities).prod()),
    ]


def join_names(classes: Sequence[str], shown: Mask) -> str:
    """Some of the classes as one text, in the model's order.

    >>> join_names(["cat", "dog"], np.array([True, True]))
    'cat|dog'
    """
    return "|".join(escape_in_list(name) for name, is_shown in zip(classes, shown.tolist(), strict=True) if is_shown)


def _short(probability: float) -> str:
    return f"{float(probability):.6g}"
