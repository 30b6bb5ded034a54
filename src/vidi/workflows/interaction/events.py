"""Events of a workflow while it works, their one receiver, and the receiver that writes to Python's log."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
class ImagesRead:
    """Number of images decoded so far."""

    done: int
    total: int


@dataclass(frozen=True)
class BytesFetched:
    """Bytes fetched so far of weights or data that the user named."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class StageProgress:
    """Progress of any other stage that counts; `what` names it."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class FeaturesComputed:
    """Number of images whose features are computed so far."""

    done: int
    total: int


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


Event = (
    Message
    | ImagesRead
    | BytesFetched
    | StageProgress
    | FeaturesComputed
    | TrainingStarted
    | StepDone
    | EpochEnded
    | SearchStep
    | RunFinished
)


@dataclass(frozen=True)
class Events:
    """How a workflow reports to its listener: a terminal, a log, a list in a test."""

    tell: Callable[[Event], None]

    def say(self, sentence: str) -> None:
        """One line worth keeping."""
        self.tell(Message(sentence))

    def reading(self, done: int, total: int) -> None:
        """Images decoded so far."""
        self.tell(ImagesRead(done, total))

    def fetching(self, what: str, done: int, total: int) -> None:
        """Bytes fetched so far."""
        self.tell(BytesFetched(what, done, total))

    def count(self, what: str, done: int, total: int) -> None:
        """Progress of any other stage."""
        self.tell(StageProgress(what, done, total))

    def features(self, done: int, total: int) -> None:
        """Images whose features are computed so far."""
        self.tell(FeaturesComputed(done, total))

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
            case ImagesRead(done, total) if done == total:
                LOG.info("read %s images", f"{total:,}")
            case BytesFetched(what, done, total) if done == total:
                LOG.info("fetched %s", what)
            case FeaturesComputed(done, total) if done == total:
                LOG.info("computed the features of %s images", f"{total:,}")
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
