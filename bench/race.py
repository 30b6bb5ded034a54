"""The race on CIFAR-10: `vidi train` beside the published recipe "airbench94", at once, half of the cores each.

    VIDI_DATA=… python -m bench race
    EPOCHS=1 RESULTS=FOLDER VIDI_DATA=… python -m bench race     a look whether everything runs; some minutes

Both run in bfloat16 where the processor multiplies in it, else in float32, and learn for about 3.5e14 operations: ten
epochs at twice the usual width, and 9.9 epochs of the recipe (benchmarks/airbench_cifar.py). A side's seconds run from
the start of its process to its end; vidi's also hold the calibration, the test and the report. Each seed leaves one
JSON in bench/results/race/, or in the folder that RESULTS names; what is there is not run again.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.engine import RIVALS
from bench.processor import describe, kind, measured_here
from vidi.files import write_atomic

SEEDS = 1
EPOCHS = int(os.environ.get("EPOCHS", "10"))
CHANGES = {"options.width": 2.0, "epochs": EPOCHS, "views": "both"}
RECIPE_EPOCHS = min(9.9, EPOCHS)
VARIANTS = {"bfloat16": "bf16", "float32": "cpu"}  # of the recipe


def main() -> int:
    """Run the seeds that have no result yet, and print the table."""
    data = Path(os.environ.get("VIDI_DATA", ".")) / "cifar10"
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "race")) / kind()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if not data.exists() or len(cores) < 2:
        print(f"{data}, or a second core, is not there: left out", file=sys.stderr)
        return 0
    print(f"{describe()}; {len(cores) // 2} core(s) for each side")
    print("| side | seed | precision | seconds | accuracy, image and mirror image |\n| --- | --- | --- | --- | --- |")
    for seed in range(SEEDS):
        path = results / f"{seed}.json"
        if not path.exists():
            write_atomic(path, json.dumps(race(data, cores, seed=seed), indent=1) + "\n")
        found = json.loads(path.read_text())
        for side in ("vidi", "recipe"):
            row = found[side]
            print(f"| {side} | {seed} | {found['precision']} | {row['seconds']:.0f} | {row['accuracy']:.2%} |")
    return 0


def race(data: Path, cores: Sequence[int], *, seed: int) -> dict[str, Any]:
    """Both sides at once."""
    precision = "bfloat16" if "bf16" in kind() else "float32"
    half = len(cores) // 2
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as threads:
        output, changes = Path(name) / "run", CHANGES | {"precision": precision, "seed": seed}
        words = [word for field, value in changes.items() for word in ("--set", f"{field}={value}")]
        ours = [sys.executable, "-m", "vidi", "train", str(data), "--network", "compact", "--output", str(output)]
        theirs = [sys.executable, str(RIVALS / "airbench_cifar.py"), str(data), "--seed", str(seed)]
        theirs += ["--epochs", str(RECIPE_EPOCHS)]
        running = threads.submit(run_on, cores[half : 2 * half], [*theirs, "--variant", VARIANTS[precision]])
        seconds, _ = run_on(cores[:half], [*ours, *words])
        figures = json.loads((output / "metrics.json").read_text())["test"]["accuracy"]
        rival_seconds, shown = running.result()
    rival = json.loads(shown.splitlines()[-1])
    return {
        "seed": seed,
        **measured_here(),
        "precision": precision,
        "vidi": {"seconds": seconds, "accuracy": figures["value"], "n": figures["n"]},
        "recipe": rival | {"seconds": rival_seconds, "accuracy": rival["flip"]["accuracy"]},
    }


def run_on(cores: Sequence[int], command: Sequence[str]) -> tuple[float, str]:
    """Run a command on some cores: (seconds, what it printed)."""
    began = time.monotonic()
    words = ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return time.monotonic() - began, done.stdout


if __name__ == "__main__":
    sys.exit(main())
