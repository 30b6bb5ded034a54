"""How this processor trains fastest: measured once, written down, reused."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional

from vidi.networks.layers import Classifier
from vidi.training.faults import is_memory_shortage

Precision = Literal["float32", "bfloat16"]
TYPES: dict[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Engine:
    """The precision that was found fastest and what it does."""

    precision: Precision
    seconds_per_image: float  # one training step's time, divided by its images
    reason: str  # with the figures, for the recipe


def matrix_rate(precision: Precision, *, side: int = 256, repeats: int = 3) -> float:
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


def measure_engine(network: Classifier, image_size: tuple[int, int], *, batch: int) -> Engine:
    """Time a training step of this network in both precisions and choose.

    bfloat16 is twice as fast on processors that have it and a hundred times slower on the others, so a small matrix
    multiplication decides first whether it is worth a try. The network is not changed.
    """
    rates = {precision: matrix_rate(precision) for precision in TYPES}
    shown = " and ".join(f"{rates[precision]:.0f} GFLOP/s in {precision}" for precision in TYPES)
    plain_seconds, sample = _float32_seconds(network, image_size, max(1, min(batch, 64)))
    seconds = {"float32": plain_seconds}
    if rates["bfloat16"] < rates["float32"]:
        return Engine("float32", seconds["float32"] / sample, f"measured: {shown}")
    seconds["bfloat16"] = _step_seconds(network, image_size, sample, "bfloat16")
    chosen: Precision = "bfloat16" if seconds["bfloat16"] < 0.9 * seconds["float32"] else "float32"
    steps = " and ".join(f"{value * 1000:.0f} ms in {name}" for name, value in seconds.items())
    return Engine(chosen, seconds[chosen] / sample, f"measured: a step of {sample} images takes {steps}")


def _float32_seconds(network: Classifier, image_size: tuple[int, int], sample: int) -> tuple[float, int]:
    """A step's seconds and its number of images, halved until memory is enough."""
    while True:
        try:
            return _step_seconds(network, image_size, sample, "float32"), sample
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
