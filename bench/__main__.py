"""`python -m bench [NAME [OPTION …]]`: measure what the docs claim. NAME is a bench, or a row of the accuracy table.

Without a name every bench runs, one after the other, which takes most of a day; `--help` lists them. It says so first,
and what is still to come after each. What a bench printed lies in bench/results/local/, by kind of processor; one that
has its file there does not run again, so that the same command goes on after a stop. Without VIDI_DATA (see
docs/how-to/data.md) the accuracy table is measured on the digits alone, and other benches of larger sets are left out.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processor import describe, kind
from vidi.files import write_atomic

PRINTED = Path(__file__).parent / "results" / "local"


@dataclass(frozen=True, slots=True)
class Bench:
    """A module, and about how long it takes on two cores with all sets."""

    module: str
    minutes: float


BENCHES: Mapping[str, Bench] = {
    "predict": Bench("bench.predict", 4),
    "cold_start": Bench("bench.cold_start", 1),
    "decode": Bench("bench.decode", 2),
    "precisions": Bench("bench.precisions", 8),
    "serve": Bench("bench.serve", 12),
    "ray": Bench("bench.ray", 8),
    "scale": Bench("bench.scale", 8),
    "log": Bench("bench.log", 3),
    "labels": Bench("bench.labels", 1),
    "app": Bench("bench.app", 20),
    "page": Bench("bench.page", 3),
    "agreement": Bench("bench.agreement", 5),
    "check": Bench("bench.check", 3),
    "spinning": Bench("bench.spinning", 2),
    "engine": Bench("bench.engine", 10),
    "training_step": Bench("bench.training_step", 3),
    "explain": Bench("bench.explain", 5),
    "locate": Bench("bench.locate", 10),
    "detector": Bench("bench.detector", 8),
    "track": Bench("bench.track", 8),
    "watch": Bench("bench.watch", 10),
    "unknown": Bench("bench.unknown", 10),
    "estimate": Bench("bench.estimate", 25),
    "promises": Bench("bench.promises", 10),
    "several_labels": Bench("bench.several_labels", 15),
    "operating_points": Bench("bench.operating_points", 5),
    "shortcuts": Bench("bench.shortcuts", 10),
    "drift": Bench("bench.drift", 90),
    "label_errors": Bench("bench.label_errors", 10),
    "choose": Bench("bench.choose", 30),
    "hostile": Bench("bench.hostile", 20),
    "heads": Bench("bench.heads", 15),
    "calibration_repeats": Bench("bench.calibration_repeats", 15),
    "photo_sets": Bench("bench.photo_sets", 20),
    "trials": Bench("bench.trials", 15),
    "time_to_accuracy": Bench("bench.time_to_accuracy", 30),
    "budget": Bench("bench.budget", 25),
    "year": Bench("bench.year", 45),
    "walk": Bench("bench.walk", 180),
    "by_operations": Bench("bench.by_operations", 150),
    "race": Bench("bench.race", 30),
    "accuracy": Bench("bench.accuracy", 120),
}


def main() -> int:
    """Run the benches that were asked for, one process each; the first failure's exit code is the outcome."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    if wanted in ("-h", "--help"):
        print(__doc__, *(f"{name:<18}{bench.minutes:>4g} minutes" for name, bench in BENCHES.items()), sep="\n")
        return 0
    if wanted in BENCHES:
        return run(wanted, sys.argv[2:])
    if wanted:  # a row
        return run("accuracy", [], row=wanted)
    return run_all(PRINTED / kind())


def run_all(folder: Path) -> int:
    """Run every bench whose output is not yet in the folder; the first failure's exit code is the outcome."""
    left = [name for name in BENCHES if not (folder / f"{name}.txt").exists()]
    print(
        f"{describe()}\n{len(BENCHES) - len(left)} of {len(BENCHES)} benches are in {folder}; delete a file to repeat"
    )
    codes = []
    for place, name in enumerate(left):
        print(f"\n## {name}: {time_left(left[place:])}", flush=True)
        codes.append(run(name, [], kept=folder / f"{name}.txt"))
    return next((code for code in codes if code), 0)


def time_left(names: Sequence[str]) -> str:
    """How long these take, in words.

    >>> time_left(["drift"])
    'about 90 minutes, the last one'
    """
    own = f"about {BENCHES[names[0]].minutes:g} minutes"
    if len(names) == 1:
        return f"{own}, the last one"
    return f"{own}, of about {sum(BENCHES[name].minutes for name in names) / 60:.1f} hours for {len(names)} benches"


def run(name: str, options: Sequence[str], *, row: str = "", kept: Path | None = None) -> int:
    """Run one bench; its output is shown, and kept once it has come to its end."""
    command, begun, shown = [sys.executable, "-u", "-m", BENCHES[name].module, *options], time.monotonic(), ""
    with subprocess.Popen(command, env=surroundings(name, row), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            shown += line
    if kept is not None:
        minutes = (time.monotonic() - begun) / 60
        write_atomic(kept, f"{shown}\nexit code {process.returncode} after {minutes:.1f} minutes, {describe()}\n")
    return process.returncode


def surroundings(name: str, row: str) -> dict[str, str]:
    """The environment of a bench; a row of the accuracy table is named there."""
    environment = {key: value for key, value in os.environ.items() if key != "ONLY"}
    if row:
        environment["ONLY"] = row
    if name == "accuracy" and "VIDI_DATA" not in environment:
        environment |= {"ONLY": row or "digits", "VIDI_DATA": "."}
    return environment


if __name__ == "__main__":
    sys.exit(main())
