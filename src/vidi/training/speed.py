"""How fast a real training step runs here, and what share of the processor's fastest rate that is."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

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
from vidi.training.loop.state import State, TrainingContext, new_state
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


@dataclass(slots=True)
class _StepTimer:
    """Called after each step: times it, and measures the processor's rate in between."""

    engine: Engine
    steps: int
    product_rate: Callable[[Engine], float]
    begun: float = field(default_factory=time.perf_counter)
    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def after_step(self, state: State) -> bool:
        """Never goes back."""
        self.seconds.append(time.perf_counter() - self.begun)
        if state.counters.step > WARM_UP:
            self.rates.append(self.product_rate(self.engine))
        self.begun = time.perf_counter()
        return False

    def is_done(self) -> bool:
        """Asked before `after_step` of the same step."""
        return len(self.seconds) >= self.steps + WARM_UP - 1


def _product_rate(engine: Engine) -> float:
    return matrix_rate(engine.precision, side=MATRIX_SIDE, repeats=5, device=engine.device)


def measure_steps(
    recipe: Recipe,
    *,
    steps: int = 5,
    class_count: int = 10,
    state: State | None = None,
    product_rate: Callable[[Engine], float] | None = None,
) -> StepSpeed:
    """Train on drawn noise for some steps, with everything that belongs to a step, augmentation included.

    Args:
        recipe: as `train_network` takes it.
        steps: that are timed, after three that are not.
        class_count: classes of the drawn labels.
        state: a network that is not in the registry, with its optimizer; None for the recipe's own.
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
    state = state or new_state(recipe, class_count=class_count, plan=Plan(steps=1_000_000), engine=engine)
    operations = 3 * operations_of(state.network, recipe.image_size) * recipe.optimization.batch
    stopwatch = _StepTimer(engine, steps, product_rate or _product_rate)
    train(
        state,
        TrainingContext(
            data=data,
            recipe=recipe,
            normalisation=InputNormalisation((128.0,) * 3, (64.0,) * 3),
            engine=engine,
            class_weights=None,
            deadline=None,
            should_stop=stopwatch.is_done,
            after_step=stopwatch.after_step,
        ),
    )
    return StepSpeed(
        engine=engine,
        images=recipe.optimization.batch,
        seconds=statistics.median(stopwatch.seconds[WARM_UP:]),
        operations=operations,
        fastest_rate=statistics.median(stopwatch.rates),
    )
