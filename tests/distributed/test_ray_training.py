"""Training and tuning on a real Ray cluster of several nodes: what one computer gives, whatever is killed half-way."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="needs:ray")

import ray

from tests.command import vidi
from tests.distributed.on_ray import cluster_of, dying, kills
from tests.draw import draw, encoded
from tests.training.examples import KINDS
from vidi.distributed import cluster as clusters
from vidi.distributed import features
from vidi.distributed import tune as trials
from vidi.distributed.cluster import RayShards
from vidi.distributed.tune import RayTrials
from vidi.prediction.predictor import Predictor
from vidi.training.heads.features import BATCH
from vidi.training.tuning.trial import Outcome
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest, TuneRequest
from vidi.workflows.tune import tune

pytestmark = pytest.mark.integration  # starts a cluster
TRY_THERE = trials.try_there


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


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn images."""
    root = tmp_path_factory.mktemp("photos")
    for kind in KINDS:
        (root / "photos" / kind).mkdir(parents=True)
        for seed in range(20):
            (root / "photos" / kind / f"{seed:02}.png").write_bytes(encoded(draw(kind, size=(16, 16), seed=seed)))
    return root


def disturbed(pid: Path) -> Callable[..., Outcome]:
    """Trials of which the first one's process is killed, the second one's stopped for ever; it is noted in a file."""

    def try_there(board: Any, number: int, *data: Any, **given: Any) -> Outcome:
        if number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 1:
            pid.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGSTOP)
        return TRY_THERE(board, number, *data, **given)

    return try_there


class DisturbedTrials(RayTrials):
    """The worker of the first trial is killed, that of the second stopped; once a third has ended the clock jumps."""

    def __init__(self) -> None:
        super().__init__(lambda: ray, patience=900.0, clock=lambda: self.now)
        self.now = 0.0

    def room(self) -> int:
        return 2

    def __call__(self, *given: Any, **named: Any) -> Outcome:
        outcome = super().__call__(*given, **named)
        self.now = 1000.0
        return outcome


@pytest.mark.fault
def test_trials_whose_workers_are_lost_are_failed_and_tried_again(
    connected: None, photos: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.chdir(photos)
    monkeypatch.setattr(trials, "try_there", disturbed(tmp_path / "pid"))
    changes = {"options.width": 0.25, "epochs": 2, "precision": "float32", "image_size": (16, 16), "batch": 16}
    training = TrainRequest(data=DataRequest(source="photos"), changes=changes, output=Path("tuned"), minutes=60.0)
    tuned = tune(TuneRequest(training=training, trials=3, trial_minutes=5.0), cluster=DisturbedTrials())

    rows = tuned.document["trials"]
    lost = [row["values"] for row in rows if row["state"] == "interrupted"]
    done = [row["values"] for row in rows if row["state"] == "done"]
    assert tuned.is_finished
    assert (len(lost), len(done)) == (2, 3)
    assert all(values in done for values in lost)
    assert (photos / "tuned" / "recipe.toml").exists()
    with contextlib.suppress(ProcessLookupError):  # a stopped process cannot end by itself
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.fault
def test_a_head_on_features_of_workers_that_are_killed_is_that_of_one_computer(
    cluster: Any, photos: Path, tmp_path: Path, monkeypatch
):
    def shards(connect: Any, *given: Any) -> RayShards:
        return RayShards(connect, dying, tmp_path, 1, 1, *given)

    monkeypatch.setattr(clusters, "RayShards", shards)
    monkeypatch.setattr(features, "IMAGES_IN_SHARD", BATCH)  # no other batches than without workers
    monkeypatch.setenv("VIDI_CORES", "1")  # as each worker has: more threads change the last digits
    words = ("train", "photos", "--pretrained", "lite0", "--freeze", "--imgsz", "32", "--set", "features=onnxruntime")
    plain = vidi(*words, "-o", "plain", folder=photos)
    monkeypatch.setenv("VIDI_CACHE", str(photos / "cache"))  # without the features that are known now
    spread = vidi(*words, "-o", "spread", "--ray", cluster.address, folder=photos)

    assert plain.returncode == spread.returncode == 0, spread.stderr
    assert kills(tmp_path) == 1
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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--ray computes the features of pretrained networks, and this run needs none"),
        (("--preview", "sheet.png"), "--ray beside --preview"),
    ],
)
def test_what_a_cluster_has_no_part_in_is_refused(photos: Path, words: tuple[str, ...], said: str):
    small = ("--epochs", "2", "--imgsz", "16", "--set", "options.width=0.25")
    done = vidi(
        "train", "photos", "--pretrained", "none", *small, "--ray", "local", *words, "-o", "refused", folder=photos
    )

    assert done.returncode == 2
    assert said in done.stderr
    assert not (photos / "refused").exists()
