"""What a tracker costs a training: the processor time of its thread, as a share of the training's own.

    VIDI_DATA=… python -m bench track                                   three trainings of each; about three minutes
    ROUNDS=1 IMAGES=1000 EPOCHS=2 VIDI_DATA=… python -m bench track     a look whether everything runs

Each training is a process of its own, with the same images, recipe and seed. A thread of its own informs the tracker;
its processor time is taken around every call, so no difference of two long trainings has to be measured. What is
counted lies between the first step and the last epoch's figures; opening the tracker (with the import of its package)
and handing over the result are reported apart. The gate: at most 2 % of the processor time of training without it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench.processor import measured_here
from vidi.data.read import read_dataset
from vidi.workflows.interaction.events import EpochEnded, Event, Events, StepDone
from vidi.workflows.tracking import listener
from vidi.workflows.tracking.tracker import TrackedRun, Tracker

ROUNDS, IMAGES, EPOCHS = (
    int(os.environ.get(name, usual)) for name, usual in (("ROUNDS", "3"), ("IMAGES", "3000"), ("EPOCHS", "8"))
)
WAYS = ("mlflow", "tensorboard")
MOST = 0.02
PACKAGES = ("vidi", "torch", "mlflow-skinny", "tensorboardX")


def main() -> int:
    """Measure in turns and print; 1 where the gate fails. With a folder and a way: one training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", nargs="*", help="of one training: the folder of the images, and the way")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(train_once(Path(given.one[0]), given.one[1])))
        return 0
    with tempfile.TemporaryDirectory(prefix="vidi-track-") as place:
        images = write_images(Path(place) / "images")
        rounds = [{way: measure(images, way) for way in WAYS} for _ in range(ROUNDS)]
    found = {
        **measured_here(),
        "load_at_the_end": round(os.getloadavg()[0], 1),
        "versions": {name: version(name) for name in PACKAGES},
        "rounds": ROUNDS,
        "epochs": EPOCHS,
        "processor_seconds": {
            way: {name: summary([one[way][name] for one in rounds]) for name in rounds[0][way]} for way in WAYS
        },
    }
    print(json.dumps(found, indent=1))
    return int(any(statistics.median(one[way]["share"] for one in rounds) > MOST for way in WAYS))


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


def measure(images: Path, way: str) -> dict[str, float]:
    """One training in a process of its own."""
    words = [sys.executable, "-m", "bench.track", str(images), way]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"{way}: {found}", file=sys.stderr, flush=True)
    return found


class Watching:
    """Notes the processor time of the whole process at the first step and at each epoch's end."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.last = 0.0

    def tell(self, event: Event) -> None:
        match event:
            case StepDone():
                self.first = time.process_time() if self.first is None else self.first
            case EpochEnded():
                self.last = time.process_time()


class Timing:
    """A tracker whose calls are timed, in seconds of its thread's processor time."""

    def __init__(self, tracker: Tracker, seconds: dict[str, float]) -> None:
        self._tracker, self._seconds = tracker, seconds

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._tracker, name)
        if not callable(found):
            return found

        def timed(*given: object) -> object:
            began = time.thread_time()
            try:
                return found(*given)
            finally:
                self._seconds[name] = self._seconds.get(name, 0.0) + time.thread_time() - began

        return timed


def train_once(images: Path, way: str) -> dict[str, float]:
    """Train, and say what the parts took, in seconds of processor time."""
    from vidi.workflows.requests.data import DataRequest
    from vidi.workflows.requests.train import TrainRequest
    from vidi.workflows.train import train

    kind, seconds = listener.TRACKERS[way], dict[str, float]()

    def opened(run: TrackedRun) -> Any:
        began = time.process_time()
        tracker = kind.open(run)
        seconds["open"] = time.process_time() - began
        return Timing(tracker, seconds)

    kinds = {way: replace(kind, open=opened)}
    with tempfile.TemporaryDirectory(prefix="vidi-track-run-") as place, patch.dict(listener.TRACKERS, kinds):
        os.environ.pop("MLFLOW_TRACKING_URI", None)  # a database beside the run folder
        watching = Watching()
        request = TrainRequest(
            data=DataRequest(source=str(images)),
            pretrained="none",
            changes={"epochs": EPOCHS},
            output=Path(place) / "run",
            track=way,
        )
        train(request, events=Events(watching.tell))
    assert watching.first is not None
    tracking = seconds["epoch"] + seconds["parameters"]
    training = watching.last - watching.first - tracking
    return {
        "share": round(tracking / training, 5),
        "training": round(training, 2),
        "epoch": round(seconds["epoch"] / EPOCHS, 5),
        **{name: round(seconds[name], 3) for name in ("open", "parameters", "result", "close")},
    }


if __name__ == "__main__":
    sys.exit(main())
