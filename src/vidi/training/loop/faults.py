"""What goes wrong in training, and how it goes on from its checkpoint: numbers not finite, memory that runs short."""

import re
import time
from pathlib import Path

import torch
from torch import Tensor

from vidi.errors import GateError, ResourceError
from vidi.machine import give_memory_back
from vidi.training.data import TrainingData
from vidi.training.loop.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from vidi.training.loop.epoch import limited_by, steps_in_epoch
from vidi.training.loop.objective import InputNormalisation
from vidi.training.loop.progress import Listener, Progress, write_results
from vidi.training.loop.state import State, restore_state, state_as_json, state_as_tensors
from vidi.training.recipe import Recipe

SKIPS_BEFORE_ROLLBACK = 10
ROLLBACKS_BEFORE_GIVING_UP = 3


def split_further(state: State, error: BaseException, *, batch: int) -> None:
    """Push a batch through in twice as many parts from now on; their gradients add up to the whole batch's.

    Raises:
        ResourceError: the parts are single images already.
    """
    parts = state.counters.parts
    if parts >= batch:
        asked = re.search(r"allocate (\d+) bytes", str(error))
        needed = f"{int(asked[1]):,} bytes more" if asked else "more memory"
        raise ResourceError(
            f"training runs out of memory even with one image at a time; it needs {needed}",
            "Use smaller images with --imgsz, a smaller network, or a machine with more memory.",
        ) from error
    state.counters.parts = min(2 * parts, batch)
    state.optimizer.zero_grad(set_to_none=True)
    give_memory_back()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    parts = state.counters.parts
    state.notes.append(
        f"short of memory: each batch of {batch} images is computed in {parts} parts of at most {-(-batch // parts)}"
    )


def restore_buffers(state: State, saved: list[Tensor]) -> None:
    """Undo what a failed step did to the running statistics."""
    for buffer, before in zip(state.network.buffers(), saved, strict=True):
        buffer.copy_(before)


def note_skipped_step(state: State) -> None:
    """Count a step whose loss or gradient was not finite and that therefore changed nothing."""
    state.counters.skipped += 1
    state.counters.skipped_in_a_row += 1
    state.optimizer.zero_grad(set_to_none=True)


def roll_back(state: State, checkpoint: Checkpoint, *, learning_rate: float) -> None:
    """Go back to the last good checkpoint, and on at half the learning rate.

    Raises:
        GateError: the third time; training will not converge.
    """
    rollbacks, skipped, step = state.counters.rollbacks + 1, state.counters.skipped, state.counters.step
    if rollbacks >= ROLLBACKS_BEFORE_GIVING_UP:
        rate = learning_rate * 0.5 ** (rollbacks - 1)
        raise GateError(
            f"training does not converge: {skipped} steps had no finite loss, {rollbacks} times "
            f"{SKIPS_BEFORE_ROLLBACK} in a row, last at step {step} with a learning rate of {rate:g}",
            "Find wrong labels and broken images with `vidi check`, or use a much smaller learning rate.",
        )
    restore_state(state, checkpoint.tensors, values=checkpoint.values)
    state.counters.rollbacks, state.counters.skipped, state.counters.skipped_in_a_row = rollbacks, skipped, 0
    state.notes.append(
        f"{SKIPS_BEFORE_ROLLBACK} steps in a row had no finite loss: went back from step {step} to step "
        f"{state.counters.step} and halved the learning rate"
    )


class CheckpointKeeper:
    """Tells and saves after each step; holds the time of the last checkpoint."""

    def __init__(
        self,
        folder: Path,
        arrays: TrainingData,
        *,
        recipe: Recipe,
        normalisation: InputNormalisation,
        listener: Listener,
        epochs_told: int,
    ) -> None:
        self._folder, self._recipe, self._listener = folder, recipe, listener
        self._per_epoch = steps_in_epoch(len(arrays.train_rows), recipe.optimization.batch)
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
        if state.counters.skipped_in_a_row >= SKIPS_BEFORE_ROLLBACK:  # the weights themselves must be at fault
            roll_back(state, read_checkpoint(self._folder), learning_rate=self._recipe.optimization.learning_rate)
            self._epochs_told = min(self._epochs_told, len(state.history))
            return True
        if len(state.history) != self._rows_written:
            write_results(self._folder, state.history)
            self._rows_written = len(state.history)
        if len(state.history) > self._epochs_told:
            self._listener.epoch(state.history[-1])
            self._epochs_told = len(state.history)
        due = time.monotonic() - self._saved_at >= self._recipe.execution.checkpoint_seconds
        if due and not state.counters.skipped_in_a_row:
            self.save(state)
        self._listener.progress(progress_of(state, self._per_epoch))
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
