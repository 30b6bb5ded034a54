"""A head on shipped features beside a plain logistic regression on the same: all of clothing, and 5 images a class.

    VIDI_DATA=… python -m bench heads

Every contestant is a process of its own, timed from its start to its end, on image files, with nothing in any cache.
All of clothing is learned once by each; the 5 images a class are drawn DRAWS times, the same for all. Scored on
clothing's `validation` part. Each training leaves one JSON in bench/results/heads/, or in the folder that RESULTS
names; what is there is not trained again. The rivals run in benchmarks/.venv (see benchmarks/README.md); without it
vidi alone does.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.engine import RIVALS, RIVALS_PYTHON, run
from bench.processor import describe, kind, measured_here
from bench.time_to_accuracy import kept
from bench.timed import run_timed

DRAWS, PER_CLASS = 10, 5
WITHIN_SECONDS, LEAST, LEAST_OF_FEW = 45, 0.88, 0.70
WAYS = ("vidi", "lite0", "lite2")


def main() -> int:
    """Measure what is missing, and print the table; 1 where a bar is not reached."""
    data = Path(os.environ.get("VIDI_DATA", ".")) / "clothing.zip"
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "heads")) / kind()
    if not data.exists():
        print(f"{data} is not there: left out", file=sys.stderr)
        return 0
    ways = [way for way in WAYS if way == "vidi" or RIVALS_PYTHON.exists()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "all"
        with zipfile.ZipFile(data) as archive:
            archive.extractall(folder, [one for one in archive.namelist() if not one.startswith("test/")])
        few = [draw_few(folder, Path(name) / f"few-{seed}", seed=seed) for seed in range(DRAWS)]
        whole = {way: kept(results / f"all-{way}.json", lambda w=way: measure(w, folder)) for way in ways}
        drawn = {
            way: [
                kept(results / f"few-{way}-{seed}.json", lambda w=way, f=one: measure(w, f))
                for seed, one in enumerate(few)
            ]
            for way in ways
        }
    print(f"{describe()}; scored on {whole['vidi']['n']} images")
    print(f"| | all images: right | seconds | {PER_CLASS} images a class: right, mean of {DRAWS} | lowest | highest |")
    print("|---|---|---|---|---|---|")
    for way in ways:
        right = [one["accuracy"] for one in drawn[way]]
        print(
            f"| {'vidi' if way == 'vidi' else f'logistic regression, {way}'} | {whole[way]['accuracy']:.1%} "
            f"| {whole[way]['seconds']:.0f} | {statistics.mean(right):.1%} | {min(right):.1%} | {max(right):.1%} |"
        )
    print_stages(whole["vidi"]["stages"])
    own, mean_of_few = whole["vidi"], statistics.mean(one["accuracy"] for one in drawn["vidi"])
    bars = {
        f"{LEAST:.0%} right": own["accuracy"] >= LEAST,
        f"within {WITHIN_SECONDS} s": own["seconds"] <= WITHIN_SECONDS,
        "twice as fast as either rival": all(2 * own["seconds"] <= whole[way]["seconds"] for way in ways[1:]),
        f"{LEAST_OF_FEW:.0%} right of few": mean_of_few >= LEAST_OF_FEW,
    }
    print("; ".join(f"{bar}: {'met' if met else 'NOT met'}" for bar, met in bars.items()))
    return 0 if all(bars.values()) else 1


def draw_few(folder: Path, target: Path, *, seed: int) -> Path:
    """The same parts with a few random training images of each class."""
    random = np.random.default_rng(seed)
    for source in sorted((folder / "train").iterdir()):
        files = sorted(source.iterdir())
        (target / "train" / source.name).mkdir(parents=True)
        for index in random.choice(len(files), PER_CLASS, replace=False).tolist():
            os.link(files[index], target / "train" / source.name / files[index].name)
    shutil.copytree(folder / "validation", target / "validation", copy_function=os.link)
    return target


def measure(way: str, folder: Path) -> dict[str, Any]:
    """One contestant's accuracy on `validation`, and its seconds."""
    if way != "vidi":
        command = str(RIVALS_PYTHON), str(RIVALS / "frozen_features.py"), str(folder)
        return run(*command, "--variant", way, "--test", "validation")
    with tempfile.TemporaryDirectory() as name:
        output = Path(name) / "run"
        words = ["-m", "vidi", "train", str(folder), "--parts", "validation=test", "--pretrained", "auto", "--freeze"]
        seconds, _ = run_timed([*words, "--output", str(output)], cache=Path(name) / "cache")
        metrics = json.loads((output / "metrics.json").read_text())
        found = metrics["test"]["accuracy"]
    return {
        "accuracy": found["value"],
        "n": found["n"],
        "seconds": round(seconds, 2),
        "stages": metrics["seconds"],
        **measured_here(),
    }


def print_stages(stages: dict[str, float]) -> None:
    """Where the seconds of the training on all images went."""
    print("| " + " | ".join(stages) + " |")
    print("|" + "---|" * len(stages))
    print("| " + " | ".join(f"{seconds:.1f}" for seconds in stages.values()) + " |")


if __name__ == "__main__":
    sys.exit(main())
