"""One process's part in a training by several: from a checkpoint to the end, in step with the others."""

from collections.abc import Sequence
from dataclasses import dataclass

from vidi.errors import ResourceError
from vidi.machine import Deadline
from vidi.training.data import TrainingData
from vidi.training.loop.checkpoint import Checkpoint, decode
from vidi.training.loop.context import training_context
from vidi.training.loop.keeper import Keeper
from vidi.training.loop.loop import train
from vidi.training.loop.objective import InputNormalisation
from vidi.training.loop.progress import EpochRow
from vidi.training.loop.schedule import Plan
from vidi.training.loop.shortage import is_memory_shortage
from vidi.training.loop.state import State, new_state, restore_state
from vidi.training.parallel.batch_norm import sum_batch_norms
from vidi.training.parallel.group import Group
from vidi.training.parallel.news import News
from vidi.training.recipe import Recipe

NAME = "the checkpoint of the processes"


@dataclass(slots=True)
class _SentStore:
    """Has process 0 tell of its checkpoints; all can go back to the last one."""

    group: Group
    news: News
    kept: bytes

    def keep(self, data: bytes) -> None:
        self.kept = data
        self.news.checkpoint_made(data)

    def last(self) -> Checkpoint:
        """That of process 0, whose clock says when one is due."""
        return decode(self.group.bytes_from_first(self.kept), name=NAME)

    def tell(self, history: Sequence[EpochRow]) -> None:
        self.news.epoch_done(tuple(history))


def train_share(
    arrays: TrainingData, checkpoint: bytes, *, group: Group, deadline: Deadline | None, news: News
) -> bytes:
    """Train with the other processes, from a checkpoint until the plan is done, time is up or the user stops it.

    The same global batches with the same changed copies of images are learned from, whatever the number of processes.

    Args:
        arrays: the same in all processes.
        checkpoint: the same in all processes.
        group: this process and the others.
        deadline: when training must end; that of process 0 counts.
        news: what process 0 tells on the way, and where it is asked to stop.

    Returns:
        A checkpoint of the end, the same in each process but for the seconds that they measured.

    Raises:
        GateError: training does not converge.
        ResourceError: memory is too small.
    """
    given = decode(checkpoint, name=NAME)
    recipe = Recipe.from_dict(given.values["recipe"])
    normalisation = InputNormalisation(**given.values["normalisation"])
    state = _state_of(arrays, recipe, given, group)
    keeper = Keeper(
        _SentStore(group, news, checkpoint),
        arrays,
        recipe=recipe,
        normalisation=normalisation,
        on_progress=news.step_done,
        on_epoch=None,
        epochs_told=len(state.history),
    )
    context = training_context(
        arrays,
        recipe,
        normalisation=normalisation,
        deadline=deadline,
        should_stop=lambda: news.stop_is_wanted,
        after_step=keeper.after_step,
        group=group,
    )
    try:
        train(state, context)
    except (MemoryError, RuntimeError) as error:
        if not is_memory_shortage(error):
            raise
        raise ResourceError(
            f"one of {group.size} training processes runs out of memory with its share of {recipe.batch} images",
            "Use more --processes, smaller images with --imgsz, a smaller --batch or network.",
        ) from error
    return keeper.as_bytes(state)


def _state_of(arrays: TrainingData, recipe: Recipe, given: Checkpoint, group: Group) -> State:
    """The state of a checkpoint, whose batch normalisation looks at all processes' shares."""
    state = new_state(recipe, class_count=arrays.class_count, plan=Plan(1))
    restore_state(state, given.tensors, values=given.values)
    if group.size > 1:  # one process alone trains to the bit as without a group
        sum_batch_norms(state.network, group)
    # A share is smaller than the batch that did not fit into one process's memory.
    smallest = min(recipe.batch, len(arrays.train_rows)) // group.size
    state.counters.parts = max(1, min(-(-state.counters.parts // group.size), smallest))
    return state
