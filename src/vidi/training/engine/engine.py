"""How this computer trains fastest: asked and measured once in a process, the same answer on one kind of machine."""

import copy
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from vidi.errors import UsageError
from vidi.machine import core_count, physical_core_count
from vidi.networks.layers import Classifier
from vidi.training.loop.shortage import is_memory_shortage

Precision = Literal["float32", "bfloat16"]
Device = Literal["cpu", "cuda", "mps"]
TYPES: dict[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LEAST_GAIN = 1.5  # processors with bfloat16 gain 2 to 4 times, the others lose a hundred times: nothing lies near
HOPELESS = 10  # times slower, twice in a row: another process does that to a few short products, not again at once
ROUNDS = 5  # of measuring a rate, where a wrong choice would cost a whole training
LEAST_SECONDS = 0.01  # of repeating: an operating system gives each process some milliseconds at a time
LEAST_THREAD_GAIN = 1.25  # of two threads on a core; they share its arithmetic units, so there is seldom any


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What carries out a recipe here."""

    device: Device = "cpu"
    precision: Precision = "float32"
    channels_last: bool = True  # colours side by side in memory; False: plane after plane


ON_PROCESSOR = Engine()


def matrix_rate(precision: Precision, *, side: int = 256, repeats: int = 10, device: Device = "cpu") -> float:
    """Fastest of some square matrix multiplications, in GFLOP/s."""
    first = torch.ones(side, side, dtype=TYPES[precision], device=device)
    return 2 * side**3 / _fastest(lambda: first @ first, repeats, device=device) / 1e9


def convolution_rate(precision: Precision, *, channels_last: bool = True) -> float:
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
    return operations / _fastest(there_and_back, repeats=5) / 1e9


def _best_of_rounds(rate: Callable[[Precision], float]) -> dict[Precision, float]:
    """The rate in each precision, the best of some rounds in turn: another process may slow a whole one down.

    Two rounds are enough where bfloat16 is hopeless: it takes long there.
    """
    best, hopeless = dict.fromkeys(TYPES, 0.0), 0
    for _ in range(ROUNDS):
        rates = {precision: rate(precision) for precision in TYPES}
        best = {precision: max(best[precision], rates[precision]) for precision in TYPES}
        hopeless = hopeless + 1 if HOPELESS * rates["bfloat16"] < rates["float32"] else 0
        if hopeless == 2:
            break
    return best


def _fastest(action: Callable[[], object], repeats: int, *, device: Device = "cpu") -> float:
    """Seconds of the fastest repeat; short actions are repeated until they outlast another process's turn."""
    action()  # kernels are chosen and memory is mapped here
    best, began, done = float("inf"), time.perf_counter(), 0
    while done < repeats or time.perf_counter() - began < LEAST_SECONDS:
        done += 1
        _wait_for(device)
        start = time.perf_counter()
        action()
        _wait_for(device)
        best = min(best, time.perf_counter() - start)
    return max(best, 1e-9)


def _wait_for(device: Device) -> None:
    """Until what was asked of a GPU is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def choose_device(wanted: str = "auto") -> Device:
    """Where to train: a GPU that torch can use, else the processor.

    Raises:
        UsageError: a GPU was asked for by name, and there is none.
    """
    present: dict[Device, bool] = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    for device, is_there in present.items():
        if wanted in ("auto", device) and is_there:
            return device
    raise UsageError(
        f"torch finds no {wanted} device on this computer",
        "Leave --device out to use what there is, or install the build of torch for your GPU.",
    )


@functools.cache
def choose_precision(device: Device = "cpu") -> tuple[Precision, str]:
    """The precision in which this computer multiplies fastest, and the rates that say so.

    The answer must be the same each time on one kind of machine, or equal runs would not give equal weights: so the
    processor is asked, whose two answers are far apart, and not the network at hand.
    """
    if device == "cuda":
        has_units = torch.cuda.is_bf16_supported(including_emulation=False)
        return ("bfloat16", "the GPU has units for it") if has_units else ("float32", "the GPU has no bfloat16 units")
    if device == "mps":
        return "float32", "bfloat16 is not used on MPS"
    rates = _best_of_rounds(matrix_rate)
    shown = " and ".join(f"{rate:.0f} GFLOP/s in {precision}" for precision, rate in rates.items())
    if rates["bfloat16"] < LEAST_GAIN * rates["float32"]:
        return "float32", shown
    # Products alone do not say that convolutions, too, are made for it: where they are not, they are far slower.
    convolutions = _best_of_rounds(convolution_rate)
    if convolutions["bfloat16"] < convolutions["float32"] / LEAST_GAIN:
        return "float32", f"{shown}, but convolutions are slower in bfloat16"
    return "bfloat16", shown


@functools.cache
def choose_channels_last(precision: Precision) -> bool:
    """Whether colours lie side by side in memory: yes, unless this processor's convolutions want planes.

    They are 1.1 to 2 times as fast so on x86; as with the precision, only a clear answer changes the usual.
    """
    planes, colours = (convolution_rate(precision, channels_last=last) for last in (False, True))
    return planes < LEAST_GAIN * colours


@functools.cache
def choose_threads() -> int:
    """Threads for arithmetic: one for each core that this process may use, two only where that is clearly faster."""
    logical = core_count()
    physical = min(logical, physical_core_count())
    if physical == logical:
        return logical
    before = torch.get_num_threads()
    rates = {}
    for count in (physical, logical):
        torch.set_num_threads(count)
        rates[count] = matrix_rate("float32", side=512)
    torch.set_num_threads(before)
    return logical if rates[logical] > LEAST_THREAD_GAIN * rates[physical] else physical


def limit_threads() -> None:
    """Let torch use no more threads than `choose_threads` says; fewer, set by the caller or OMP_NUM_THREADS, stay."""
    if torch.get_num_threads() > choose_threads():
        torch.set_num_threads(choose_threads())


def where(network: nn.Module) -> Device:
    """The device that a network lies on."""
    kinds: dict[str, Device] = {"cuda": "cuda", "mps": "mps"}
    return kinds.get(next(network.parameters()).device.type, "cpu")


def seconds_per_image(network: Classifier, image_size: tuple[int, int], *, batch: int, precision: Precision) -> float:
    """A training step's time divided by its images, from a few steps of a copy of the network, where that lies."""
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
