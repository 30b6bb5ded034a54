"""A model asked about labelled images: its answers as one table with the true classes, stored as predictions.csv."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vidi.data.dataset import Dataset, LabelledImage
from vidi.data.duplicates.capture import read_camera
from vidi.errors import ImageError, ShapeError
from vidi.evaluation.match import ClassMatch
from vidi.evaluation.scores import number_groups_or_images
from vidi.files import escape_in_list
from vidi.images.account import Entry
from vidi.images.decode import DEFAULT
from vidi.images.limits import DecodeOptions
from vidi.images.statistics import ImageStatistics, brightness_of
from vidi.metrics.arrays import Counts, Floats, Labels
from vidi.metrics.outputs import SIGMOID
from vidi.metrics.truth import OneClass, SeveralClasses, Truth
from vidi.prediction.prediction import Answer, Prediction
from vidi.prediction.predictor import Predictor

Mask = NDArray[np.bool_]
Reason = tuple[str, str]  # code and sentence

TEST, EXTRA = "test", "extra"
CHANGED = ("changed", "The file changed after it was checked.")
OF_ALL = frozenset({"classes", "looks", "lost"})  # fields of `Answers` without a value for each image
SAID_EVERY = 500  # images
MOST_SEEN = 5_000  # images whose embeddings and statistics are kept; up to twice as many of a stream of unknown length
_MEASURED = np.dtype([("brightness", "<f4"), ("camera", "S60")])


@dataclass(frozen=True, slots=True)
class Traits:
    """One test image, apart from what it shows."""

    size: tuple[int, int]  # (height, width), pixels
    brightness: float  # mean grey level, 0 to 255
    camera: str  # maker and model; empty where the file names none
    source: str  # folder, without those that are named after the class or the part; perhaps empty
    columns: tuple[tuple[str, str], ...] = ()  # of the table that names it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeveralCalled:
    """True and predicted classes of images with several classes."""

    shown: Mask  # (images, classes)
    called: Mask  # (images, classes)

    def at(self, rows: Mask) -> Self:
        """The same of some of the images."""
        return type(self)(shown=self.shown[rows], called=self.called[rows])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FramedImage:
    """One image as a network sees it."""

    embedding: Floats  # (features,)
    statistics: ImageStatistics | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """A model's answers about images; all columns in one order."""

    classes: tuple[str, ...]  # the model's, in the order of the columns of `probabilities`
    paths: tuple[str, ...]  # as the system names them
    truths: tuple[str, ...]  # names of the true classes; one that is not in `classes` is foreign to the model
    probabilities: Floats  # (images, classes), calibrated as shipped
    parts: tuple[str, ...]  # `test`, or `extra`, which is scored by itself
    digests: tuple[str, ...]  # SHA-256 of each file's bytes, "" where unknown
    groups: tuple[str, ...]  # images of one group are not independent; "" where an image stands alone
    near_duplicates: tuple[bool, ...]  # has a near-duplicate among the images that something was chosen on
    novelty: Floats | None = None  # (images,), how strange the model finds each; None: it cannot tell
    several: SeveralCalled | None = None  # where images may show several classes; `truths` then joins names
    traits: tuple[Traits, ...] | None = None  # what each image is like beside what it shows; None: nobody looked
    numbers: Counts | None = None  # (images,): rows of the data set that was asked about; None: none was
    looks: Mapping[int, FramedImage] = field(default_factory=dict)  # at some of the images, by their rows
    lost: tuple[Entry, ...] = ()  # images that were asked about and have no answer here, and why

    def __post_init__(self) -> None:
        columns = [self.truths, self.probabilities, self.parts, self.digests, self.groups, self.near_duplicates]
        columns += [one for one in (self.novelty, self.traits, self.numbers) if one is not None]
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
            parts=(TEST,) * len(paths),
            digests=nothing if digests is None else tuple(digests),
            groups=nothing if groups is None else tuple(groups),
            near_duplicates=(False,) * len(paths),
        )

    @property
    def rows(self) -> Counts:
        """(images,): rows of the data set that was asked about."""
        assert self.numbers is not None  # noqa: S101  # there is one, as the caller knows
        return self.numbers

    @property
    def group_numbers(self) -> Counts:
        """(images,): the group of each as a number; an image without a group is one of its own."""
        return number_groups_or_images(self.groups, len(self.groups))

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

        def pick(column: Any) -> Any:
            match column:
                case tuple():
                    return tuple(column[row] for row in kept)
                case SeveralCalled():
                    return column.at(rows)
            return None if column is None else column[rows]

        return replace(self, **{name: pick(column) for name, column in self._columns().items()})

    def about(self, columns: Sequence[int], classes: Sequence[str]) -> "Answers":
        """The same answers about some classes alone, where images may show several.

        Args:
            columns: indexes into `classes`.
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
        """These answers about one class each, then others of the same model; what not both know is left out."""

        def join(first: Any, second: Any) -> Any:
            if first is None or second is None:
                return None
            return first + second if isinstance(first, tuple) else np.concatenate([first, second])

        if not more.paths:
            return self
        others = more._columns()
        return replace(self, **{name: join(column, others[name]) for name, column in self._columns().items()})

    def _columns(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in OF_ALL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What is asked about images beside their classes."""

    options: DecodeOptions = DEFAULT  # how they are decoded
    match: ClassMatch | None = None  # of the data's classes to the model's; None: they have the same names
    traits: bool = False
    looks: bool = False  # embeddings and statistics of some 5,000 images, evenly spaced
    looks_at: Collection[int] = ()  # rows whose embeddings alone are wanted
    # Why the image of a row, whose file has this digest, is left out; None where it is not.
    leave_out: Callable[[int, str], Reason | None] = lambda _row, _digest: None
    on_progress: Callable[[int, int], None] = lambda _done, _total: None  # images answered so far, and in all


