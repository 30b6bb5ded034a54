"""A simulated year in use: the model behind vidi's gate beside one that is never changed and one that always is.

    VIDI_DATA=… python -m bench year

Twelve months of CIFAR-10 as traffic: the camera gets darker and more blurred from month 4 on, and a new class comes in
month 7. People label 143 images a month. The scenario stands in bench/yearly/scenario.py. Each month's accuracy is that
of the model in use on 1,000 images of that month's traffic, which nobody labels. Intervals are by the bootstrap over
years (each with images of its own to learn from) and over scored images together. Leaves one JSON in
bench/results/year/, or in the folder that RESULTS names, and with PICTURE=FILE.svg the picture. DEVELOPMENT=WEIGHT
shows three years of training images alone instead, in which labelled images have that weight.
"""

import json
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402

from bench.processor import kind, measured_here  # noqa: E402
from bench.yearly.images import CLASSES, Images, as_in_month, draw_traffic, read_cifar  # noqa: E402
from bench.yearly.picture import draw_year  # noqa: E402
from bench.yearly.scenario import LEAST_LOSS, NOT_BEHIND, SCENARIO, Scenario  # noqa: E402
from bench.yearly.simulate import live, split_base  # noqa: E402
from vidi.files import write_atomic  # noqa: E402
from vidi.metrics.components import principal_axes  # noqa: E402
from vidi.prediction.predictor import Predictor  # noqa: E402
from vidi.workflows.requests.data import DataRequest  # noqa: E402
from vidi.workflows.requests.shared import FEEDBACK_WEIGHT  # noqa: E402
from vidi.workflows.requests.train import TrainRequest  # noqa: E402
from vidi.workflows.train import train  # noqa: E402

FEW, BATCH, DRAWS, COMPONENTS = 20, 256, 2_000, 256
Floats = NDArray[np.float32]


def main() -> int:
    """Live the years, write what came out, and compare it with the bars; 1 where one is not reached."""
    folder = Path(os.environ.get("VIDI_DATA", ".")) / "cifar10"
    if not folder.exists():
        print(f"{folder} is not there: left out", file=sys.stderr)
        return 0
    began = time.monotonic()
    if weight := os.environ.get("DEVELOPMENT"):
        few = replace(SCENARIO, seeds=3)
        years = live_years(folder, few, tested=False, weight=float(weight))
        show({**describe_years(years, few), **measured_here()})
        return 0
    years = live_years(folder, SCENARIO)
    found = {**describe_years(years, SCENARIO), "seconds": round(time.monotonic() - began), **measured_here()}
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "year"))
    write_atomic(results / f"{kind()}.json", json.dumps(found, indent=1) + "\n")
    if picture := os.environ.get("PICTURE"):
        drawn = draw_year(found).replace("<svg ", '<svg font-family="system-ui, sans-serif" ', 1)
        write_atomic(Path(picture), drawn + "\n")
    return show(found)


def live_years(
    folder: Path, scenario: Scenario, *, tested: bool = True, weight: float = FEEDBACK_WEIGHT
) -> dict[str, list[dict[str, Any]]]:
    """For both kinds of year, for each seed: way → model kept.

    Args:
        folder: of CIFAR-10.
        scenario: of the years.
        tested: scored on the official test part; else on the fifth batch of training images, which is then not learned.
        weight: as how many old images a labelled one counts.
    """
    batches = [f"data_batch_{number}.bin" for number in range(1, 6)]
    images, labels = read_cifar(folder, batches if tested else batches[:-1])
    shown, truth = read_cifar(folder, ["test_batch.bin"] if tested else batches[-1:])
    with tempfile.TemporaryDirectory() as name:
        predictor = backbone(images, labels, Path(name))
    axes: Floats | None = None

    def embed(some: Images, month: int) -> Floats:
        moved = as_in_month(some, month, scenario)
        parts = [moved[start : start + BATCH] for start in range(0, len(moved), BATCH)]
        features = np.concatenate([predictor.run(part, ("embedding",))["embedding"] for part in parts])
        return features if axes is None else features @ axes

    random, months = np.random.default_rng(2_026 if tested else 77), range(1, scenario.months + 1)
    free = np.ones(len(labels), np.bool_)
    raw = embed(images[:2_000], 0)
    axes = principal_axes(raw, COMPONENTS).astype(np.float32)
    traffic = []
    for month in months:
        rows = draw_traffic(
            truth, np.ones(len(truth), np.bool_), scenario.scored_images, month, scenario=scenario, random=random
        )
        traffic.append((embed(shown[rows], month), truth[rows]))
    years: dict[str, list[dict[str, Any]]] = {"honest": [], "hostile": []}
    for seed in range(scenario.seeds):
        rows = draw_traffic(labels, free, scenario.base_images, 0, scenario=scenario, random=random)
        base = split_base(rows, embed(images[rows], 0), labels[rows])
        labelled = []
        for month in months:
            count = scenario.labels + scenario.fifth_labels
            rows = draw_traffic(labels, free, count, month, scenario=scenario, random=random)
            labelled.append((rows, embed(images[rows], month), labels[rows]))
        for year, done in years.items():
            done.append(live(base, labelled, traffic, hostile=year == "hostile", scenario=scenario, weight=weight))
        print(f"year {seed + 1} of {scenario.seeds} is over", file=sys.stderr, flush=True)
    return years


