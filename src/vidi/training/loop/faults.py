"""What goes wrong in arithmetic, and how training goes on: numbers that are not finite, memory that runs short."""

import re

import torch
from torch import Tensor

from vidi.errors import GateError, ResourceError
from vidi.machine import give_memory_back
from vidi.training.loop.checkpoint import Checkpoint
from vidi.training.loop.notes import MemoryShort, SteppedBack
from vidi.training.loop.state import State, restore_state

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
    largest = -(-batch // state.counters.parts)
    state.notes.append(MemoryShort(batch=batch, parts=state.counters.parts, largest=largest))


def restore_buffers(state: State, saved: list[Tensor]) -> None:
    """Undo what a failed step did to the running statistics."""
    for buffer, before in zip(state.network.buffers(), saved, strict=True):
        buffer.copy_(before)


def note_skipped_step(state: State) -> None:
    """Count a step whose loss or gradient was not finite and that therefore changed nothing."""
    state.counters.skipped += 1
    state.counters.skipped_in_a_row += 1
    state.optimizer.zero_grad(set_to_none=True)


def must_roll_back(state: State) -> bool:
    """Whether enough steps in a row failed that the weights themselves must be at fault."""
    return state.counters.skipped_in_a_row >= SKIPS_BEFORE_ROLLBACK


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
    state.notes.append(SteppedBack(failed=SKIPS_BEFORE_ROLLBACK, step=step, checkpoint=state.counters.step))
