"""How many labels a good choice of images saves: vidi's order beside random choice and cleanlab's ActiveLab.

    VIDI_DATA=… python -m bench choose                       the scenario below, on test images
    VIDI_DATA=… PART=calibration python -m bench choose      the same, scored on images that no result is stated for

Features of EfficientNet-Lite0 are computed once (kept in the folder that FEATURES names, else the system's temporary
folder); after each round a logistic head is fitted again on all labels. The beginning, the step and the end of each
set, the number of seeds and the bars stand here, and were fixed before any result was seen. Each set leaves one JSON in
bench/results/choose/, or in the folder that RESULTS names, and the curves as a figure in docs/images/choose.svg.
"""

import json
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import numpy as np  # noqa: E402

from bench.choosing.features import image_sets  # noqa: E402
from bench.choosing.picture import write_picture  # noqa: E402
from bench.choosing.rounds import STRATEGIES, curve  # noqa: E402
from bench.processor import measured_here  # noqa: E402
from vidi.files import write_atomic  # noqa: E402

SEEDS = 5
MOST_LABELS = 0.7  # of those that random choice needs, on Fashion-MNIST
BEHIND = 0.01  # that the area under vidi's curve may lie below ActiveLab's, on clothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How a set is labelled."""

    start: int  # labels drawn at random
    step: int  # labels between two fits
    most: int  # labels at the end


SCENARIOS = {
    "fashion-mnist": Scenario(start=50, step=50, most=1_000),
    "clothing": Scenario(start=50, step=25, most=600),
}


def main() -> int:
    """Measure the sets that are there; 1 where a bar is not met."""
    data = Path(os.environ.get("VIDI_DATA", "."))
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "choose"))
    part = os.environ.get("PART", "test")
    met, all_found = True, []
    for name, read in image_sets(data).items():
        if os.environ.get("SET", name) != name:
            continue
        found = measure(name, read(), part)
        if part == "test":
            write_atomic(results / f"{name}.json", json.dumps(found, indent=1) + "\n")
        tell(found)
        all_found.append(found)
        met &= bool(found["met"])
    if part == "test" and len(all_found) == len(SCENARIOS):
        write_picture(all_found)
    return 0 if met else 1


def measure(name: str, images: Any, part: str) -> dict[str, Any]:
    """All curves of one set, and what follows from them."""
    scenario, began = SCENARIOS[name], time.monotonic()
    print(f"{name}: {len(images.pool.labels):,} images to choose from", flush=True)
    curves = {
        strategy: [curve(images, getattr(images, part), choose, **asdict(scenario), seed=seed) for seed in range(SEEDS)]
        for strategy, choose in STRATEGIES.items()
    }
    labels = list(range(scenario.start, scenario.most + 1, scenario.step))
    means = {strategy: np.mean(rows, axis=0) for strategy, rows in curves.items()}
    areas = {strategy: float(mean.mean()) for strategy, mean in means.items()}
    needed = {strategy: labels_needed(labels, means[strategy], float(means["random"][-1])) for strategy in means}
    met = needed["vidi"] <= MOST_LABELS * scenario.most
    if name == "clothing":
        met = areas["vidi"] >= areas["ActiveLab"] - BEHIND
    return {
        "set": name,
        "part": part,
        "images": len(getattr(images, part).labels),
        "pool": len(images.pool.labels),
        "seeds": SEEDS,
        "scenario": asdict(scenario),
        "labels": labels,
        "curves": {strategy: [[round(one, 4) for one in row] for row in rows] for strategy, rows in curves.items()},
        "area": {strategy: round(area, 4) for strategy, area in areas.items()},
        "area_by_seed": {name: [round(statistics.mean(row), 4) for row in rows] for name, rows in curves.items()},
        "labels_for_what_random_reaches": {strategy: round(count, 1) for strategy, count in needed.items()},
        "met": met,
        "seconds": round(time.monotonic() - began, 1),
        **measured_here(),
        "versions": {package: version(package) for package in ("vidi", "cleanlab", "scikit-learn", "numpy")},
    }


def labels_needed(labels: list[int], mean: Any, aim: float) -> float:
    """Labels at which a mean curve first reaches an accuracy, between two rounds on a straight line.

    >>> labels_needed([10, 20, 30], np.array([0.5, 0.6, 0.7]), 0.65)
    25.0
    """
    for place, reached in enumerate(mean):
        if reached >= aim:
            if place == 0:
                return float(labels[0])
            before = float(mean[place - 1])
            share = (aim - before) / (float(reached) - before)
            return round(labels[place - 1] + share * (labels[place] - labels[place - 1]), 6)
    return float("inf")


def tell(found: dict[str, Any]) -> None:
    """A table of one set."""
    print(f"{found['set']}, {found['part']}: {found['images']:,} images, {SEEDS} seeds, choice of {found['pool']:,}")
    print("| choice | area under the curve | at the end | labels for what random choice reaches at the end |")
    print("|---|---|---|---|")
    for strategy, rows in found["curves"].items():
        last = statistics.mean(row[-1] for row in rows)
        needed = found["labels_for_what_random_reaches"][strategy]
        print(f"| {strategy} | {found['area'][strategy]:.1%} | {last:.1%} | {needed:.0f} of {found['labels'][-1]} |")
    print(f"bar: {'met' if found['met'] else 'NOT met'} ({found['seconds']} s)")


if __name__ == "__main__":
    sys.exit(main())