def backbone(images: Images, labels: NDArray[np.int64], folder: Path) -> Predictor:
    """A model file of `vidi train --pretrained lite0 --freeze`, whose embedding depends on no training image."""
    for label, name in enumerate(CLASSES):
        (folder / "data" / name).mkdir(parents=True)
        for row in np.flatnonzero(labels == label)[:FEW].tolist():
            Image.fromarray(images[row]).save(folder / "data" / name / f"{row}.png")
    changes = {"freeze": True, "image_size": (64, 64)}
    data = DataRequest(source=str(folder / "data"), cache_dir=str(folder / "cache"))
    train(TrainRequest(data=data, pretrained="lite0", changes=changes, output=folder / "run", images=False))
    return Predictor.load(folder / "run")


def describe_years(years: dict[str, list[dict[str, Any]]], scenario: Scenario) -> dict[str, Any]:
    """Accuracy by month, differences in the last month, and what the gate decided."""
    found: dict[str, Any] = {"seeds": scenario.seeds, "images": scenario.scored_images}
    right = {
        (year, way): np.array([kept[way].right for kept in done]) for year, done in years.items() for way in done[0]
    }  # (seeds, months, images)
    for year, done in years.items():
        found[year] = {way: curve(right[year, way]) for way in done[0]}
        found[year]["decisions"] = [
            dict(Counter(kept["loop"].decisions[month] for kept in done)) for month in range(scenario.months)
        ]
    last = {name: values[:, -1].astype(float) for name, values in right.items()}
    found["differences"] = {
        f"{year}: loop - {other}": interval(last[year, "loop"] - last[year, other])
        for year in years
        for other in ("frozen", "blind", "weighted")
    }
    found["differences"]["loop: hostile - honest"] = interval(last["hostile", "loop"] - last["honest", "loop"])
    return found


def curve(right: NDArray[np.bool_]) -> list[dict[str, float]]:
    """The accuracy of each month with its interval."""
    return [interval(right[:, month].astype(float)) for month in range(right.shape[1])]


def interval(values: NDArray[np.float64]) -> dict[str, float]:
    """The mean of (seeds, images) with its 95 % interval, by drawing years and images together."""
    random = np.random.default_rng(0)
    seeds, images = values.shape
    drawn = [
        values[random.integers(seeds, size=seeds)].mean(axis=0)[random.integers(images, size=images)].mean()
        for _ in range(DRAWS)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"value": round(float(values.mean()), 5), "low": round(float(low), 5), "high": round(float(high), 5)}


def show(found: dict[str, Any]) -> int:
    """Print the table and the bars."""
    print(f"{found['processor']}; {found['seeds']} years, {found['images']:,} images scored in each month")
    print("| year | way | month 1 | month 6 | month 9 | month 12 |")
    print("|---|---|---|---|---|---|")
    for year in ("honest", "hostile"):
        for way in ("frozen", "blind", "weighted", "loop"):
            shown = [found[year][way][month - 1] for month in (1, 6, 9, 12)]
            cells = (f"{one['value']:.1%} ({one['low']:.1%} – {one['high']:.1%})" for one in shown)
            print(f"| {year} | {way} | {' | '.join(cells)} |")
    differences = found["differences"]
    for name, one in differences.items():
        print(f"{name}: {one['value']:+.2%} ({one['low']:+.2%} – {one['high']:+.2%})")
    bars = {
        "honest: ahead of frozen": differences["honest: loop - frozen"]["low"] > 0,
        "honest: not behind blind": differences["honest: loop - blind"]["low"] > -NOT_BEHIND,
        "hostile: ahead of frozen": differences["hostile: loop - frozen"]["low"] > 0,
        "hostile: ahead of blind": differences["hostile: loop - blind"]["low"] > 0,
        "hostile source costs at most a point": differences["loop: hostile - honest"]["value"] >= -LEAST_LOSS,
    }
    print("; ".join(f"{bar}: {'met' if met else 'NOT met'}" for bar, met in bars.items()))
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
