"""The training loop, whole on one page: what happens to one epoch, one batch, one image."""

import math
import time

import numpy as np
import torch
from numpy.typing import NDArray

from vidi.machine import is_memory_shortage
from vidi.training.augment import augment, draw
from vidi.training.loop.epoch import epoch_batches, finish_epoch, plan_early, why_to_stop
from vidi.training.loop.faults import note_skipped_step, restore_buffers, split_further
from vidi.training.loop.objective import count_right, forward, summed_loss
from vidi.training.loop.schedule import rate_share
from vidi.training.loop.state import State, TrainingContext, move_average

Truth = NDArray[np.int64] | NDArray[np.bool_]  # (batch,) class indexes, or (batch, classes) where several are possible


def train(state: State, context: TrainingContext) -> None:
    """Train until the plan is done, patience or time runs out, or the user stops it; `state.stopped_by` says which."""
    data, recipe = context.data, context.recipe
    while not state.stopped_by:
        epoch, batches = epoch_batches(data.train_rows, recipe, state=state)
        draws = draw(seed=recipe.seed, epoch=epoch, image_count=len(data.images))
        for rows in batches:
            start = time.perf_counter()
            images = augment(data.images[rows], draws[rows], augmentation=recipe.augmentation)
            prepared = time.perf_counter()
            learn(state, images, truth=data.truth.at(rows).array, rows=rows, context=context)
            state.counters.prepare_seconds += prepared - start
            state.counters.arithmetic_seconds += time.perf_counter() - prepared
            plan_early(state, context)
            ends_epoch = rows is batches[-1] or state.counters.step >= state.plan.steps
            if ends_epoch:
                finish_epoch(state, context, epoch=epoch + 1)
            state.stopped_by = why_to_stop(state, context)
            went_back = context.after_step(state)
            if ends_epoch or state.stopped_by or went_back:
                break


def learn(
    state: State, images: NDArray[np.uint8], *, truth: Truth, rows: NDArray[np.int64], context: TrainingContext
) -> None:
    """One step: forward, backward and, if every number is finite, new weights; `rows` say which images these are."""
    counters, recipe, network = state.counters, context.recipe, state.network
    statistics = [buffer.clone() for buffer in network.buffers()]
    for module in network.modules():
        # A plain mean at first, so that the statistics fit after a few steps.
        if isinstance(module, torch.nn.BatchNorm2d) and not recipe.freezing.frozen_batch_norm:
            module.momentum = max(0.1, 1 / (counters.step + 1))
    while True:
        try:
            loss, correct = forward_backward(state, images, truth=truth, rows=rows, context=context)
            break
        except (MemoryError, RuntimeError) as error:
            if not is_memory_shortage(error):
                raise
            restore_buffers(state, statistics)
            split_further(state, error, batch=len(images))
    counters.step += 1
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    if not (math.isfinite(loss) and torch.nn.utils.get_total_norm(gradients).isfinite()):
        restore_buffers(state, statistics)
        note_skipped_step(state)
        return
    how = recipe.optimization
    share = rate_share(state.plan.progress(counters.step), how.schedule, warm_up=how.warm_up)
    for group in state.optimizer.param_groups:
        group["lr"] = group["rate"] * how.learning_rate * share * 0.5**counters.rollbacks
    state.optimizer.step()
    move_average(state, how.averaging)
    counters.add_images(loss_sum=loss, correct=correct, seen=len(rows))


def forward_backward(
    state: State, images: NDArray[np.uint8], *, truth: Truth, rows: NDArray[np.int64], context: TrainingContext
) -> tuple[float, int]:
    """Gradients of a batch, in as many parts as memory needs: (sum of the losses, how many were right)."""
    state.network.train()
    if context.recipe.freezing.frozen_batch_norm:
        for module in state.network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
    state.optimizer.zero_grad(set_to_none=True)
    loss_sum, correct = 0.0, 0
    for part in np.array_split(np.arange(len(images)), state.counters.parts):
        known = torch.from_numpy(truth[part]).to(context.engine.device)
        inputs = context.normalisation.inputs(images[part], engine=context.engine)
        logits = forward(state.network, inputs, precision=context.engine.precision)
        loss = summed_loss(
            logits,
            known,
            recipe=context.recipe,
            class_weights=context.class_weights,
            image_weights=None if context.image_weights is None else context.image_weights[rows[part]],
        )
        (loss / len(rows)).backward()  # type: ignore[no-untyped-call]
        loss_sum += float(loss.detach())
        correct += count_right(logits, known)
    return loss_sum, correct
