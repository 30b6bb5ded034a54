"""What a tracker costs: the same training without one, with MLflow and with TensorBoard, in turns.

    VIDI_DATA=… python -m bench track                                   five rounds; about eight minutes
    ROUNDS=1 IMAGES=1000 EPOCHS=2 VIDI_DATA=… python -m bench track     a look whether everything runs

Each training is a process of its own, with the same images, recipe and seed. Seconds of the clock and of the processor
are taken from the first step to the last epoch's figures, all threads together; what opening the tracker takes before
(with the import of its package) and what the result takes after it are told apart. Ratios are taken round by round. The
gate: the median training takes at most 2 % more processor time with a tracker than without.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from bench.processor import describe
from vidi.data.read import read_dataset
from vidi.workflows.interaction.events import Silence

if TYPE_CHECKING:
    from vidi.training.loop.progress import EpochRow, Progress

ROUNDS, IMAGES, EPOCHS = (
    int(os.environ.get(name, usual)) for name, usual in (("ROUNDS", "5"), ("IMAGES", "6000"), ("EPOCHS", "16"))
)
WAYS: Mapping[str, str | None] = {"none": None, "mlflow": "mlflow", "tensorboard": "tensorboard"}
MOST_SLOWER = 1.02
PACKAGES = ("vidi", "torch", "mlflow-skinny", "tensorboardX")
Clocks = tuple[float, float]


def main() -> int:
    """Measure in turns and print; 1 where the gate fails. With a folder and a way: one training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", nargs="*", help="of one training: the folder of the images, and the way")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(train_once(Path(given.one[0]), WAYS[given.one[1]])))
        return 0
    with tempfile.TemporaryDirectory(prefix="vidi-track-") as place:
        images = write_images(Path(place) / "images")
        rounds = [measure_round(images, number) for number in range(ROUNDS)]
    ratios = {
        f"{way} {clock}": [one[way][f"training_{clock}"] / one["none"][f"training_{clock}"] for one in rounds]
        for way in ("mlflow", "tensorboard")
        for clock in ("cpu", "wall")
    }
    found = {
        "processor": describe(),
        "load_at_the_end": round(os.getloadavg()[0], 1),
        "versions": {name: version(name) for name in PACKAGES},
        "rounds": len(rounds),
        "epochs": EPOCHS,
        "ratios": {name: summary(values) for name, values in ratios.items()},
        "seconds": {
            way: {name: summary([one[way][name] for one in rounds]) for name in rounds[0][way]} for way in WAYS
        },
    }
    print(json.dumps(found, indent=1))
    return int(any(statistics.median(ratios[f"{way} cpu"]) > MOST_SLOWER for way in ("mlflow", "tensorboard")))


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most."""
    return {
        "median": round(statistics.median(values), 4),
        "least": round(min(values), 4),
        "most": round(max(values), 4),
    }


def write_images(folder: Path) -> Path:
    """A share of Fashion-MNIST as class folders."""
    dataset = read_dataset(str(Path(os.environ["VIDI_DATA"]) / "fashion-mnist"))
    for number, image in enumerate(dataset.images[:: max(1, len(dataset.images) // IMAGES)]):
        label = dataset.classes[min(image.labels)]
        path = folder / label / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dataset.store.read(image.path))
    return folder


def measure_round(images: Path, number: int) -> dict[str, dict[str, float]]:
    """One training of each way; each round begins with another one."""
    ways = [*WAYS][number % len(WAYS) :] + [*WAYS][: number % len(WAYS)]
    found = {}
    for way in ways:
        words = [sys.executable, "-m", "bench.track", str(images), way]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        found[way] = json.loads(done.stdout.splitlines()[-1])
        print(f"round {number + 1} of {ROUNDS}, {way}: {found[way]}", file=sys.stderr, flush=True)
    return found


class Watching(Silence):
    """Notes the clocks at the first step, at each epoch's end, and where the result is there."""

    def __init__(self) -> None:
        self.first: Clocks | None = None
        self.last: Clocks = (0.0, 0.0)

    def training(self, progress: "Progress") -> None:  # noqa: ARG002  # the listener's signature
        self.first = self.first or clocks()

    def epoch(self, row: "EpochRow", member: int) -> None:  # noqa: ARG002  # the listener's signature
        self.last = clocks()


def clocks() -> Clocks:
    """Processor seconds of all threads, and seconds of the clock."""
    return time.process_time(), time.perf_counter()


def train_once(images: Path, track: str | None) -> dict[str, float]:
    """Train, and say what the parts took."""
    from vidi.workflows.requests.data import DataRequest
    from vidi.workflows.requests.train import TrainRequest
    from vidi.workflows.train import train

    with tempfile.TemporaryDirectory(prefix="vidi-track-run-") as place:
        os.environ.pop("MLFLOW_TRACKING_URI", None)  # a database beside the run folder
        watching, begun = Watching(), clocks()
        request = TrainRequest(
            data=DataRequest(source=str(images)),
            pretrained="none",
            changes={"epochs": EPOCHS},
            output=Path(place) / "run",
            track=track,
        )
        train(request, events=watching)
        ended = clocks()
    assert watching.first is not None
    found: dict[str, float] = {}
    for clock, name in enumerate(("cpu", "wall")):
        first, last = watching.first[clock], watching.last[clock]
        found[f"before_{name}"] = round(first - begun[clock], 3)
        found[f"training_{name}"] = round(last - first, 3)
        found[f"after_{name}"] = round(ended[clock] - last, 3)
    return found


if __name__ == "__main__":
    sys.exit(main())
