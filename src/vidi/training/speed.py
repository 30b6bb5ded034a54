"""How fast a real training step runs here, and what share of the processor's fastest rate that is."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vidi.machine import tune_allocator
from vidi.metrics.truth import OneClass
from vidi.networks.layers import operations_of
from vidi.training.data import TrainingData
from vidi.training.engine.engine import Engine, engine_of, limit_threads, with_engine
from vidi.training.engine.rates import matrix_rate
from vidi.training.loop.loop import train
from vidi.training.loop.objective import InputNormalisation
from vidi.training.loop.schedule import Plan
from vidi.training.loop.state import State, new_state, training_context
from vidi.training.recipe import Recipe

WARM_UP = 3  # steps in which kernels are chosen and memory is mapped
MATRIX_SIDE = 1024  # of the product whose rate stands for the processor's best


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpeed:
    """Steady training steps, as they run within the loop."""

    engine: Engine
    images: int  # of a step
    seconds: float  # of a step, median
    operations: int  # floating-point operations of a step, nominal: padding counts, and backward is twice forward
    fastest_rate: float  # GFLOP/s of a matrix multiplication in the same precision, median of those beside the steps

    @property
    def rate(self) -> float:
        """GFLOP/s of the step."""
        return self.operations / self.seconds / 1e9

    @property
    def share(self) -> float:
        """Of the fastest rate; padded operations, which are skipped, can lift it above 1."""
        return self.rate / self.fastest_rate


def measure_steps(
    recipe: Recipe,
    *,
    steps: int = 5,
    class_count: int = 10,
    product_rate: Callable[[Engine], float] | None = None,
) -> StepSpeed:
    """Train on drawn noise for some steps, with everything that belongs to a step, augmentation included.

    Args:
        steps: that are timed, after three that are not.
        product_rate: the processor's fastest rate, measured between steps; that of a matrix product by default.
    """
    tune_allocator()
    limit_threads()
    recipe = with_engine(recipe)
    engine = engine_of(recipe)
    count = recipe.optimization.batch * (steps + WARM_UP)
    random = np.random.default_rng(0)
    data = TrainingData(
        images=random.integers(0, 256, (count, *recipe.image_size, 3), dtype=np.uint8),
        truth=OneClass(labels=np.arange(count) % class_count, class_count=class_count),
        train_rows=np.arange(count),
        validation_rows=np.array([], np.int64),
    )
    state = new_state(recipe, class_count=class_count, plan=Plan(steps=1_000_000), engine=engine)
    operations = 3 * operations_of(state.network, recipe.image_size) * recipe.optimization.batch
    seconds, rates, began = list[float](), list[float](), time.perf_counter()

    def after_step(state: State) -> bool:
        nonlocal began
        seconds.append(time.perf_counter() - began)
        if state.counters.step > WARM_UP:
            rates.append(
                matrix_rate(engine.precision, side=MATRIX_SIDE, repeats=5, device=engine.device)
                if product_rate is None
                else product_rate(engine)
            )
        began = time.perf_counter()
        return False

    train(
        state,
        training_context(
            data,
            recipe,
            normalisation=InputNormalisation((128.0,) * 3, (64.0,) * 3),
            deadline=None,
            should_stop=lambda: len(seconds) >= steps + WARM_UP - 1,  # asked before `after_step` of the same step
            after_step=after_step,
        ),
    )
    return StepSpeed(
        engine=engine,
        images=recipe.optimization.batch,
        seconds=statistics.median(seconds[WARM_UP:]),
        operations=operations,
        fastest_rate=statistics.median(rates),
    )
