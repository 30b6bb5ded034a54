"""Predictions on a real Ray cluster of several nodes: the rows of one computer, whatever is killed half-way."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="needs:ray")

import ray

from tests.command import vidi
from tests.counts import count
from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from vidi.data.inputs import FoundInputs, find_paths
from vidi.distributed import predict
from vidi.distributed.cluster import RayWorkers
from vidi.distributed.predict import AnswerOptions, answerer
from vidi.distributed.shards import ShardFolder, plan_of
from vidi.images.decode import DEFAULT
from vidi.prediction.answer_lines import encode_answers
from vidi.prediction.predictor import Predictor

pytestmark = pytest.mark.slow  # starts a cluster
IMAGES = 48
IN_SHARD = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file, images, and a file that is none."""
    root = tmp_path_factory.mktemp("ray")
    tiny_model(root / "model.onnx")
    (root / "images").mkdir()
    for number in range(IMAGES):
        (root / "images" / f"{number:03}.png").write_bytes(encoded(draw("disc", seed=number)))
    (root / "images" / "broken.png").write_bytes(b"nothing")
    return root


def test_the_rows_are_those_of_one_computer(folder: Path, monkeypatch):
    monkeypatch.setattr(predict, "IMAGES_IN_SHARD", IN_SHARD)
    plain = vidi("predict", "model.onnx", "images", "--jsonl", "--output", "plain.jsonl", folder=folder)
    spread = vidi(
        "predict", "model.onnx", "images", "--jsonl", "--output", "ray.jsonl", "--ray", "local", "--shards", "parts",
        folder=folder,
    )  # fmt: skip

    assert plain.returncode == spread.returncode == 6, spread.stderr
    assert (folder / "ray.jsonl").read_bytes() == (folder / "plain.jsonl").read_bytes()
    assert "Ray: " in spread.stderr
    assert len(list((folder / "parts").rglob("shard-*"))) == -(-(IMAGES + 1) // IN_SHARD)
    changed = vidi("predict", "model.onnx", "images/000.png", "--ray", "local", "--shards", "parts", folder=folder)
    assert changed.returncode == 2
    assert "other work" in changed.stderr


@pytest.mark.fault
def test_a_cluster_that_is_not_there_is_an_error_in_plain_words(folder: Path):
    done = vidi("predict", "model.onnx", "images", "--ray", "127.0.0.1:9", folder=folder)

    assert done.returncode == 5
    assert "no Ray cluster answers at 127.0.0.1:9" in done.stderr


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of three nodes, one core each, on this computer."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(2):
        made.add_node(num_cpus=1)
    made.connect()
    try:
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


class Disturbed(RayWorkers):
    """Real workers, of which some are killed, or their node is, right after they were given a shard."""

    def __init__(self, *given: Any, kills: int, cluster: Any = None) -> None:
        super().__init__(*given)
        self.kills, self._cluster = kills, cluster
        self._random = random.Random(0)

    def submit(self, worker: Any, task: Any) -> Any:
        running = super().submit(worker, task)
        if self.kills and self._random.random() < 0.5:
            self.kills -= 1
            if self._cluster is not None:
                self._cluster.remove_node(self._cluster.add_node(num_cpus=1))
                self._cluster.remove_node(sorted(self._cluster.worker_nodes, key=id)[0])
                self._cluster.add_node(num_cpus=1)
            else:
                ray.kill(worker)
        return running


def answered(folder: Path, target: Path, workers: Any, monkeypatch) -> tuple[bytes, bytes]:
    """The answers of the cluster and those of this process, as bytes."""
    monkeypatch.setattr(predict, "IMAGES_IN_SHARD", IN_SHARD)
    predictor = Predictor.load(folder / "model.onnx")
    found: list[FoundInputs] = find_paths([str(folder / "images")])
    store = ShardFolder(target, plan_of({}))
    spread = predict.answers_of(found[0], found, predictor, workers, store, say=lambda _: None, patience=120)
    plain = predictor.predict_files(found[0].paths, store=found[0].store)
    return encode_answers(spread), encode_answers(plain)


@pytest.mark.fault
def test_workers_that_are_killed_lose_no_row_and_double_none(folder: Path, cluster: Any, tmp_path: Path, monkeypatch):
    model = (folder / "model.onnx").read_bytes()
    for number in range(count(small=1, faults=2, soak=10)):
        workers = Disturbed(ray, answerer, model, AnswerOptions(DEFAULT), kills=5)
        spread, plain = answered(folder, tmp_path / str(number), workers, monkeypatch)

        assert spread == plain
        assert workers.kills == 0


@pytest.mark.fault
def test_a_node_that_is_lost_loses_no_row(folder: Path, cluster: Any, tmp_path: Path, monkeypatch):
    model = (folder / "model.onnx").read_bytes()
    workers = Disturbed(ray, answerer, model, AnswerOptions(DEFAULT), kills=1, cluster=cluster)
    spread, plain = answered(folder, tmp_path / "parts", workers, monkeypatch)

    assert spread == plain
    assert workers.kills == 0


@pytest.mark.fault
def test_a_worker_that_hangs_is_told_and_replaced(folder: Path, cluster: Any, tmp_path: Path):
    hour, gone = 3600.0, threading.Event()

    class Hanging(RayWorkers):
        """Its first task never ends; then the clock jumps."""

        now, hangs = 0.0, True

        def submit(self, worker: Any, task: Any) -> Any:
            if self.hangs:  # the worker's first one; it has the next one behind it
                self.hangs = False
                return ray.remote(num_cpus=0)(never_ends).remote()
            return super().submit(worker, task)

        def wait(self, running: Any, seconds: float) -> Any:
            if not gone.is_set():
                gone.set()
                self.now += 2 * hour
            return super().wait(running, seconds)

    said: list[str] = []
    predictor = Predictor.load(folder / "model.onnx")
    found = find_paths([str(folder / "images")])
    workers = Hanging(ray, answerer, (folder / "model.onnx").read_bytes(), AnswerOptions(DEFAULT))
    store = ShardFolder(tmp_path / "parts", plan_of({}))
    answers = predict.answers_of(
        found[0], found, predictor, workers, store, say=said.append, patience=hour, clock=lambda: workers.now
    )

    assert len(list(answers)) == len(found[0].paths)
    assert set(said) == {"a worker gave no answer for 3600 s; its images are given to another one"}


def never_ends() -> None:
    """What a worker does that hangs."""
    threading.Event().wait()
