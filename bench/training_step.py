"""A training step of the published CIFAR-10 network's size against the bare convolutions in it, and what the rest is.

    python -m bench training_step              about three minutes

The network is `compact` at twice its width (64, 256 and 256 channels), the step the one of `vidi train` for 50,000
images of 32 x 32 pixels: images changed, forward, backward, optimizer, running mean. Beside each step the network's
3 x 3 convolutions run alone, each forward and with both gradients. Two shares follow: of the fastest one of them, which
not even all of them together reach, and of all of them together. A profile of the same steps says where the time goes.
On a processor with wider units the lesser ones are measured too, in float32, as such a processor would compute. Each
kind leaves one JSON in bench/results/training_step/, or in the folder that RESULTS names.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402

from bench.processor import kind, measured_here  # noqa: E402
from vidi.files import write_atomic  # noqa: E402
from vidi.training.defaults import recipe_for  # noqa: E402
from vidi.training.engine.engine import Engine  # noqa: E402
from vidi.training.engine.rates import TYPES  # noqa: E402
from vidi.training.loop.schedule import Plan  # noqa: E402
from vidi.training.loop.state import new_state  # noqa: E402
from vidi.training.speed import measure_steps  # noqa: E402
from vidi.training.traits import DataTraits  # noqa: E402

STEPS = 6
LEAST_SHARE = 0.85
SIZE = (32, 32)
TRAITS = DataTraits(image_count=50_000, class_count=10, usual_size=SIZE, is_grey=False)
# What stands in oneDNN's and torch's way, by the instructions that remain; with bfloat16 units all are there.
LESSER: Mapping[str, Mapping[str, str]] = {
    "AVX-512, float32": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"},
    "AVX2, float32": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
}
USUAL = "as it is"
# Operators of torch by what they are for; the first word found in a name decides.
PURPOSES: Mapping[str, tuple[str, ...]] = {
    "convolutions": ("convolution", "slow_conv"),
    "pooling": ("max_pool",),
    "normalisation": ("batch_norm",),
    "activation": ("clamp_min", "threshold"),
    "products of the optimizer": ("aten::mm", "linalg_vector_norm"),
    "gradients' and maps' zeros": ("aten::fill_",),
    "copies": ("aten::copy_",),
}
OTHERS = "all other operators"


def main() -> int:
    """Measure on all kinds of units that this processor has, and print the tables."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(None if sys.argv[1] == USUAL else "float32")))
        return 0
    found = {USUAL: run(USUAL, {})}
    for name, limits in LESSER.items():
        found[name] = run(name, limits)
    document = {**measured_here(), "torch": torch.__version__, "steps": STEPS, "found": found}
    folder = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "training_step"))
    write_atomic(folder / f"{kind()}.json", json.dumps(document, indent=1) + "\n")
    return 0 if report(document) else 1


