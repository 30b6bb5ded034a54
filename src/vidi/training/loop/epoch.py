"""An epoch's order, and what is done at its end: validate, keep the best, write it down, plan the rest by the clock."""

import math
import time

import numpy as np
from numpy.typing import NDArray

from vidi.training.loop.objective import score
from vidi.training.loop.progress import EpochRow
from vidi.training.loop.state import State, TrainingContext
from vidi.training.recipe import Recipe

SHARE_FOR_VALIDATION = 1.1  # of a step's time, until the first epoch's end shows the true one


def steps_in_epoch(image_count: int, batch: int) -> int:
    """Whole batches in an epoch, at least one; the remainder of an order waits for the next epoch's order."""
    return max(1, image_count // batch)


def epoch_batches(
    train_rows: NDArray[np.int64], recipe: Recipe, *, state: State
) -> tuple[int, list[NDArray[np.int64]]]:
    """The epoch that the run is in, from 0, and the rows of each batch that is left of it.

    Their order depends on seed and epoch alone.
    """
    batch = recipe.optimization.batch
    per_epoch = steps_in_epoch(len(train_rows), batch)
    epoch, first = divmod(state.counters.step, per_epoch)
    order = np.random.default_rng([recipe.seed, epoch, 0x0D3]).permutation(train_rows)
    batches = [order[step * batch : (step + 1) * batch] for step in range(first, per_epoch)]
    return epoch, batches


def finish_epoch(state: State, context: TrainingContext, *, epoch: int) -> None:
    """Validate, keep the best weights, add a row to the history, and plan the rest by the clock."""
    counters, data, start = state.counters, context.data, time.perf_counter()
    loss, accuracy = None, None
    if len(data.validation_rows):
        precision = context.engine.precision
        loss, accuracy = score(state.judged(), data, normalisation=context.normalisation, precision=precision)
    is_settling = context.recipe.optimization.schedule != "constant"
    doubt = _standard_error(state.counters.best_accuracy, len(data.validation_rows)) if is_settling else None
    note_gain(state, epoch, loss=loss, accuracy=accuracy, by_loss=data.truth.is_judged_by_loss, doubt=doubt)
    seconds = counters.prepare_seconds + counters.arithmetic_seconds
    row = EpochRow(
        epoch=epoch,
        train_loss=counters.loss_sum / max(1, counters.seen),
        train_accuracy=counters.correct / max(1, counters.seen),
        validation_loss=loss,
        validation_accuracy=accuracy,
        learning_rate=state.optimizer.param_groups[-1]["lr"],
        images_per_second=counters.seen / max(seconds, 1e-9),
        seconds=seconds + time.perf_counter() - start,
        limited_by=limited_by(state),
    )
    state.history.append(row)
    counters.begin_epoch()
    recent = state.history[-3:]
    per_epoch = steps_in_epoch(len(data.train_rows), context.recipe.optimization.batch)
    fit_plan(state, context, step_seconds=sum(row.seconds for row in recent) / len(recent) / per_epoch)


def note_gain(
    state: State,
    epoch: int,
    *,
    loss: float | None,
    accuracy: float | None,
    by_loss: bool = False,
    doubt: float | None = None,
) -> None:
    """Keep the weights if they are the best so far: most right, then lowest loss; without validation the newest.

    Args:
        epoch: that has ended, from 1.
        loss: on the validation images; None without any.
        by_loss: the loss decides alone: where images may show several classes, being right about all is rare.
        doubt: of the best accuracy so far. Where the learning rate falls to zero, later weights are better unless
            shown to be worse, so they are kept within it. None: no later weights are kept for that.
    """
    counters = state.counters
    if loss is None or accuracy is None:
        if all(bool(tensor.isfinite().all()) for tensor in state.judged().state_dict().values()):
            state.keep_best()
            counters.best_epoch = epoch
        return
    gains = loss < counters.best_loss if by_loss else (accuracy, -loss) > (counters.best_accuracy, -counters.best_loss)
    gains = gains and math.isfinite(loss)
    is_as_good = (
        doubt is not None and not by_loss and math.isfinite(loss) and accuracy >= counters.best_accuracy - doubt
    )
    if gains or is_as_good:
        state.keep_best()
        counters.best_epoch = epoch
    if gains:
        counters.best_accuracy, counters.best_loss, counters.epochs_without_gain = accuracy, loss, 0
    else:
        counters.epochs_without_gain += 1


def _standard_error(accuracy: float, image_count: int) -> float:
    """The standard error of an accuracy; 0 where there is none yet."""
    return math.sqrt(max(0.0, accuracy) * (1 - accuracy) / image_count) if image_count else 0.0


def plan_early(state: State, context: TrainingContext) -> None:
    """In the first epoch, after 2, 4, 8 … steps: the first plan rests on a trial of a second, and may be far off."""
    step = state.counters.step
    if state.history or step < 2 or step & (step - 1):
        return
    seconds = state.counters.prepare_seconds + state.counters.arithmetic_seconds
    fit_plan(state, context, step_seconds=SHARE_FOR_VALIDATION * seconds / step)


def fit_plan(state: State, context: TrainingContext, *, step_seconds: float) -> None:
    """Fit the plan to the clock: fewer steps when the machine is slower than thought, more (never above the recipe's)
    when it is faster; the schedule bends, it is not cut.
    """
    if context.deadline is None:
        return
    step, left = state.counters.step, state.plan.steps - state.counters.step
    affordable = int(max(context.deadline.seconds_left(), 0) / step_seconds)
    how = context.recipe.optimization
    most = how.epochs * steps_in_epoch(len(context.data.train_rows), how.batch)
    left_now = min(affordable, most - step)
    # A twentieth is within the clock's own noise; planning for it would only cost the repeatability.
    if left > 0 and not 1.0 <= left_now / left <= 1.05:
        state.plan = state.plan.bent_to(step + left_now, at=step)


def limited_by(state: State) -> str:
    """What most of the epoch's time goes to."""
    counters = state.counters
    return "preparing images" if counters.prepare_seconds > counters.arithmetic_seconds else "arithmetic"


def why_to_stop(state: State, context: TrainingContext) -> str:
    """The reason to end the run now, or an empty text."""
    counters = state.counters
    if counters.step >= state.plan.steps:
        return "plan"
    if 0 < context.recipe.optimization.patience <= counters.epochs_without_gain:
        return "patience"
    if context.should_stop():
        return "user"
    is_late = context.deadline is not None and context.deadline.seconds_left() <= 0
    return "deadline" if is_late else ""
