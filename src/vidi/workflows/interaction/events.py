"""Events of a workflow while it works, their one receiver, and the receiver that writes to Python's log."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vidi.numbers import percent

if TYPE_CHECKING:
    from vidi.training.loop.progress import EpochRow, Progress, SearchProgress
    from vidi.training.recipe import Recipe

LOG = logging.getLogger("vidi")


@dataclass(frozen=True)
class Message:
    """One line worth keeping."""

    sentence: str


@dataclass(frozen=True)
class StageProgress:
    """Progress of a stage that counts images, bytes or turns."""

    what: str  # names the stage
    done: int
    total: int
    ended: str = ""  # what is worth keeping at its end


@dataclass(frozen=True)
class TrainingStarted:
    """A training begins with this recipe; what it measures itself is still open."""

    recipe: "Recipe"


@dataclass(frozen=True)
class StepDone:
    """Where the training is."""

    progress: "Progress"


@dataclass(frozen=True)
class EpochEnded:
    """An epoch has ended."""

    row: "EpochRow"
    member: int  # of an ensemble, from 1; 0 without one


@dataclass(frozen=True)
class SearchStep:
    """Where the search for a better recipe is."""

    progress: "SearchProgress"


@dataclass(frozen=True)
class RunFinished:
    """A training has ended, and everything is in its run folder."""

    folder: Path


@dataclass(frozen=True)
class Ended:
    """Nothing more will be reported."""

    state: Literal["finished", "stopped", "failed"]
    cause: str = ""  # what happened
    remedy: str = ""  # what to do about it


Event = Message | StageProgress | TrainingStarted | StepDone | EpochEnded | SearchStep | RunFinished | Ended


@dataclass(frozen=True)
class Events:
    """How a workflow reports to its listener: a terminal, a log, a list in a test."""

    tell: Callable[[Event], None]

    def say(self, sentence: str) -> None:
        """One line worth keeping."""
        self.tell(Message(sentence))

    def reading(self, done: int, total: int) -> None:
        """Images decoded so far."""
        self.tell(StageProgress("reading images", done, total, f"read {total:,} images"))

    def fetching(self, what: str, done: int, total: int) -> None:
        """Bytes fetched so far."""
        self.tell(StageProgress(f"fetching {what}", done, total, f"fetched {what}"))

    def count(self, what: str, done: int, total: int) -> None:
        """Progress of any other stage."""
        self.tell(StageProgress(what, done, total))

    def features(self, done: int, total: int) -> None:
        """Images whose features are computed so far."""
        self.tell(StageProgress("computing features", done, total, f"computed the features of {total:,} images"))

    def recipe(self, recipe: "Recipe") -> None:
        """A training begins."""
        self.tell(TrainingStarted(recipe))

    def training(self, progress: "Progress") -> None:
        """Where the training is."""
        self.tell(StepDone(progress))

    def epoch(self, row: "EpochRow", member: int) -> None:
        """An epoch has ended."""
        self.tell(EpochEnded(row, member))

    def searching(self, progress: "SearchProgress") -> None:
        """Where the search for a better recipe is."""
        self.tell(SearchStep(progress))

    def finished(self, folder: Path) -> None:
        """A training has ended."""
        self.tell(RunFinished(folder))


SILENCE = Events(lambda _: None)


def logged_events() -> Events:
    """What writes to the log `vidi`: messages, a line for each epoch, and one at the end of a count of images."""
    epoch = 0

    def tell(event: Event) -> None:
        nonlocal epoch
        match event:
            case Message(sentence):
                LOG.info("%s", sentence)
            case StageProgress(_, done, total, ended) if ended and done == total:
                LOG.info("%s", ended)
            case StepDone(progress) if progress.epoch != epoch or progress.step == progress.steps:
                epoch = progress.epoch
                LOG.info("%s", _epoch_line(progress))

    return Events(tell)


def _epoch_line(progress: "Progress") -> str:
    validation = ""
    if progress.validation_accuracy is not None:
        validation = f", validation {percent(progress.validation_accuracy, digits=1)}"
    return (
        f"epoch {progress.epoch} of {math.ceil(progress.epochs)}: loss {progress.loss:.3f}, accuracy "
        f"{percent(progress.accuracy, digits=1)}{validation}, {progress.images_per_second:,.0f} images/s"
    )
