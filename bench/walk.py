"""Which part of a recipe is worth how much on CIFAR-10: one change at a time, at full width and full length.

    VIDI_DATA=… WORK=FOLDER python -m bench walk      every step that has no result yet, ten minutes each in bfloat16
    … python -m bench walk "a third of the rate"      one step

Each step trains `compact` at twice its width (64, 256 and 256 channels, those of the published recipe) for ten epochs
of 45,000 training images, and is scored on the 5,000 others, by the mean of image and mirror image. Test images are
never looked at. Operations are counted, not seconds, so other work on the machine changes no figure; WORK keeps
checkpoints, and a training that was stopped goes on. Each step and seed leaves one JSON in bench/results/walk/.
"""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any
from unittest.mock import patch

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import numpy as np  # noqa: E402

from bench.counting.sets import SmallSet, read_cifar  # noqa: E402
from bench.counting.train import train_and_score, usual_recipe  # noqa: E402
from vidi.files import write_atomic  # noqa: E402
from vidi.networks.compact import Whitening, compact  # noqa: E402
from vidi.networks.layers import Classifier, GlobalMean  # noqa: E402

HELD_OUT = 5_000  # the last of the fifth batch
SEEDS = 2
COMMON: Mapping[str, object] = {"options.width": 2.0, "epochs": 10, "views": "both"}
FIRST = "a rate of 0.24"


def largest() -> AbstractContextManager[object]:
    """The largest of each channel's last map in place of its mean."""
    return patch.object(GlobalMean, "forward", lambda _, values: values.amax(dim=(2, 3)))


def learned_whitening_bias() -> AbstractContextManager[object]:
    """The whitening layer's bias learns; its weights stay."""

    def built(**asked: Any) -> Classifier:
        network = compact(**asked)
        next(one for one in network.modules() if isinstance(one, Whitening)).bias.requires_grad_(True)
        return network

    return patch("vidi.networks.compact.compact", built)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change."""

    recipe: Mapping[str, object] = field(default_factory=dict)
    network: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext  # in which it is built and answers


# Each step keeps the changes of the two before it; the next two are each alone beside these, the others beside GELU.
SLOW = {"learning_rate": 0.08}
PLAIN = SLOW | {"augmentation.erase": 0.0}
SMOOTH = {"options.activation": "gelu"}
STEPS: Mapping[str, Step] = {
    FIRST: Step(recipe={"learning_rate": 0.24}),
    "a third of the rate": Step(recipe=SLOW),
    "and no erased squares": Step(recipe=PLAIN),
    "and GELU": Step(recipe=PLAIN | SMOOTH),
    "and the largest of the last map": Step(recipe=PLAIN, network=largest),
    "GELU and erased squares": Step(recipe=SLOW | SMOOTH),
    "GELU and label smoothing 0.2": Step(recipe=PLAIN | SMOOTH | {"label_smoothing": 0.2}),
    "GELU and a whitening bias that learns": Step(recipe=PLAIN | SMOOTH, network=learned_whitening_bias),
    "GELU and no running mean of the weights": Step(recipe=PLAIN | SMOOTH | {"averaging": 0.0}),
}


def main() -> int:
    """Train what has no result yet, and print the table."""
    asked = sys.argv[1:] or list(STEPS)
    unknown = [name for name in asked if name not in STEPS]
    if unknown:
        sys.exit(f"there is no step {unknown[0]!r}; use one of {', '.join(map(repr, STEPS))}")
    data = Path(os.environ.get("VIDI_DATA", ".")) / "cifar10"
    if not data.exists():
        print(f"{data} is not there: left out", file=sys.stderr)
        return 0
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "walk"))
    with tempfile.TemporaryDirectory() as name:
        work = Path(os.environ.get("WORK", name))
        small = read_cifar(data)
        for seed in range(SEEDS):
            for step in asked:
                path = results / f"{named(step)}-{seed}.json"
                if not path.exists():
                    with STEPS[step].network():
                        found = measure(step, small, seed=seed, folder=work / f"{named(step)}-{seed}")
                    write_atomic(path, json.dumps(found, indent=1) + "\n")
    print_table(results)
    return 0


def named(step: str) -> str:
    """As part of a file's name."""
    return step.replace(" ", "-")


def measure(step: str, small: SmallSet, *, seed: int, folder: Path) -> dict[str, Any]:
    """Train one step with one seed, or go on with it, and score it on the images that were held out."""
    rows = np.arange(small.training)
    learned, held_out = rows[:-HELD_OUT], rows[-HELD_OUT:]
    recipe = usual_recipe(small, training=len(learned), changes={**COMMON, **STEPS[step].recipe, "seed": seed})
    found = train_and_score(
        small, recipe, train_rows=learned, validation_rows=held_out, scored_rows=held_out, folder=folder
    )
    return {"step": step, "seed": seed, **found}


def print_table(results: Path) -> None:
    """What is there so far, in Markdown."""
    print("| step | seeds | both views | one view | after 1 epoch | after 5 | operations |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for step in STEPS:
        found = [json.loads(path.read_text()) for path in sorted(results.glob(f"{named(step)}-[0-9]*.json"))]
        if not found:
            print(f"| {step} | not measured | | | | | |")
            continue
        both, alone = (mean(one["scores"][view]["value"] for one in found) for view in found[0]["scores"])
        first, fifth = (mean(one["epochs"][epoch] for one in found) for epoch in (0, 4))
        print(
            f"| {step} | {len(found)} | {both:.2%} | {alone:.2%} | {first:.1%} | {fifth:.1%} | "
            f"{found[0]['operations']:.2g} |"
        )


if __name__ == "__main__":
    sys.exit(main())