class _EvenLooks:
    """Looks at images of a stream; of very many at evenly spaced ones, since how many will follow is not known."""

    def __init__(self) -> None:
        self.kept: dict[int, FramedImage] = {}
        self._seen, self._every = 0, 1

    def add(self, row: int, answer: Answer) -> None:
        """Keep what the network saw, unless it is one to pass over or the model has no embedding."""
        if answer.embedding is None:
            return
        if self._seen % self._every == 0:
            self.kept[row] = FramedImage(embedding=answer.embedding.copy(), statistics=answer.statistics)
        self._seen += 1
        if len(self.kept) == 2 * MOST_SEEN:  # every second one goes
            self.kept, self._every = dict(islice(self.kept.items(), 0, None, 2)), 2 * self._every


def answer(predictor: Predictor, dataset: Dataset, parts: Mapping[int, str], want: Want) -> Answers:
    """Ask a model about labelled images; those that cannot be read or are left out stand in `lost`.

    Args:
        parts: row of each image that is asked about, in order → the part as which it is scored.
    """
    rows, said, digests, traits, lost = list[int](), list[Prediction](), list[str](), list[Traits](), list[Entry]()
    looks, looked_at = _EvenLooks(), frozenset(parts if want.looks else want.looks_at)
    stream = predictor.predict_files(
        [dataset.images[row].path for row in parts],
        store=dataset.store,
        options=want.options,
        measure=measure_traits if want.traits else None,
        embedding=bool(looked_at),
        statistics=want.looks,
    )
    for done, (row, one) in enumerate(zip(parts, stream, strict=True), start=1):
        if done % SAID_EVERY == 0 or done == len(parts):
            want.on_progress(done, len(parts))
        if isinstance(one.outcome, ImageError):
            lost.append(Entry(one.path, one.outcome.code, one.outcome.cause))
            continue
        if reason := want.leave_out(row, one.digest):
            lost.append(Entry(one.path, *reason))
            continue
        if row in looked_at:
            looks.add(row, one)
        if want.traits:
            traits.append(traits_of(one, dataset.images[row], classes=dataset.classes))
        rows.append(row)
        said.append(replace(one.outcome, embedding=None))
        digests.append(one.digest)
    novelty = [one.novelty for one in said if one.novelty is not None]  # of all, or of none
    match, images, classes = want.match or ClassMatch.of_same(dataset.classes), dataset.images, predictor.classes
    labels = [images[row].labels for row in rows]
    several = None
    if predictor.metadata.outputs == SIGMOID:
        called = as_called([one.decision for one in said], classes)
        several = SeveralCalled(shown=match.targets(classes, labels), called=called)
    return Answers(
        classes=classes,
        paths=tuple(images[row].path for row in rows),
        truths=name_truths(match.names, labels),
        probabilities=np.array([one.probabilities for one in said], np.float32).reshape(-1, len(classes)),
        parts=tuple(parts[row] for row in rows),
        digests=tuple(digests),
        groups=tuple(images[row].group or "" for row in rows),
        near_duplicates=(False,) * len(rows),
        novelty=np.array(novelty) if novelty else None,
        several=several,
        traits=tuple(traits) if want.traits else None,
        numbers=np.array(rows, np.int64),
        looks=looks.kept,
        lost=tuple(lost),
    )


def answer_alike(
    predictors: Sequence[Predictor], dataset: Dataset, parts: Mapping[int, str], wants: Sequence[Want]
) -> list[Answers]:
    """Ask several models about the same images: each answers about those alone that all others answered, too."""
    given: list[Answers] = []
    for predictor, want in zip(predictors, wants, strict=True):
        given.append(answer(predictor, dataset, parts, want))
        parts = {row: parts[row] for row in given[-1].rows.tolist()}
    return [one.only(np.isin(one.rows, list(parts))) for one in given]


def measure_traits(data: bytes, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Light and camera of one file, packed; a measure for `Predictor.predict_files`.

    Args:
        data: the file's bytes.
        image: (height, width, 3) uint8, upright.
    """
    camera = read_camera(data).encode("ascii", "replace")[: _MEASURED["camera"].itemsize]
    return np.array([(brightness_of(image), camera)], dtype=_MEASURED).view(np.uint8)


def traits_of(answer: Answer, image: LabelledImage, *, classes: Sequence[str]) -> Traits:
    """Return the traits of one image."""
    assert answer.measured is not None  # noqa: S101 - the caller asked for it, and the image was answered
    assert answer.size is not None  # noqa: S101
    measured = np.ascontiguousarray(answer.measured).view(_MEASURED)[0]
    return Traits(
        size=answer.size,
        brightness=float(measured["brightness"]),
        camera=measured["camera"].decode("ascii", "replace"),
        source=source_of(image.path, class_names=[classes[label] for label in image.labels], part=image.part),
        columns=image.columns,
    )


def source_of(path: str, *, class_names: Sequence[str], part: str | None) -> str:
    """The folders of an image, without those that are named after what it shows or its part.

    >>> source_of("clinic 2/train/cat/7.png", class_names=["cat"], part="train")
    'clinic 2'
    """
    folders = path.replace("\\", "/").split("/")[:-1]
    left_out = {name.casefold() for name in (*class_names, part or "")}
    return "/".join(folder for folder in folders if folder.casefold() not in left_out)


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


def join_names(classes: Sequence[str], shown: Mask) -> str:
    """Some of the classes as one text, in the model's order.

    >>> join_names(["cat", "dog"], np.array([True, True]))
    'cat|dog'
    """
    return "|".join(escape_in_list(name) for name, is_shown in zip(classes, shown.tolist(), strict=True) if is_shown)
