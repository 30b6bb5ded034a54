"""How fast training is: vidi's own step against Keras and plain torch.

    python -m bench engine                        five rounds; about ten minutes
    ROUNDS=1 STEPS=3 python -m bench engine       a look whether everything runs

In each round every contestant trains the textbook network (256 x 256 pixels, batch 32, flips and turns) in a process of
its own, one after the other, on the same generated photographs, kept decoded in memory; its first epoch does not count.
The rivals live in an environment of their own (`benchmarks/set_up`); without it vidi alone is measured. Each whole
round leaves one JSON in bench/results/engine/, or in the folder that RESULTS names; rounds that are there are not run
again, but for those that lack the rivals. Ratios are taken within a round.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.photographs import write_photographs
from bench.processor import kind, measured_here
from vidi.files import write_atomic

RIVALS = Path(__file__).parents[1] / "benchmarks"
RIVALS_PYTHON = RIVALS / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
BATCH, SIZE, CLASSES = 32, (256, 256), ("cloud", "leaf", "stone")
MOST_STEPS_IN_EPOCH = 8
LEAST_WITHOUT_FAULTS = 0.9  # of the steady steps: now and then the heap grows once
# What vidi's rate must be of the rival's, where bfloat16 is chosen and where float32 is; None: the rival does not run.
LEAST: Mapping[str, Mapping[str, float | None]] = {
    "keras fp32": {"bfloat16": 1.9, "float32": 1.6},
    "keras mixed_bfloat16": {"bfloat16": 1.05, "float32": None},
    "torch": {"bfloat16": 4.5, "float32": 2.0},
}
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "keras fp32": ("keras_textbook.py", "--variant", "fp32"),
    "keras mixed_bfloat16": ("keras_textbook.py", "--variant", "mixed_bfloat16"),
    "torch": ("torch_textbook.py",),
}


def main() -> None:
    """Run the rounds that are missing, then print what all of them say."""
    if len(sys.argv) > 1:
        print(json.dumps(train_textbook(*sys.argv[1:])))
        return
    rounds, steps = int(os.environ.get("ROUNDS", "5")), int(os.environ.get("STEPS", "24"))
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "engine"))
    for number in range(rounds):
        path = results / f"{kind()}-steps{steps}-round{number}.json"
        if not is_complete(path):
            results.mkdir(parents=True, exist_ok=True)
            write_atomic(path, json.dumps(measure_round(steps), indent=1) + "\n")
            print(f"round {number + 1} of {rounds}: {path.name}", file=sys.stderr)
    paths = sorted(results.glob(f"{kind()}-steps{steps}-round*.json"))
    sys.exit(0 if report([json.loads(path.read_text()) for path in paths]) else 7)


def is_complete(path: Path, *, rivals: Path = RIVALS_PYTHON) -> bool:
    """Whether a round was measured, with the rivals where they can be."""
    if not path.exists():
        return False
    return not rivals.exists() or "torch" in json.loads(path.read_text())


def measure_round(steps: int) -> dict[str, Any]:
    """Every contestant once, each in a process of its own."""
    per_epoch = min(MOST_STEPS_IN_EPOCH, steps)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder / "train", BATCH * per_epoch)
        (folder / "test").symlink_to(folder / "train")  # the rivals look at it, and do not score on it
        own = run(sys.executable, "-m", "bench.engine", str(folder), str(steps))
        document: dict[str, Any] = {
            **measured_here(),
            "vidi": own,
        }
        for rival, (script, *variant) in COMMANDS.items():
            if RIVALS_PYTHON.exists() and LEAST[rival][own["precision"]] is not None:
                document[rival] = run(
                    str(RIVALS_PYTHON), str(RIVALS / script), str(folder), *variant, "--steps", str(steps)
                )
    return document


def write_images(folder: Path, count: int) -> None:
    """Photographs of three classes, that many in all."""
    for index, name in enumerate(CLASSES):
        share = count // len(CLASSES) + (index < count % len(CLASSES))
        write_photographs(folder / name, share, size=SIZE, seed=10_000 * index)


def run(*command: str) -> dict[str, Any]:
    """One contestant's answer: the JSON on the last line that it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def train_textbook(folder: str, steps: str) -> dict[str, Any]:
    """What `vidi train --network textbook` does with decoded images, without its validation, calibration and test."""
    from vidi.machine import wait_without_spinning

    wait_without_spinning()  # before torch is imported, as `vidi train` does
    import resource
    import time

    import numpy as np

    from vidi.images.framing import Framing
    from vidi.images.pool import DecodeJob, read_images
    from vidi.images.store import GivenFilesStore
    from vidi.metrics.truth import OneClass
    from vidi.training.data import TrainingData
    from vidi.training.defaults import recipe_for
    from vidi.training.loop.progress import Listener, Progress
    from vidi.training.train import train_network
    from vidi.training.traits import DataTraits

    paths = sorted(str(path) for path in Path(folder, "train").rglob("*.jpg"))
    read = read_images(GivenFilesStore(), paths, DecodeJob(framing=Framing(size=SIZE, mode="stretch")), isolated=False)
    images = np.stack([one.image for one in read if one.image is not None])
    labels = np.array([CLASSES.index(Path(path).parent.name) for path in paths], np.int64)
    traits = DataTraits(image_count=len(images), class_count=len(CLASSES), usual_size=SIZE, is_grey=False)
    per_epoch = len(images) // BATCH
    epochs = 1 + math.ceil(int(steps) / per_epoch)
    recipe = recipe_for(traits, network="textbook", changes={"epochs": epochs})
    data = TrainingData(
        images=images,
        truth=OneClass(labels=labels, class_count=len(CLASSES)),
        train_rows=np.arange(len(images)),
        validation_rows=np.array([], np.int64),
    )
    ends, faults = [], []

    def note(_: Progress) -> None:
        ends.append(time.perf_counter())
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)

    with tempfile.TemporaryDirectory() as run_folder:
        trained = train_network(data, recipe, folder=Path(run_folder), listener=Listener(progress=note))
    within = [step for step in range(per_epoch, len(ends)) if (step + 1) % per_epoch]  # no step that ends an epoch
    return {
        "images_per_second": BATCH * (len(ends) - per_epoch) / (ends[-1] - ends[per_epoch - 1]),
        "faults": [faults[step] - faults[step - 1] for step in within],
        "precision": trained.recipe.execution.precision,
        "chosen": trained.recipe.sources["precision"],
        "loss": trained.history[-1].train_loss,
        "versions": {name: version(name) for name in ("vidi", "torch", "numpy")},
    }


