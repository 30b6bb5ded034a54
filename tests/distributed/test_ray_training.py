"""Training and tuning on a real Ray cluster of several nodes: what one computer gives, whatever is killed half-way."""

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs:ray")

import ray

from tests.command import vidi
from tests.counts import count
from tests.draw import draw, encoded
from tests.training.examples import KINDS, drawn_data, small_recipe
from vidi.distributed import train
from vidi.distributed.processes import Look, ProcessTrainer
from vidi.distributed.train import RayCrew
from vidi.distributed.tune import RayTrials
from vidi.training.loop.context import TrainingContext
from vidi.training.train import TrainedNetwork, train_network
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.requests.tune import TuneRequest
from vidi.workflows.tune import tune
from vidi.workflows.tuning.at_once import TrialOrder

pytestmark = pytest.mark.slow  # starts a cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of three nodes, one core each, on this computer."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(2):
        made.add_node(num_cpus=1)
    try:
        yield made
    finally:
        made.shutdown()


@pytest.fixture
def connected(cluster: Any) -> Iterator[None]:
    """This process, connected to the cluster."""
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    yield
    ray.shutdown()


def trained(folder: Path, trainer: Any, *, epochs: int = 3) -> TrainedNetwork:
    """Steps that are gentle enough that rounding stays rounding."""
    recipe = small_recipe(epochs=epochs, batch=10, learning_rate=0.06 / epochs)
    return train_network(drawn_data(), recipe, folder=folder, trainer=trainer)


class Killing(RayCrew):
    """Real processes, of which one is killed as soon as they begin, then one whenever a checkpoint has come."""

    def __init__(self, *given: Any, kills: int) -> None:
        super().__init__(*given)
        self.kills, self._random, self._is_new = kills, random.Random(0), True

    def start(self, context: TrainingContext, checkpoint: bytes) -> int:
        size = super().start(context, checkpoint)
        if self._is_new:
            self._is_new = False
            self._kill()
        return size

    def look(self, seconds: float) -> Look:
        look = super().look(0.05 if self.kills else seconds)
        if self.kills and look.told.checkpoint is not None and look.end is None:
            self._kill()
        return look

    def _kill(self) -> None:
        self.kills -= 1
        ray.kill(self._random.choice(self._actors))


@pytest.mark.fault
@pytest.mark.timeout(1200)  # in `make soak` ten times
def test_processes_that_are_killed_change_nothing_in_the_network(connected: None, tmp_path: Path):
    said: list[str] = []
    kills = count(small=1, faults=3, soak=10)
    epochs = 3 if kills == 1 else 50 * kills  # long enough for all of them
    networks = []
    for crew in (Killing(ray, 2, kills=kills), RayCrew(ray, 2)):
        try:
            trainer = ProcessTrainer(crew=crew, say=said.append)
            networks.append(trained(tmp_path / type(crew).__name__, trainer, epochs=epochs).network.state_dict())
        finally:
            crew.end()
        assert not getattr(crew, "kills", 0)

    broken, unbroken = networks
    for name, tensor in unbroken.items():
        np.testing.assert_array_equal(broken[name], tensor, err_msg=name)
    assert said[0] == "training by 2 processes"
    assert sum("all begin again from the last checkpoint" in one for one in said) == kills


class Hanging(RayCrew):
    """One of its first processes is stopped; then the clock jumps."""

    now = 0.0
    hangs = True

    def start(self, context: TrainingContext, checkpoint: bytes) -> int:
        size = super().start(context, checkpoint)
        if self.hangs:
            os.kill(ray.get(self._actors[1].__ray_call__.remote(lambda _: os.getpid())), signal.SIGSTOP)
        return size

    def look(self, seconds: float) -> Look:
        self.now += 1000.0 if self.hangs else 0.0
        return super().look(seconds)

    def find_hanging(self) -> str:
        self.hangs = False
        return super().find_hanging()


