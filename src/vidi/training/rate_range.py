"""The learning-rate range test: a short training whose rate rises from far too small to far too large."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from vidi.machine import tune_allocator
from vidi.training.augment import augment, draw
from vidi.training.data import TrainingData, class_weights
from vidi.training.engine.engine import engine_of, with_engine
from vidi.training.loop.epoch import epoch_batches
from vidi.training.loop.loop import learn
from vidi.training.loop.objective import normalisation_for
from vidi.training.loop.schedule import Plan
from vidi.training.loop.state import State, TrainingContext, fill_in, new_state
from vidi.training.recipe import Recipe

SMALLEST, LARGEST = 1e-6, 10.0  # learning rates
STEPS = 100
SMOOTHING = 0.9  # of the running mean of the losses
BLOWN_UP = 4.0  # times the lowest loss: the test is over
SKIPPED = 10  # steps at the beginning, whose losses say little about their rate


@dataclass(frozen=True, slots=True)
class RateRange:
    """What the range test saw."""

    rates: tuple[float, ...]  # rising
    losses: tuple[float, ...]  # smoothed, one for each rate
    suggested: float | None  # None where the loss fell nowhere


def find_rate(
    data: TrainingData,
    recipe: Recipe,
    *,
    steps: int = STEPS,
    on_step: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RateRange:
    """Train for some steps, each at a higher rate, and see where the loss falls fastest.

    Args:
        data: the images; only those of the train part are looked at.
        recipe: everything but the rate, the schedule and the number of epochs is taken from it.
        steps: at most so many; it ends earlier where the loss blows up.
        on_step: called with (steps done, steps).
        should_stop: asked after every step.

    Source: Smith 2017, Cyclical learning rates for training neural networks, section 3.3.
    """
    tune_allocator()
    recipe = with_engine(replace(recipe, schedule="constant", averaging=0.0, learning_rate=SMALLEST))
    normalisation = normalisation_for(recipe, data)
    state = new_state(
        recipe,
        class_count=data.class_count,
        plan=Plan(steps),
        engine=engine_of(recipe),
        blank=data.initial is not None,
    )
    fill_in(state.network, data, normalisation=normalisation, engine=engine_of(recipe))
    weights = torch.from_numpy(class_weights(data.strata[data.train_rows], data.class_count))
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    for number, rows in enumerate(_batches(data, recipe, state=state, steps=steps)):
        rate = SMALLEST * (LARGEST / SMALLEST) ** (number / max(1, steps - 1))
        context = TrainingContext(
            data=data,
            recipe=replace(recipe, learning_rate=rate),
            normalisation=normalisation,
            engine=engine_of(recipe),
            class_weights=weights if recipe.class_weights == "balanced" else None,
            deadline=None,
            should_stop=should_stop,
            after_step=lambda _: False,
        )
        state.counters.begin_epoch()
        draws = draw(seed=recipe.seed, epoch=number, image_count=len(data.images))[rows]
        images = augment(data.images[rows], draws, augmentation=recipe.augmentation)
        learn(state, images, truth=data.truth.at(rows).array, rows=rows, context=context)
        loss = state.counters.loss_sum / state.counters.seen if state.counters.seen else math.inf
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smoothed = mean / (1 - SMOOTHING ** (number + 1))
        if not math.isfinite(smoothed) or (losses and smoothed > BLOWN_UP * min(losses)):
            break
        rates.append(rate)
        losses.append(smoothed)
        if on_step is not None:
            on_step(number + 1, steps)
        if should_stop():
            break
    return RateRange(tuple(rates), tuple(losses), suggest(rates, losses))


def _batches(data: TrainingData, recipe: Recipe, *, state: State, steps: int) -> Iterator[np.ndarray]:
    """This many batches, epoch after epoch, each in its own order."""
    given = 0
    while given < steps:
        for rows in epoch_batches(data.train_rows, recipe, state=state).left:
            if given == steps:
                return
            given += 1
            yield rows


def suggest(rates: list[float], losses: list[float]) -> float | None:
    """The rate at which the loss falls fastest by the rate's logarithm; None where it falls nowhere.

    >>> rates = [10.0**power for power in range(-6, 1)]
    >>> suggest(rates, [2.0, 2.0, 1.9, 1.5, 0.6, 0.5, 3.0])
    0.001
    """
    skipped = min(SKIPPED, len(losses) // 4)
    values = np.array(losses[skipped:])
    if len(values) < 3 or values.min() > 0.98 * values[0]:
        return None
    lowest = int(values.argmin())
    slopes = np.gradient(values, np.log(rates[skipped:]))[: lowest + 1]
    return float(f"{rates[skipped + int(slopes.argmin())]:.2g}")
