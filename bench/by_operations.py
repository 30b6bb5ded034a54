"""Accuracy for so many operations, on CIFAR-10 and Fashion-MNIST: the same on every machine, but for rounding.

    VIDI_DATA=… WORK=FOLDER python -m bench by_operations            every row and seed that has no result yet
    … python -m bench by_operations cifar10-1e14                     one row

A row's operations are multiply-adds times 2, forward and backward, of `compact` as it is trained. Width and epochs
are those that vidi's own rule gives so many operations; 2,500 training images or more are held out and choose the best
epoch. Where training mirrors images, an answer is the mean over image and mirror image. Test images are scored once.
In the rows called mirrored the user has said that a mirror image is as good, which vidi cannot tell by Fashion-MNIST.
WORK keeps checkpoints, and a training that was stopped goes on. Each row and seed leaves one JSON in
bench/results/by_operations/, or in the folder that RESULTS names.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import numpy as np  # noqa: E402

from bench.counting.sets import SETS, SmallSet  # noqa: E402
from bench.counting.train import CLASSES, FORWARD_AND_BACKWARD, VIEWS, train_and_score, usual_recipe  # noqa: E402
from vidi.files import write_atomic  # noqa: E402
from vidi.metrics.intervals import wilson_interval  # noqa: E402
from vidi.networks.build import design_network  # noqa: E402
from vidi.networks.layers import operations_of  # noqa: E402
from vidi.networks.options import NetworkOptions  # noqa: E402
from vidi.training.train import fit_to_epochs  # noqa: E402
from vidi.training.width import widest  # noqa: E402

SEEDS = 3
LEAST_HELD_OUT = 2_500
FEWEST = 0.9  # of the training images, that an epoch may have where whole epochs do not come out even
BOTH, ONE = VIEWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    source: str  # in VIDI_DATA
    operations: float
    least: float  # accuracy
    changes: Mapping[str, object] = field(default_factory=dict)  # what the user sets of the recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the operations are spent on."""

    width: float
    epochs: int
    images: int  # of each epoch


MIRRORED = {"augmentation.flip": "horizontal"}
ROWS: Mapping[str, Row] = {
    "fashion-mnist-5e13": Row(source="fashion-mnist", operations=0.5e14, least=0.942),
    "fashion-mnist-mirrored-5e13": Row(source="fashion-mnist", operations=0.5e14, least=0.942, changes=MIRRORED),
    "cifar10-1e14": Row(source="cifar10", operations=1.0e14, least=0.915),
    "fashion-mnist-mirrored-3e14": Row(source="fashion-mnist", operations=3e14, least=0.953, changes=MIRRORED),
    "cifar10-3.5e14": Row(source="cifar10", operations=3.5e14, least=0.94),
    "cifar10-6e14": Row(source="cifar10", operations=6e14, least=0.947),
}


def main() -> int:
    """Train what has no result yet, and print the table; 1 where the interval of all seeds lies below a bar."""
    data = Path(os.environ.get("VIDI_DATA", "."))
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "by_operations"))
    asked = sys.argv[1:] or list(ROWS)
    unknown = [name for name in asked if name not in ROWS]
    if unknown:
        sys.exit(f"there is no row {unknown[0]!r}; use one of {', '.join(ROWS)}")
    with tempfile.TemporaryDirectory() as name:
        work = Path(os.environ.get("WORK", name))
        for seed in range(SEEDS):
            for row in asked:
                path, source = results / f"{row}-{seed}.json", data / ROWS[row].source
                if not source.exists():
                    print(f"{source} is not there: left out", file=sys.stderr)
                elif not path.exists():
                    found = measure(row, SETS[ROWS[row].source](source), seed=seed, folder=work / f"{row}-{seed}")
                    write_atomic(path, json.dumps(found, indent=1) + "\n")
    return print_table(results)


def plan_for(operations: float, small: SmallSet) -> Plan:
    """The width that vidi's rule gives so many operations, and epochs as long as they last."""
    width = widest(lambda one: images_for(operations, one, small))
    seen, most = images_for(operations, width, small), small.training - LEAST_HELD_OUT
    epochs = max(1, int(seen / most))
    if seen / (epochs + 1) >= FEWEST * small.training:
        epochs += 1
    return Plan(width=width, epochs=epochs, images=min(most, int(seen / epochs)))


def images_for(operations: float, width: float, small: SmallSet) -> float:
    """How many images a network of a width learns from in so many operations, copies included."""
    usual = usual_recipe(small, training=small.training, changes={})
    network = design_network(
        "compact",
        image_size=usual.image_size,
        class_count=CLASSES,
        options=NetworkOptions(width=width, grey=usual.options.grey),
    )
    return operations / (FORWARD_AND_BACKWARD * operations_of(network, usual.image_size))


def measure(name: str, small: SmallSet, *, seed: int, folder: Path) -> dict[str, Any]:
    """Train a row with one seed, or go on with it, and score it on the test images."""
    plan = plan_for(ROWS[name].operations, small)
    changes = {"options.width": plan.width, "epochs": plan.epochs, "views": "both", "seed": seed, **ROWS[name].changes}
    recipe = fit_to_epochs(usual_recipe(small, training=plan.images, changes=changes), plan.epochs)
    rows = np.arange(len(small.labels))
    found = train_and_score(
        small,
        recipe,
        train_rows=rows[: plan.images],
        validation_rows=rows[plan.images : small.training],
        scored_rows=rows[small.training :],
        folder=folder,
    )
    return {"row": name, "seed": seed, **found}


def print_table(results: Path) -> int:
    """What is there so far, in Markdown; 1 where the interval of all seeds lies below a bar."""
    print("| row | width | epochs | operations | seeds | accuracy | 95 % interval | by one view | bar |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    missed = False
    for name, row in ROWS.items():
        found = [json.loads(path.read_text()) for path in sorted(results.glob(f"{name}-[0-9].json"))]
        if not found:
            print(f"| {name} | not measured | | | | | | | {row.least:.1%} |")
            continue
        views = ONE if found[0]["recipe"]["augmentation"]["flip"] == "none" else BOTH
        right, alone = (mean(one["scores"][view]["value"] for one in found) for view in (views, ONE))
        count = found[0]["scores"][views]["n"]
        interval = wilson_interval(round(right * count), count)
        assert interval is not None  # only of no image there is none
        missed |= interval.high < row.least
        width, epochs = found[0]["recipe"]["options"]["width"], found[0]["recipe"]["epochs"]
        print(
            f"| {name} | {width:g} | {epochs} | {found[0]['operations']:.2g} | {len(found)} | {right:.2%} | "
            f"{interval.low:.1%} – {interval.high:.1%} | {alone:.2%} | {row.least:.1%} |"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