def report(rounds: Sequence[Mapping[str, Any]], *, rivals: Path = RIVALS_PYTHON) -> bool:
    """Print the table and whether each bar is met; true when all are, and all were measured."""
    precision = rounds[0]["vidi"]["precision"]
    print(f"{rounds[0]['processor']}; vidi in {precision} ({rounds[0]['vidi']['chosen']}); n = {len(rounds)} rounds")
    versions: dict[str, str] = {}
    verdicts = []
    print("| contestant | images/s, median | min – max | vidi is … times as fast | min – max | bar |")
    print("|---|---|---|---|---|---|")
    for name in ("vidi", *LEAST):
        those = [one for one in rounds if name in one]
        if not those:
            verdicts.append(LEAST[name][precision] is None)
            continue
        rates = [one[name]["images_per_second"] for one in those]
        ratios = [one["vidi"]["images_per_second"] / one[name]["images_per_second"] for one in those]
        least = LEAST[name][precision] if name in LEAST else None
        verdicts.append(least is None or statistics.median(ratios) >= least)
        print(f"| {name} | {spread(rates, '.1f')} | {spread(ratios, '.2f')} | {verdict(least, verdicts[-1], '.2f')} |")
        versions |= those[0][name]["versions"]
    verdicts.append(judge_faults(rounds))
    print(", ".join(f"{name} {number}" for name, number in versions.items()))
    if not rivals.exists():
        print("The rivals were not measured: make their environment with benchmarks/set_up, and run this again.")
    return all(verdicts)


def judge_faults(rounds: Sequence[Mapping[str, Any]]) -> bool:
    """Minor page faults of vidi's steady steps, those apart that end an epoch."""
    faults = [count for one in rounds for count in one["vidi"]["faults"]]
    without = faults.count(0) / len(faults)
    is_met = statistics.median(faults) == 0 and without >= LEAST_WITHOUT_FAULTS
    print(
        f"page faults in a steady step: median {statistics.median(faults):g}, none in {without:.0%} of {len(faults)} "
        f"steps, most {max(faults):,}: {verdict(0, is_met, 'g')}"
    )
    return is_met


def spread(values: Sequence[float], form: str) -> str:
    """Median, and from least to most, as two cells of the table."""
    return f"{statistics.median(values):{form}} | {min(values):{form}} – {max(values):{form}}"


def verdict(least: float | None, is_met: bool, form: str) -> str:
    """The bar, and whether it was met."""
    return "–" if least is None else f"{least:{form}} {'met' if is_met else 'NOT met'}"


if __name__ == "__main__":
    main()