def run(name: str, limits: Mapping[str, str]) -> dict[str, Any]:
    """One kind of units, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.training_step", name],
        env=os.environ | limits,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{name} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def measure(precision: str | None) -> dict[str, Any]:
    """Steps, the bare convolutions beside them, and a profile of further steps.

    Args:
        precision: of the training; None: what this processor is fastest in.
    """
    changes = {"options.width": 2.0, "device": "cpu"} | ({"precision": precision} if precision else {})
    recipe = recipe_for(TRAITS, changes=changes)
    shapes = convolutions_of(new_state(recipe, class_count=TRAITS.class_count, plan=Plan(steps=1)).network)
    alone: list[list[float]] = []  # seconds of each convolution, beside each step

    def fastest(engine: Engine) -> float:
        alone.append([seconds_of(shape, recipe.optimization.batch, engine) for shape in shapes])
        return max(rates_of(shapes, alone[-1], recipe.optimization.batch))

    steps = measure_steps(recipe, steps=STEPS, class_count=TRAITS.class_count, product_rate=fastest)
    medians = [statistics.median(column) for column in zip(*alone, strict=True)]
    return {
        "precision": steps.engine.precision,
        "batch": recipe.optimization.batch,
        "step_seconds": steps.seconds,
        "gigaflops": steps.rate,
        "fastest_convolution": steps.fastest_rate,
        "share_of_fastest": steps.share,
        "convolutions": [
            {"in": shape[0], "out": shape[1], "map": shape[2], "seconds": seconds, "gigaflops": rate}
            for shape, seconds, rate in zip(
                shapes, medians, rates_of(shapes, medians, recipe.optimization.batch), strict=True
            )
        ],
        "share_of_all": sum(medians) / steps.seconds,
        "where": profiled(recipe),
    }


def convolutions_of(network: nn.Module) -> list[tuple[int, int, int]]:
    """(channels in, channels out, side of the map that comes in) of each 3 x 3 convolution, in order."""
    found: list[tuple[int, int, int]] = []

    def note(module: nn.Module, inputs: tuple[torch.Tensor, ...], _: torch.Tensor) -> None:
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
            found.append((module.in_channels, module.out_channels, inputs[0].shape[-1]))

    handles = [module.register_forward_hook(note) for module in network.modules()]
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, *SIZE))
    for handle in handles:
        handle.remove()
    return found


def seconds_of(shape: tuple[int, int, int], batch: int, engine: Engine) -> float:
    """One convolution, forward and with the gradients of its weights and of what came in; the faster of two."""
    channels, wider, side = shape
    inputs, weights, gradients = (
        torch.randn(*size).to(TYPES[engine.precision], memory_format=torch.channels_last)
        for size in ((batch, channels, side, side), (wider, channels, 3, 3), (batch, wider, side, side))
    )
    inputs.requires_grad_()
    weights.requires_grad_()
    best = float("inf")
    for _ in range(2):
        start = time.perf_counter()
        torch.autograd.grad(functional.conv2d(inputs, weights, padding=1), (inputs, weights), gradients)
        best = min(best, time.perf_counter() - start)
    return best


def rates_of(shapes: list[tuple[int, int, int]], seconds: list[float], batch: int) -> list[float]:
    """GFLOP/s of each convolution, by nominal operations."""
    return [
        3 * 2 * 9 * channels * wider * side**2 * batch / one / 1e9
        for (channels, wider, side), one in zip(shapes, seconds, strict=True)
    ]


def profiled(recipe: Any) -> dict[str, float]:
    """Shares of the operators' time in steady steps, by what they are for."""
    watch = profile(activities=[ProfilerActivity.CPU])
    calls = 0

    def look(_: Engine) -> float:
        nonlocal calls
        calls += 1
        if calls == 1:
            watch.start()
        elif calls == STEPS:
            watch.stop()
        return 1.0

    measure_steps(recipe, steps=STEPS, class_count=TRAITS.class_count, product_rate=look)
    shares = dict.fromkeys((*PURPOSES, OTHERS), 0.0)
    for row in watch.key_averages():
        purpose = next((name for name, words in PURPOSES.items() if any(word in row.key for word in words)), OTHERS)
        shares[purpose] += row.self_cpu_time_total
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def report(document: Mapping[str, Any]) -> bool:
    """Print the tables; whether each step reaches its share of the same convolutions."""
    print(f"{document['processor']}; torch {document['torch']}; n = {document['steps']} steps")
    print("| units | precision | step, s | GFLOP/s | of the same convolutions alone | of the fastest of them |")
    print("| --- | --- | --- | --- | --- | --- |")
    verdicts = []
    for name, one in document["found"].items():
        verdicts.append(one["share_of_all"] >= LEAST_SHARE)
        print(
            f"| {name} | {one['precision']} | {one['step_seconds']:.2f} | {one['gigaflops']:.0f} | "
            f"{one['share_of_all']:.0%} ({LEAST_SHARE:.0%} {'met' if verdicts[-1] else 'NOT met'}) | "
            f"{one['share_of_fastest']:.0%} of {one['fastest_convolution']:.0f} |"
        )
    print(f"\n| where a step's time goes | {' | '.join(document['found'])} |")
    print("| --- |" + " --- |" * len(document["found"]))
    for purpose in (*PURPOSES, OTHERS):
        shares = " | ".join(f"{one['where'][purpose]:.1%}" for one in document["found"].values())
        print(f"| {purpose} | {shares} |")
    return all(verdicts)


if __name__ == "__main__":
    sys.exit(main())
