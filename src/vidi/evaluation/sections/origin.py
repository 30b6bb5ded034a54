"""Where figures come from: the model, the images, how they were split, and how the network came about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from vidi.evaluation.sections.plain import from_plain
from vidi.images.account import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelName:
    """Which model the figures are of."""

    id: str
    run: str
    weights_digest: str | None = None
    date: str | None = None  # ISO 8601; None of an evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """What the images are. An evaluation names the data; a run says how many there are, and of what."""

    source: str  # as it was named, escaped
    reader: str | None = None
    name: str | None = None
    digest: str | None = None  # of all images
    test_digest: str | None = None
    images: int | None = None
    parts: Mapping[str, int] | None = None  # images in each
    classes: Mapping[str, int] | None = None  # images of each, all parts together
    split_rule: str | None = None
    feedback_learned: int | None = None  # images labelled in use, among those that the model was trained on
    feedback_weight: float | None = None  # as how many other images each of these counts


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFacts:
    """What the split found."""

    leaks: tuple[str, ...]  # sentences
    untested_classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """How the network came about."""

    epochs: int
    best_epoch: int | None  # whose weights were kept
    stopped_by: str
    seconds: float
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearntFacts:
    """Whether all scored images are held out from training, and how many were set aside."""

    unseen: bool
    set_aside: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedFile:
    """One file that was not simply used; its path escaped."""

    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """What became of every path; see `vidi.images.account.Account`."""

    found: int
    used: int
    set_aside: tuple[NotedFile, ...]
    refused: tuple[NotedFile, ...]
    ignored: Mapping[str, int]  # by reason

    @classmethod
    def of(cls, account: Account) -> Self:
        """The account as it is written."""
        return from_plain(cls, account.as_json())
