"""Progress and messages of a workflow; the listener decides how they look."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vidi.training.loop.progress import EpochRow, Progress, SearchProgress
    from vidi.training.recipe import Recipe


class Events(Protocol):
    """A listener: the terminal, a notebook, a test."""

    def say(self, sentence: str) -> None:
        """One line worth keeping."""

    def reading(self, done: int, total: int) -> None:
        """Images decoded so far."""

    def fetching(self, what: str, done: int, total: int) -> None:
        """Bytes of weights that the user named, fetched so far."""

    def count(self, what: str, done: int, total: int) -> None:
        """Progress of any other stage that counts; `what` names it."""

    def features(self, done: int, total: int) -> None:
        """Images whose features are computed so far."""

    def training(self, progress: "Progress") -> None:
        """Where the training is."""

    def recipe(self, recipe: "Recipe") -> None:
        """How the training that begins now is done; what it measures itself is still open."""

    def epoch(self, row: "EpochRow", member: int) -> None:
        """An epoch has ended; `member` counts the trainings of an ensemble from 1, and is 0 without one."""

    def searching(self, progress: "SearchProgress") -> None:
        """Where the search for a better recipe is."""

    def finished(self, folder: Path) -> None:
        """A training has ended, and everything is in its run folder."""


class Silence:
    """Nobody listens."""

    def say(self, sentence: str) -> None:
        """Say nothing."""

    def reading(self, done: int, total: int) -> None:
        """Show nothing."""

    def fetching(self, what: str, done: int, total: int) -> None:
        """Show nothing."""

    def count(self, what: str, done: int, total: int) -> None:
        """Show nothing."""

    def features(self, done: int, total: int) -> None:
        """Show nothing."""

    def training(self, progress: "Progress") -> None:
        """Show nothing."""

    def recipe(self, recipe: "Recipe") -> None:
        """Show nothing."""

    def epoch(self, row: "EpochRow", member: int) -> None:
        """Show nothing."""

    def searching(self, progress: "SearchProgress") -> None:
        """Show nothing."""

    def finished(self, folder: Path) -> None:
        """Show nothing."""


SILENCE = Silence()


@dataclass(frozen=True, slots=True)
class Together:
    """Tells every listener everything, in their order."""

    listeners: tuple[Events, ...]

    def say(self, sentence: str) -> None:
        """One line worth keeping."""
        for one in self.listeners:
            one.say(sentence)

    def reading(self, done: int, total: int) -> None:
        """Images decoded so far."""
        for one in self.listeners:
            one.reading(done, total)

    def fetching(self, what: str, done: int, total: int) -> None:
        """Bytes of weights fetched so far."""
        for one in self.listeners:
            one.fetching(what, done, total)

    def count(self, what: str, done: int, total: int) -> None:
        """Progress of any other stage that counts."""
        for one in self.listeners:
            one.count(what, done, total)

    def features(self, done: int, total: int) -> None:
        """Images whose features are computed so far."""
        for one in self.listeners:
            one.features(done, total)

    def training(self, progress: "Progress") -> None:
        """Where the training is."""
        for one in self.listeners:
            one.training(progress)

    def recipe(self, recipe: "Recipe") -> None:
        """How the training that begins now is done."""
        for one in self.listeners:
            one.recipe(recipe)

    def epoch(self, row: "EpochRow", member: int) -> None:
        """An epoch has ended."""
        for one in self.listeners:
            one.epoch(row, member)

    def searching(self, progress: "SearchProgress") -> None:
        """Where the search for a better recipe is."""
        for one in self.listeners:
            one.searching(progress)

    def finished(self, folder: Path) -> None:
        """A training has ended."""
        for one in self.listeners:
            one.finished(folder)
