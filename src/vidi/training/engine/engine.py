"""How this computer trains fastest: measured once in a process, with the same answer on one kind of machine."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch

from vidi.errors import UsageError
from vidi.machine import core_count, physical_core_count
from vidi.training.engine.rates import TYPES, Device, Precision, convolution_rate, matrix_rate, processor_clock
from vidi.training.recipe import MEASURED, Recipe

Rate = Callable[[Precision], float]
LEAST_GAIN = 1.5  # processors with bfloat16 gain 2 to 4 times, the others lose a hundred times: nothing lies near
HOPELESS = 10  # times slower, twice in a row: another process does that to a few short products, not again at once
ROUNDS = 5  # of measuring a rate, where a wrong choice would cost a whole training
LEAST_THREAD_GAIN = 1.25  # of two threads on a core; they share its arithmetic units, so there is seldom any


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What carries out a recipe here."""

    device: Device = "cpu"
    precision: Precision = "float32"
    channels_last: bool = True  # colours side by side in memory; False: plane after plane


ON_PROCESSOR = Engine()


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
        "Leave out --device, or install the build of torch for your GPU.",
    )


@functools.cache
def choose_precision(device: Device = "cpu") -> tuple[Precision, str]:
    """The precision in which this computer multiplies fastest, and the rates that say so; measured once.

    The answer must be the same each time on one kind of machine, or equal runs would not give equal weights. So the
    processor is measured, whose two rates are far apart, and not the network at hand.
    """
    if device == "cuda":
        has_units = torch.cuda.is_bf16_supported(including_emulation=False)
        return ("bfloat16", "the GPU has units for it") if has_units else ("float32", "the GPU has no bfloat16 units")
    if device == "mps":
        return "float32", "bfloat16 is not used on MPS"
    return decide_precision(matrix_rate, convolution_rate)


def decide_precision(product_rate: Rate, step_rate: Rate) -> tuple[Precision, str]:
    """The faster precision by its rates, and these rates in words.

    Args:
        product_rate: measures matrix products in a precision, GFLOP/s.
        step_rate: measures convolutions, forward and backward, GFLOP/s.

    >>> decide_precision({"float32": 190.0, "bfloat16": 430.0}.__getitem__, lambda precision: 100.0)
    ('bfloat16', '190 GFLOP/s in float32 and 430 GFLOP/s in bfloat16')
    """
    rates = _best_of_rounds(product_rate)
    shown = " and ".join(f"{rate:.0f} GFLOP/s in {precision}" for precision, rate in rates.items())
    if rates["bfloat16"] < LEAST_GAIN * rates["float32"]:
        return "float32", shown
    # Products alone do not say that convolutions, too, are made for it: where they are not, they are far slower.
    convolutions = _best_of_rounds(step_rate)
    if convolutions["bfloat16"] < convolutions["float32"] / LEAST_GAIN:
        return "float32", f"{shown}, but convolutions are slower in bfloat16"
    return "bfloat16", shown


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


@functools.cache
def choose_channels_last(precision: Precision) -> bool:
    """Whether colours lie side by side in memory: yes, unless this processor's convolutions want planes."""
    clock = processor_clock()
    return decide_channels_last(lambda last: convolution_rate(precision, channels_last=last, clock=clock))


def decide_channels_last(rate: Callable[[bool], float]) -> bool:
    """Channels last, unless the other layout is clearly faster.

    It is 1.1 to 2 times as fast on x86. As with the precision, only a clear result changes the default, and each rate
    is the best of some rounds, in processor time: a run that another process disturbs must not end in other bits.

    Args:
        rate: measures convolutions with channels last (True) or first, GFLOP/s.
    """
    colours, planes = 0.0, 0.0
    for _ in range(ROUNDS):
        colours, planes = max(colours, rate(True)), max(planes, rate(False))
    return planes < LEAST_GAIN * colours


@functools.cache
def choose_threads() -> int:
    """Threads for arithmetic: one for each core that this process may use, two only where that is clearly faster."""
    logical = core_count()
    physical = min(logical, physical_core_count())
    before = torch.get_num_threads()

    def rate(count: int) -> float:
        torch.set_num_threads(count)
        return matrix_rate("float32", side=512)

    chosen = decide_threads(logical=logical, physical=physical, rate=rate)
    torch.set_num_threads(before)
    return chosen


def decide_threads(*, logical: int, physical: int, rate: Callable[[int], float]) -> int:
    """One thread per physical core, unless one per logical core is clearly faster.

    Args:
        logical: cores as the system counts them.
        physical: cores with arithmetic units of their own.
        rate: measures products with a number of threads, GFLOP/s.
    """
    if physical == logical:
        return logical
    of_physical, of_logical = 0.0, 0.0
    for _ in range(ROUNDS):
        of_physical, of_logical = max(of_physical, rate(physical)), max(of_logical, rate(logical))
    return logical if of_logical > LEAST_THREAD_GAIN * of_physical else physical


def limit_threads() -> None:
    """Let torch use no more threads than `choose_threads` says; fewer, set by OMP_NUM_THREADS, stay."""
    most = choose_threads()
    if torch.get_num_threads() > most:
        torch.set_num_threads(most)


def with_engine(recipe: Recipe) -> Recipe:
    """The recipe with device and precision as this computer has them, where it leaves them open.

    Raises:
        UsageError: the recipe asks for a GPU that is not there.
    """
    device = choose_device(recipe.execution.device)
    if recipe.execution.device == "auto":
        why = "a GPU that torch can use" if device != "cpu" else "no GPU that torch can use"
        recipe = recipe.changed({"device": device}, source=f"{MEASURED} {why}")
    if recipe.execution.precision == "auto":
        chosen, reason = choose_precision(device)
        recipe = recipe.changed({"precision": chosen}, source=f"{MEASURED} {reason}")
    return recipe


def engine_of(recipe: Recipe) -> Engine:
    """What carries out a recipe whose device and precision are settled."""
    precision = precision_of(recipe)
    device = choose_device(recipe.execution.device)
    return Engine(device=device, precision=precision, channels_last=device != "cpu" or choose_channels_last(precision))


def precision_of(recipe: Recipe) -> Precision:
    """The precision of a recipe that has been measured."""
    return "bfloat16" if recipe.execution.precision == "bfloat16" else "float32"


def moved_here(recipe: Recipe) -> tuple[Recipe, list[str]]:
    """The recipe of a run begun elsewhere, for what this computer has, and what a user must know about it."""
    notes, differ = list[str](), "so the weights will differ in some bits"
    try:
        choose_device(recipe.execution.device)
    except UsageError:
        notes.append(f"this computer has no {recipe.execution.device}: resumed on the processor, {differ}")
        recipe = recipe.changed({"device": "cpu"}, source="resumed where there is no GPU")
    execution = recipe.execution
    if execution.precision == "bfloat16" and choose_precision(choose_device(execution.device))[0] == "float32":
        notes.append(f"{execution.precision} is slow on this processor: resumed in float32, {differ}")
        recipe = recipe.changed({"precision": "float32"}, source="resumed where bfloat16 is slow")
    return recipe, notes
