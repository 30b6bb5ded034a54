"""Rates of this computer, measured: matrix products, convolutions, training steps."""

import copy
import time
from collections.abc import Callable
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from vidi.machine import is_memory_shortage
from vidi.networks.layers import Classifier

Precision = Literal["float32", "bfloat16"]
Device = Literal["cpu", "cuda", "mps"]
TYPES: dict[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LEAST_SECONDS = 0.01  # of repeating: an operating system gives each process some milliseconds at a time
FINE_SECONDS = 1e-6  # resolution of a clock that can time one convolution
Clock = Callable[[], float]


def matrix_rate(precision: Precision, *, side: int = 256, repeats: int = 10, device: Device = "cpu") -> float:
    """Fastest of some square matrix multiplications, in GFLOP/s."""
    first = torch.ones(side, side, dtype=TYPES[precision], device=device)
    return 2 * side**3 / _fastest(lambda: first @ first, repeats, device=device) / 1e9


def processor_clock() -> Clock:
    """Processor time of this process, which other processes do not lengthen; the usual clock where it is coarse."""
    is_fine = time.get_clock_info("process_time").resolution <= FINE_SECONDS
    return time.process_time if is_fine else time.perf_counter


def convolution_rate(precision: Precision, *, channels_last: bool = True, clock: Clock = time.perf_counter) -> float:
    """Fastest of some small convolutions of the usual kind, forward and backward on the processor, in GFLOP/s."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    inputs, weights = torch.ones(8, 64, 32, 32), torch.ones(64, 64, 3, 3)
    inputs, weights = (
        tensor.to(TYPES[precision], memory_format=layout).requires_grad_() for tensor in (inputs, weights)
    )

    def there_and_back() -> None:
        outputs = functional.conv2d(inputs, weights, padding=1)
        torch.autograd.grad(outputs, (inputs, weights), torch.ones_like(outputs))

    operations = 3 * 2 * weights.numel() * 8 * 32 * 32
    return operations / _fastest(there_and_back, repeats=5, clock=clock) / 1e9


def _fastest(
    action: Callable[[], object], repeats: int, *, device: Device = "cpu", clock: Clock = time.perf_counter
) -> float:
    """Seconds of the fastest repeat; short actions are repeated until they outlast another process's turn."""
    action()  # kernels are chosen and memory is mapped here
    best, began, done = float("inf"), clock(), 0
    while done < repeats or clock() - began < LEAST_SECONDS:
        done += 1
        _wait_for(device)
        start = clock()
        action()
        _wait_for(device)
        best = min(best, clock() - start)
    return max(best, 1e-9)


def _wait_for(device: Device) -> None:
    """Until what was asked of a GPU is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def where(network: nn.Module) -> Device:
    """The device that a network lies on."""
    kinds: dict[str, Device] = {"cuda": "cuda", "mps": "mps"}
    return kinds.get(next(network.parameters()).device.type, "cpu")


def seconds_per_image(network: Classifier, image_size: tuple[int, int], *, batch: int, precision: Precision) -> float:
    """A training step's time divided by its images, from a few steps of a copy of the network on its own device.

    Args:
        image_size: (height, width), pixels.
        batch: images of a step; fewer are tried where memory is short.
    """
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
    device = where(network)
    inputs = torch.zeros(batch, 3, *image_size, device=device).to(memory_format=torch.channels_last)
    labels = torch.zeros(batch, dtype=torch.int64, device=device)

    def step() -> None:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            logits = trial(inputs)
        functional.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]

    return _fastest(step, repeats=2, device=device)
