"""How this processor trains fastest: measured once, written down, reused."""

import copy
import time
from collections.abc import Callable
from typing import Literal

import torch
from torch.nn import functional

from vidi.networks.layers import Classifier
from vidi.training.faults import is_memory_shortage

Precision = Literal["float32", "bfloat16"]
TYPES: dict[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LEAST_GAIN = 1.5  # processors with bfloat16 gain 2 to 3.5 times, the others lose a hundred times: nothing lies near


def matrix_rate(precision: Precision, *, side: int = 256, repeats: int = 10) -> float:
    """Fastest of some square matrix multiplications, in GFLOP/s."""
    first = torch.ones(side, side, dtype=TYPES[precision])
    return 2 * side**3 / _fastest(lambda: first @ first, repeats) / 1e9


def _fastest(action: Callable[[], object], repeats: int) -> float:
    action()  # kernels are chosen and memory is mapped here
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return max(best, 1e-9)


def choose_precision() -> tuple[Precision, str]:
    """The precision in which this processor multiplies fastest, and the rates that say so.

    The answer must be the same each time on one kind of machine, or equal runs would not give equal weights: so the
    processor is asked, whose two answers are far apart, and not the network at hand.
    """
    rates = {precision: matrix_rate(precision) for precision in TYPES}
    chosen: Precision = "bfloat16" if rates["bfloat16"] >= LEAST_GAIN * rates["float32"] else "float32"
    shown = " and ".join(f"{rate:.0f} GFLOP/s in {precision}" for precision, rate in rates.items())
    return chosen, shown


def seconds_per_image(network: Classifier, image_size: tuple[int, int], *, batch: int, precision: Precision) -> float:
    """A training step's time divided by its images, from a few steps of a copy of the network."""
    sample = max(1, min(batch, 64))
    while True:
        try:
            return _step_seconds(network, image_size, sample, precision) / sample
        except (MemoryError, RuntimeError) as error:
            if sample == 1 or not is_memory_shortage(error):
                raise
            sample //= 2


def _step_seconds(network: Classifier, image_size: tuple[int, int], batch: int, precision: Precision) -> float:
    trial = copy.deepcopy(network).train()
    inputs = torch.zeros(batch, 3, *image_size).to(memory_format=torch.channels_last)
    labels = torch.zeros(batch, dtype=torch.int64)

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            logits = trial(inputs)
        functional.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]

    return _fastest(step, repeats=2)
