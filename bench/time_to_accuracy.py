"""How long until vidi is as good as the textbook Keras recipe is after its 50 epochs, on the same images and machine.

    VIDI_DATA=… python -m bench time_to_accuracy

Three kinds of clothes at 256 x 256 pixels; both sides are timed from the start of the process to the model file and
scored on `validation` and `test` together. vidi gets a budget of 5, 8, 12 … seconds for its whole process; the smallest
one counts whose models, by three seeds, are on average as good as Keras's. Each training leaves one JSON in
bench/results/time_to_accuracy/, or in the folder that RESULTS names; what is there is not trained again. Keras and the
frozen features run in benchmarks/.venv (see benchmarks/README.md), once for each kind of processor.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.accuracy import CLOTHING_PARTS, THREE, pooled
from bench.engine import RIVALS, RIVALS_PYTHON, run
from bench.processor import describe, kind, measured_here
from vidi.files import write_atomic

BUDGETS = (5, 8, 12, 20, 33, 50)  # seconds
SEEDS = 3
NOT_COUNTED = 0.3  # seconds of a process that `--minutes` cannot know: starting Python
WAYS: Mapping[str, tuple[Sequence[str], float]] = {  # options of `vidi train`, and how many times faster is asked for
    "from scratch": (("--network", "compact"), 40),
    "with weights": (("--pretrained", "auto"), 150),
}
RIVAL_COMMANDS: Mapping[str, Sequence[str]] = {
    "keras": ("keras_textbook.py", "--variant", "fp32"),
    "frozen features": ("frozen_features.py", "--variant", "lite0"),
}


def main() -> int:
    """Measure what is missing, and print the table; 1 where a bar is not reached."""
    data = Path(os.environ.get("VIDI_DATA", ".")) / "clothing.zip"
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "time_to_accuracy")) / kind()
    if not data.exists() or not RIVALS_PYTHON.exists():
        print(f"{data} or {RIVALS_PYTHON} is not there: left out", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rivals = {
            rival: kept(results / f"{rival}.json", lambda r=rival: measure_rival(r, data, folder))
            for rival in RIVAL_COMMANDS
        }
        keras = rivals["keras"]
        print(f"{describe()}; Keras: {keras['accuracy']:.1%} right of {keras['n']} after {keras['seconds']:.0f} s")
        print("| | seconds | right, mean of seeds | times as fast as Keras | bar |")
        print("|---|---|---|---|---|")
        for rival, found in rivals.items():
            faster = keras["seconds"] / found["seconds"]
            print(f"| {rival} | {found['seconds']:.0f} | {found['accuracy']:.1%} | {faster:.0f} | |")
        reached = [climb(way, data, folder, results, keras) for way in WAYS]
        return 0 if all(reached) else 1


def climb(way: str, data: Path, folder: Path, results: Path, keras: Mapping[str, Any]) -> bool:
    """Try the budgets from the smallest on until one suffices; whether that is as much faster as the bar asks."""
    bar = WAYS[way][1]
    for budget in BUDGETS:
        found = [
            kept(results / f"{way}-{budget}s-{seed}.json", lambda b=budget, s=seed: measure(way, b, s, data, folder))
            for seed in range(SEEDS)
        ]
        accuracy = statistics.mean(one["accuracy"]["value"] for one in found)
        seconds = statistics.mean(one["seconds"] for one in found)
        faster = keras["seconds"] / seconds
        is_enough = accuracy >= keras["accuracy"]
        verdict = f"{bar:.0f} {'met' if faster >= bar else 'NOT met'}" if is_enough else "not as good yet"
        print(f"| {way}, budget {budget} s | {seconds:.1f} | {accuracy:.1%} | {faster:.0f} | {verdict} |", flush=True)
        if is_enough:
            return faster >= bar
    return False


def kept(path: Path, make: Any) -> dict[str, Any]:
    """What was measured before, or is now; the file's name has no spaces."""
    path = path.with_name(path.name.replace(" ", "-"))
    if not path.exists():
        write_atomic(path, json.dumps(make(), indent=1) + "\n")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def measure_rival(rival: str, data: Path, folder: Path) -> dict[str, Any]:
    """The answer of one of benchmarks/, on the images in a folder."""
    if not (folder / "train").exists():
        with zipfile.ZipFile(data) as archive:
            archive.extractall(folder)
    script, *options = RIVAL_COMMANDS[rival]
    return run(
        str(RIVALS_PYTHON),
        str(RIVALS / script),
        str(folder),
        *options,
        "--size",
        "256",
        "--test",
        "validation,test",
        "--classes",
        ",".join(THREE),
    )


def measure(way: str, budget: int, seed: int, data: Path, folder: Path) -> dict[str, Any]:
    """One process of `vidi train`: seconds until its model file is whole, and how good that is."""
    output = folder / f"{way.replace(' ', '-')}-{budget}-{seed}"
    parts = ",".join(f"{given}={used}" for given, used in CLOTHING_PARTS.items())
    minutes = (budget - NOT_COUNTED) / 60
    began = time.time()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "vidi",
            "train",
            str(data),
            "--classes",
            ",".join(THREE),
            "--parts",
            parts,
            "--seed",
            str(seed),
            "--minutes",
            f"{minutes:.4f}",
            "--output",
            str(output),
            *WAYS[way][0],
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "VIDI_CACHE": str(output) + "-cache"},
    )
    if done.returncode:
        sys.exit(f"vidi train ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    metrics = json.loads((output / "metrics.json").read_text())
    return {
        "seconds": (output / "model.onnx").stat().st_mtime - began,
        "seconds_with_report": time.time() - began,
        "accuracy": pooled(metrics),
        **measured_here(),
    }


if __name__ == "__main__":
    sys.exit(main())
