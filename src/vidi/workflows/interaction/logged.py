"""Progress and messages in Python's log: `logging.basicConfig(level="INFO")` shows them."""

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.numbers import percent

if TYPE_CHECKING:
    from vidi.training.loop.progress import EpochRow, Progress, SearchProgress
    from vidi.training.recipe import Recipe

LOG = logging.getLogger("vidi")


class LoggedEvents:
    """Writes to the log `vidi`: messages, and a line for each epoch."""

    def __init__(self) -> None:
        self._epoch = 0

    def say(self, sentence: str) -> None:
        """One line worth keeping."""
        LOG.info("%s", sentence)

    def reading(self, done: int, total: int) -> None:
        """Images decoded so far; logged once, at the end."""
        if done == total:
            LOG.info("read %s images", f"{total:,}")

    def count(self, what: str, done: int, total: int) -> None:
        """Nothing: it takes seconds."""

    def fetching(self, what: str, done: int, total: int) -> None:
        """Bytes of weights fetched so far; logged once, at the end."""
        if done == total:
            LOG.info("fetched %s", what)

    def features(self, done: int, total: int) -> None:
        """Images whose features are computed so far; logged once, at the end."""
        if done == total:
            LOG.info("computed the features of %s images", f"{total:,}")

    def training(self, progress: "Progress") -> None:
        """Where the training is: one line when an epoch begins, and one at the end."""
        is_last = progress.step == progress.steps
        if progress.epoch == self._epoch and not is_last:
            return
        self._epoch = progress.epoch
        validation = ""
        if progress.validation_accuracy is not None:
            validation = f", validation {percent(progress.validation_accuracy, digits=1)}"
        LOG.info(
            "%s",
            f"epoch {progress.epoch} of {math.ceil(progress.epochs)}: loss {progress.loss:.3f}, accuracy "
            f"{percent(progress.accuracy, digits=1)}{validation}, {progress.images_per_second:,.0f} images/s",
        )

    def recipe(self, recipe: "Recipe") -> None:
        """Nothing: the run's messages name the network and its size."""

    def epoch(self, row: "EpochRow", member: int) -> None:
        """Nothing: `training` says it."""

    def finished(self, folder: Path) -> None:
        """Nothing: the caller gets the run."""

    def searching(self, progress: "SearchProgress") -> None:
        """Where the search is; its trials tell themselves."""
