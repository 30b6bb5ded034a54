"""What is reported and stored during training: progress, results.csv, checkpoints."""

import time
from collections.abc import Callable
from pathlib import Path

from vidi.training.data import TrainingData
from vidi.training.loop.checkpoint import read_checkpoint, write_checkpoint
from vidi.training.loop.epoch import limited_by, steps_in_epoch
from vidi.training.loop.faults import must_roll_back, roll_back
from vidi.training.loop.objective import InputNormalisation
from vidi.training.loop.progress import EpochRow, Progress, write_results
from vidi.training.loop.state import State, state_as_json, state_as_tensors
from vidi.training.recipe import Recipe


class Keeper:
    """Tells and saves after each step; holds the time of the last checkpoint."""

    def __init__(
        self,
        folder: Path,
        arrays: TrainingData,
        *,
        recipe: Recipe,
        normalisation: InputNormalisation,
        on_progress: Callable[[Progress], None] | None,
        on_epoch: Callable[[EpochRow], None] | None,
        epochs_told: int,
    ) -> None:
        self._folder, self._recipe, self._on_progress, self._on_epoch = folder, recipe, on_progress, on_epoch
        self._per_epoch = steps_in_epoch(len(arrays.train_rows), recipe.batch)
        self._fixed = {
            "recipe": recipe.as_dict(),
            "data": arrays.identity(),
            "normalisation": {"mean": normalisation.mean, "std": normalisation.std},
        }
        self._saved_at, self._rows_written, self._epochs_told = time.monotonic(), 0, epochs_told

    def save(self, state: State) -> None:
        """Write a checkpoint now, unless the weights are not finite."""
        tensors = state_as_tensors(state)
        if all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            write_checkpoint(self._folder, tensors, values={**self._fixed, **state_as_json(state)})
        self._saved_at = time.monotonic()

    def after_step(self, state: State) -> bool:
        """Tell, write results and a checkpoint where they are due; true when the run went back to a checkpoint."""
        if must_roll_back(state):
            roll_back(state, read_checkpoint(self._folder), learning_rate=self._recipe.learning_rate)
            self._epochs_told = min(self._epochs_told, len(state.history))
            return True
        if len(state.history) != self._rows_written:
            write_results(self._folder, state.history)
            self._rows_written = len(state.history)
        if self._on_epoch is not None and len(state.history) > self._epochs_told:
            self._on_epoch(state.history[-1])
            self._epochs_told = len(state.history)
        due = time.monotonic() - self._saved_at >= self._recipe.checkpoint_seconds
        if due and not state.counters.skipped_in_a_row:
            self.save(state)
        if self._on_progress is not None:
            self._on_progress(progress_of(state, self._per_epoch))
        return False


def progress_of(state: State, per_epoch: int) -> Progress:
    """Where the run is, in the numbers that are shown."""
    counters, last = state.counters, state.history[-1] if state.history else None
    seconds = counters.prepare_seconds + counters.arithmetic_seconds
    fresh = counters.seen > 0
    rate = counters.seen / seconds if fresh else last.images_per_second if last else 0.0
    step_seconds = last.seconds / per_epoch if last else seconds / max(1, counters.step)
    return Progress(
        epoch=max(1, -(-counters.step // per_epoch)),
        epochs=state.plan.steps / per_epoch,
        step=counters.step,
        steps=state.plan.steps,
        loss=counters.loss_sum / counters.seen if fresh else last.train_loss if last else float("nan"),
        accuracy=counters.correct / counters.seen if fresh else last.train_accuracy if last else 0.0,
        validation_loss=last.validation_loss if last else None,
        validation_accuracy=last.validation_accuracy if last else None,
        images_per_second=rate,
        seconds_left=(state.plan.steps - counters.step) * step_seconds,
        limited_by=limited_by(state) if fresh else last.limited_by if last else "arithmetic",
    )
