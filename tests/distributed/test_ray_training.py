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
from tests.distributed.on_ray import SOON_MISSED, Disturbed, cluster_of
from tests.draw import draw, encoded
from tests.training.examples import KINDS, drawn_data, small_recipe
from vidi.distributed import cluster as clusters
from vidi.distributed import features, train
from vidi.distributed.processes import Look, ProcessTrainer
from vidi.distributed.train import RayCrew
from vidi.distributed.tune import RayTrials
from vidi.errors import ResourceError
from vidi.prediction.predictor import Predictor
from vidi.training.heads.features import BATCH
from vidi.training.loop.checkpoint import read_checkpoint
from vidi.training.loop.context import TrainingContext
from vidi.training.train import TrainedNetwork, train_here, train_network
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.requests.tune import TuneRequest
from vidi.workflows.tune import tune
from vidi.workflows.tuning.at_once import TrialOrder

pytestmark = pytest.mark.slow  # starts a cluster
HOURS = 4 * 3600.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of three nodes, one core each, on this computer."""
    with cluster_of(3) as made:
        yield made


@pytest.fixture
def connected(cluster: Any) -> Iterator[None]:
    """This process, connected to the cluster."""
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    yield
    ray.shutdown()


def trained(folder: Path, trainer: Any, *, epochs: int = 3, rate: float = 0.06) -> TrainedNetwork:
    """Steps that are gentle enough that rounding stays rounding."""
    recipe = small_recipe(epochs=epochs, batch=10, learning_rate=rate / epochs)
    return train_network(drawn_data(), recipe, folder=folder, trainer=trainer)


class Killing(RayCrew):
    """Real processes, of which one is killed as soon as they begin, then one whenever a checkpoint has come."""

    def __init__(self, *given: Any, kills: int, patience: float) -> None:
        super().__init__(*given, patience=patience)
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
@pytest.mark.timeout(count(small=1200, soak=7200))
def test_processes_that_are_killed_change_nothing_in_the_network(connected: None, tmp_path: Path):
    said: list[str] = []
    kills = count(small=1, faults=3, soak=10)
    epochs = 3 if kills == 1 else 50 * kills  # long enough for all of them
    networks = []
    for crew in (Killing(ray, 2, kills=kills, patience=HOURS), RayCrew(ray, 2, patience=HOURS)):
        try:
            trainer = ProcessTrainer(crew=crew, say=said.append, patience=HOURS)
            networks.append(trained(tmp_path / type(crew).__name__, trainer, epochs=epochs).network.state_dict())
        finally:
            crew.end()
        assert not getattr(crew, "kills", 0)

    broken, unbroken = networks
    for name, tensor in unbroken.items():
        np.testing.assert_array_equal(broken[name], tensor, err_msg=name)
    assert said[0] == "training by 2 processes"
    assert sum("all begin again from the last checkpoint" in one for one in said) == kills


class LosingANode(RayCrew):
    """Real processes on two nodes, of which one goes for good as soon as a checkpoint has come."""

    def __init__(self, *given: Any, cluster: Any) -> None:
        super().__init__(*given)
        self.cluster, self.sizes = cluster, list[int]()

    def start(self, context: TrainingContext, checkpoint: bytes) -> int:
        self.sizes.append(super().start(context, checkpoint))
        return self.sizes[-1]

    def look(self, seconds: float) -> Look:
        look = super().look(0.05)
        if look.told.checkpoint is not None and look.end is None and self.cluster.worker_nodes:
            self.cluster.remove_node(next(iter(self.cluster.worker_nodes)), allow_graceful=False)
        return look


def weights_at_the_end(folder: Path) -> np.ndarray:
    """All weights of a finished training, in a row."""
    tensors = read_checkpoint(folder).tensors
    return np.concatenate([tensors[name].ravel() for name in sorted(tensors) if name.startswith("network/")])


@pytest.mark.fault
@pytest.mark.timeout(300)
def test_a_node_that_is_lost_for_good_leaves_the_training_to_the_others(tmp_path: Path):
    said: list[str] = []
    # Steps so small that a maximum that rounding decides moves the end by 0.01 % of the way, seen with such noise.
    steps = {"epochs": 40, "rate": 0.02}
    with cluster_of(2, health=SOON_MISSED) as own:
        ray.init(address=own.address, log_to_driver=False, configure_logging=False)
        crew = LosingANode(ray, 2, cluster=own)
        try:
            together = trained(tmp_path / "together", ProcessTrainer(crew=crew, say=said.append), **steps)
        finally:
            crew.end()
            ray.shutdown()
    trained(tmp_path / "alone", train_here, **steps)
    trained(tmp_path / "begun", lambda state, *_: setattr(state, "stopped_by", "user"), **steps)

    begin, alone, end = (weights_at_the_end(tmp_path / name) for name in ("begun", "alone", "together"))
    assert together.stopped_by == "plan"
    assert (crew.sizes[0], crew.sizes[-1]) == (2, 1)
    assert any("all begin again from the last checkpoint" in one for one in said)
    assert said[-1] == "training by 1 process"
    assert np.linalg.norm(end - alone) < 0.01 * np.linalg.norm(alone - begin)


class OnNoComputer:
    """A Ray whose cluster has lost every computer."""

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": False, "Resources": {}}]


@pytest.mark.fault
def test_a_cluster_without_a_computer_ends_the_run_with_how_to_go_on(tmp_path: Path):
    with pytest.raises(ResourceError, match="no computer of the Ray cluster is left") as raised:
        trained(tmp_path, ProcessTrainer(crew=RayCrew(OnNoComputer(), 2), say=str))

    assert raised.value.exit_code == 5
    assert "vidi train --resume RUN, with any --processes" in raised.value.remedy


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


class DisturbedTrials(RayTrials):
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
    trials = DisturbedTrials(ray)
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


@pytest.mark.fault
def test_a_head_on_features_of_workers_that_are_killed_is_that_of_one_computer(cluster: Any, photos: Path, monkeypatch):
    made = list[Disturbed]()

    def workers(*given: Any) -> Disturbed:
        made.append(Disturbed(*given, kills=1, every=1))
        return made[-1]

    monkeypatch.setattr(clusters, "RayWorkers", workers)
    monkeypatch.setattr(features, "IMAGES_IN_SHARD", BATCH)  # no other batches than without workers
    monkeypatch.setenv("VIDI_CORES", "1")  # as each worker has: more threads change the last digits
    words = ("train", "photos", "--pretrained", "lite0", "--freeze", "--imgsz", "32", "--set", "features=onnxruntime")
    plain = vidi(*words, "-o", "plain", folder=photos)
    monkeypatch.setenv("VIDI_CACHE", str(photos / "cache"))  # without the features that are known now
    spread = vidi(*words, "-o", "spread", "--ray", cluster.address, folder=photos)

    assert plain.returncode == spread.returncode == 0, spread.stderr
    assert "its images are given to another one" in spread.stderr
    assert [one.kills for one in made] == [0] * len(made)
    assert made
    one, other = (Predictor.load(photos / name / "model.onnx").metadata.weights_digest for name in ("plain", "spread"))
    assert one == other


def test_what_ray_prints_does_not_mix_with_what_a_command_writes(cluster: Any, capsys: pytest.CaptureFixture[str]):
    with clusters.connected(cluster.address, say=str):
        ray._private.worker.print_to_stdstream(
            {"lines": ["a node is gone"], "pid": "raylet", "is_err": False}, ignore_prefix=False
        )
    written = capsys.readouterr()

    assert written.out == ""
    assert "a node is gone" in written.err


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
        (("--ray", "local", "--processes", "0"), "--processes 0 is not allowed"),
        (("--ray", "local", "--preview", "sheet.png"), "--ray beside --preview"),
        (("--processes", "2", "--find-lr", "rates.svg"), "--processes beside --find-lr"),
    ],
)
def test_what_processes_cannot_do_is_refused(photos: Path, words: tuple[str, ...], said: str):
    done = vidi(*WORDS, *words, "-o", "refused", folder=photos)

    assert done.returncode == 2
    assert said in done.stderr
    assert not (photos / "refused").exists()
