"""One trial: a recipe trained within its slice of the time, and judged on the validation images alone."""

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vidi.errors import GateError
from vidi.machine import Deadline
from vidi.training.data import TrainingData
from vidi.training.engine.engine import precision_of
from vidi.training.loop.objective import score
from vidi.training.loop.progress import Listener, Progress
from vidi.training.recipe import Recipe
from vidi.training.train import train_network
from vidi.training.trained import TrainedNetwork

MARKS = 10  # times at which a trial's validation is told, so that a hopeless one can be ended
NEVER_SECONDS = 86_400.0  # between two checkpoints: a trial that is cut off is not gone on with


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTerms:
    """Within what one training of a search runs, and who follows it."""

    folder: Path  # for this training alone; deleted at the end
    deadline: Deadline  # when it must end
    # Told (mark from 1 to 9, value so far) at tenths of the plan; true ends it.
    is_hopeless: Callable[[int, float], bool] = lambda _mark, _value: False
    should_stop: Callable[[], bool] = lambda: False  # asked after every step; true ends it
    on_progress: Callable[[Progress], None] = lambda _progress: None  # called after every step


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How good a recipe was in one trial."""

    accuracy: float  # on the validation images, at the best epoch
    loss: float  # mean cross-entropy there
    value: float  # what the search maximises
    epochs: float  # that were trained
    stopped_by: str  # plan, patience, deadline, or user: somebody asked for an end


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """How one attempt at a trial ended."""

    outcome: Outcome | None = None
    was_hopeless: bool = False  # ended early
    cause: str = ""  # why there is no outcome; empty where it was interrupted
    seconds: float = 0.0


def search_value(accuracy: float, loss: float, image_count: int, *, by_loss: bool = False) -> float:
    """Accuracy; among equals the lower loss, which never counts as much as half an image.

    With `by_loss` the loss alone: where images may show several classes, to be right about all is rare.

    >>> search_value(0.9, 0.1, 10) > search_value(0.9, 0.2, 10) > search_value(0.8, 0.0, 10)
    True
    """
    return 1 / (1 + loss) if by_loss else accuracy - loss / (1 + loss) / (2 * image_count)


def _value(accuracy: float, loss: float, arrays: TrainingData) -> float:
    return search_value(accuracy, loss, len(arrays.validation_rows), by_loss=arrays.truth.is_judged_by_loss)


def run_trial(arrays: TrainingData, recipe: Recipe, terms: TrialTerms) -> Outcome:
    """Train a recipe and judge it on the validation images; nothing is left in the folder.

    Args:
        arrays: images to learn from and to judge by, and no others.

    Raises:
        GateError: its numbers are not finite.
        ResourceError: memory or disk is too small.
    """
    trained = train_once(arrays, recipe, terms)
    accuracy, loss = judge(trained, arrays)
    if not math.isfinite(loss):
        raise GateError("its predictions are not finite numbers", "Try a smaller learning rate.")
    return Outcome(
        accuracy=accuracy,
        loss=loss,
        value=_value(accuracy, loss, arrays),
        epochs=float(len(trained.history)),
        stopped_by=trained.stopped_by,
    )


def train_once(arrays: TrainingData, recipe: Recipe, terms: TrialTerms) -> TrainedNetwork:
    """Train a recipe without keeping anything on disk; arguments and errors are those of `run_trial`."""

    told, is_over = 0, False

    def follow(progress: Progress) -> None:
        """Pass progress on, and ask at tenths of the plan whether the trial is worth its time."""
        nonlocal told, is_over
        terms.on_progress(progress)
        mark = min(MARKS, MARKS * progress.step // max(1, progress.steps))
        accuracy, loss = progress.validation_accuracy, progress.validation_loss
        if not told < mark < MARKS or accuracy is None or loss is None or not math.isfinite(loss):
            return
        value = _value(accuracy, loss, arrays)
        for passed in range(told + 1, mark + 1):  # all of them, so that trials meet at the same marks
            is_over = terms.is_hopeless(passed, value) or is_over
        told = mark

    shutil.rmtree(terms.folder, ignore_errors=True)
    try:
        return train_network(
            arrays,
            recipe.changed({"checkpoint_seconds": NEVER_SECONDS}, source="a trial is not gone on with"),
            folder=terms.folder,
            deadline=terms.deadline,
            listener=Listener(progress=follow),
            should_stop=lambda: is_over or terms.should_stop(),
        )
    finally:
        shutil.rmtree(terms.folder, ignore_errors=True)


def judge(trained: TrainedNetwork, arrays: TrainingData) -> tuple[float, float]:
    """Accuracy and mean cross-entropy on the validation images, of the weights that were kept."""
    if trained.best_epoch:
        row = trained.history[trained.best_epoch - 1]
        if row.validation_accuracy is not None and row.validation_loss is not None:
            return row.validation_accuracy, row.validation_loss
    loss, accuracy = score(
        trained.network, arrays, normalisation=trained.normalisation, precision=precision_of(trained.recipe)
    )
    return accuracy, loss
