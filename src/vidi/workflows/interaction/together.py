"""Several listeners as one."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.workflows.interaction.events import Events

if TYPE_CHECKING:
    from vidi.training.loop.progress import EpochRow, Progress, SearchProgress
    from vidi.training.recipe import Recipe


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