@pytest.mark.fault
def test_a_process_that_hangs_is_named_and_replaced(connected: None, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(train, "ANSWER_SECONDS", 2.0)
    said: list[str] = []
    crew = Hanging(ray, 2)
    try:
        trainer = ProcessTrainer(crew=crew, say=said.append, clock=lambda: crew.now, patience=900.0)
        together = trained(tmp_path / "together", trainer)
    finally:
        crew.end()

    assert together.stopped_by == "plan"
    assert said[1:] == ["no step in 900 s (process 2 of 2 hangs); all begin again from the last checkpoint"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn images."""
    root = tmp_path_factory.mktemp("photos")
    for kind in KINDS:
        (root / "photos" / kind).mkdir(parents=True)
        for seed in range(20):
            (root / "photos" / kind / f"{seed:02}.png").write_bytes(encoded(draw(kind, size=(16, 16), seed=seed)))
    return root


class Disturbed(RayTrials):
    """The worker of the first trial is killed, that of the second stopped; then the clock jumps."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given, patience=900.0, clock=lambda: self.now)
        self.now, self.begun, self.answers = 0.0, 0, 0

    def start(self, order: TrialOrder) -> Any:
        running = super().start(order)
        worker = self._attempts[running].worker
        self.begun += 1
        if self.begun == 1:
            ray.kill(worker)
        if self.begun == 2:
            os.kill(ray.get(worker.__ray_call__.remote(lambda _: os.getpid())), signal.SIGSTOP)
        return running

    def room(self) -> int:
        return 2

    def look(self, running: Any, seconds: float) -> Any:
        seen = super().look(running, seconds)
        if self.begun == 3 and not self.now and any(one.outcome for one in seen.values()):
            self.now = 1000.0
        return seen


@pytest.mark.fault
def test_trials_whose_workers_are_lost_are_failed_and_tried_again(connected: None, photos: Path, monkeypatch):
    monkeypatch.chdir(photos)
    trials = Disturbed(ray)
    changes = {"options.width": 0.25, "epochs": 2, "precision": "float32", "image_size": (16, 16), "batch": 16}
    training = TrainRequest(data=DataRequest(source="photos"), changes=changes, output=Path("tuned"), minutes=60.0)
    try:
        tuned = tune(TuneRequest(training=training, trials=3, trial_minutes=5.0), crew=trials)
    finally:
        trials.end()

    rows = tuned.document["trials"]
    lost = [row["values"] for row in rows if row["state"] == "interrupted"]
    done = [row["values"] for row in rows if row["state"] == "done"]
    assert tuned.is_finished
    assert (len(lost), len(done)) == (2, 3)
    assert all(values in done for values in lost)
    assert (photos / "tuned" / "recipe.toml").exists()


WORDS = ("train", "photos", "--pretrained", "none", "--epochs", "2", "--imgsz", "16", "--set", "options.width=0.25")


def test_the_command_writes_a_tested_model_file(photos: Path, monkeypatch):
    monkeypatch.setenv("VIDI_CORES", "2")
    done = vidi(*WORDS, "--ray", "local", "--processes", "2", "-o", "run", folder=photos)
    more = vidi(*WORDS, "--ray", "local", "--processes", "9", "-o", "other", folder=photos)

    assert done.returncode == 0, done.stderr
    assert "Ray: 2 cores on 1 node" in done.stderr
    assert "training by 2 processes" in done.stderr
    assert (photos / "run" / "model.onnx").exists()
    assert (photos / "run" / "report.html").exists()
    assert len((photos / "run" / "results.csv").read_text().splitlines()) == 3
    assert more.returncode == 2
    assert "--processes 9, but this computer has 2 cores" in more.stderr
    assert not (photos / "other").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ray", "local"), "--ray without a number of processes"),
        (("--processes", "2"), "--processes without a cluster"),
        (("--ray", "local", "--processes", "0"), "0 is not in the range"),
        (("--ray", "local", "--preview", "sheet.png"), "--ray beside --preview"),
        (("--processes", "2", "--find-lr", "rates.svg"), "--processes beside --find-lr"),
    ],
)
def test_what_processes_cannot_do_is_refused(photos: Path, words: tuple[str, ...], said: str):
    done = vidi(*WORDS, *words, "-o", "refused", folder=photos)

    assert done.returncode == 2
    assert said in done.stderr
    assert not (photos / "refused").exists()
