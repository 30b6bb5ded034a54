"""Predictions on a real Ray cluster of several nodes: the rows of one computer, whatever is killed half-way."""

import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs:ray")

import ray

from tests.command import vidi
from tests.counts import count
from tests.distributed.here import Here
from tests.distributed.on_ray import LosingANode, claimed, cluster_of, dying, kills
from tests.distributed.test_features import given_of, wanted_of
from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from vidi.data.inputs import FoundInputs, find_paths
from vidi.distributed import features, predict
from vidi.distributed.cluster import AHEAD, RayShards, check_versions
from vidi.distributed.predict import AnswerOptions, answerer, encode_answers
from vidi.distributed.shards import Shard, Work, installed_versions
from vidi.errors import ResourceError
from vidi.images.decode import DEFAULT
from vidi.images.store import GivenFilesStore, ImageStore
from vidi.prediction.predictor import Predictor

pytestmark = pytest.mark.integration  # starts a cluster
IMAGES = 48
IN_SHARD = 4
STORE_BYTES = 100 << 20  # of the head's object store


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


def test_the_rows_are_those_of_one_computer(folder: Path, monkeypatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setattr(predict, "IMAGES_IN_SHARD", IN_SHARD)
    plain = vidi("predict", "model.onnx", "images", "--jsonl", "--output", "plain.jsonl", folder=folder)
    spread = vidi(
        "predict", "model.onnx", "images", "--jsonl", "--output", "ray.jsonl", "--ray", "local",
        folder=folder,
    )  # fmt: skip

    assert plain.returncode == spread.returncode == 6, spread.stderr
    assert (folder / "ray.jsonl").read_bytes() == (folder / "plain.jsonl").read_bytes()
    assert "Ray: " in spread.stderr
    assert not caplog.records  # Ray would describe there how its own cluster is protected
    assert not (folder / "ray.jsonl.shards").exists()
    (folder / "ray.jsonl.shards").mkdir()
    (folder / "ray.jsonl.shards" / "plan.json").write_text("of other images")
    words = ("--jsonl", "--output", "ray.jsonl", "--ray", "local")
    changed = vidi("predict", "model.onnx", "images/000.png", *words, folder=folder)
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
    with cluster_of(3, object_store_memory=STORE_BYTES) as made:
        made.connect()
        yield made
        ray.shutdown()


def given_of_model(folder: Path) -> tuple[bytes, AnswerOptions]:
    """What a worker is given, besides the paths."""
    return (folder / "model.onnx").read_bytes(), AnswerOptions(DEFAULT)


def linked(folder: Path, target: Path, images: int) -> Path:
    """A folder of many images, all of them links to a few."""
    target.mkdir()
    names = sorted((folder / "images").iterdir())
    for number in range(images):
        os.link(names[number % len(names)], target / f"{number:06}.png")
    return target


def answered(
    folder: Path, target: Path, work: Any, monkeypatch, *, images: str = "images", in_shard: int = IN_SHARD
) -> tuple[bytes, bytes]:
    """The answers of the cluster and those of this process, as bytes."""
    monkeypatch.setattr(predict, "IMAGES_IN_SHARD", in_shard)
    predictor = Predictor.load(folder / "model.onnx")
    found: list[FoundInputs] = find_paths([str(folder / images)])
    spread = predict.answers_of(found[0], predictor, work, target, say=lambda _: None, patience=120)
    plain = predictor.predict_files(found[0].paths, store=found[0].store)
    return encode_answers(spread), encode_answers(plain)


@pytest.mark.timeout(count(small=300, soak=3600))
@pytest.mark.fault
def test_workers_that_are_killed_lose_no_row_and_double_none(folder: Path, cluster: Any, tmp_path: Path, monkeypatch):
    images = count(small=IMAGES, faults=1_000, soak=100_000)
    wanted = count(small=5, faults=10, soak=50)
    in_shard = max(IN_SHARD, min(256, images // (10 * wanted)))  # no shard is lost so often that it is given up
    many = linked(folder, tmp_path / "many", images)
    (flags := tmp_path / "flags").mkdir()
    given = (flags, wanted, max(2, images // in_shard // wanted), answerer, *given_of_model(folder))
    work = RayShards(lambda: ray, dying, *given)
    spread, plain = answered(folder, tmp_path / "parts", work, monkeypatch, images=str(many), in_shard=in_shard)

    assert spread == plain
    assert kills(flags) == wanted


@pytest.mark.fault
def test_a_node_that_is_lost_loses_no_row(folder: Path, cluster: Any, tmp_path: Path, monkeypatch):
    work = LosingANode(lambda: ray, answerer, *given_of_model(folder), cluster=cluster)
    spread, plain = answered(folder, tmp_path / "parts", work, monkeypatch)

    assert spread == plain
    assert work.begun > 2


@pytest.mark.fault
def test_features_of_workers_that_are_killed_are_those_of_one_computer(cluster: Any, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(features, "IMAGES_IN_SHARD", 2)
    monkeypatch.setenv("VIDI_CORES", "1")  # as each worker has: more threads change the last digits
    wanted, done = wanted_of(tmp_path), list[int]()
    (flags := tmp_path / "flags").mkdir()
    work = RayShards(lambda: ray, dying, flags, 2, 2, features.embedder, *given_of(wanted))
    spread = features.features_by(work, wanted, lambda rows, _: done.append(rows), say=str)
    plain = features.features_by(Here(features.embedder(*given_of(wanted))), wanted, None, say=str)

    assert sha256(spread.tobytes()).digest() == sha256(plain.tobytes()).digest()
    assert len(np.unique(spread, axis=0)) == len(wanted.rows)  # so that no row can stand for another
    assert done == [2, 4, 6, 8, 9]
    assert kills(flags) == 2


def hanging(flag: Path, make: Callable[..., Work], *given: Any) -> Work:
    """Work of which the first shard never ends."""
    work = make(*given)

    def do(store: ImageStore, paths: Sequence[str]) -> bytes:
        if claimed(flag):
            threading.Event().wait()
        return work(store, paths)

    return do


@pytest.mark.fault
def test_a_worker_that_hangs_is_told_and_replaced(folder: Path, cluster: Any, tmp_path: Path):
    hour, flag, said = 3600.0, tmp_path / "hangs", list[str]()

    class Jumping(RayShards):
        """The clock jumps once, when the first shard hangs."""

        now = 0.0

        def wait(self, running: Any, seconds: float) -> Any:
            done = super().wait(running, seconds)
            if flag.exists() and not done and not said:
                self.now = 2 * hour
            return done

    predictor = Predictor.load(folder / "model.onnx")
    found = find_paths([str(folder / "images")])
    work = Jumping(lambda: ray, hanging, flag, answerer, *given_of_model(folder))
    answers = predict.answers_of(
        found[0], predictor, work, tmp_path / "parts", say=said.append, patience=hour, clock=lambda: work.now
    )

    assert len(list(answers)) == len(found[0].paths)
    assert said == ["no answer for 3600 s; the images are given to other workers"]


@pytest.mark.fault
def test_a_full_object_store_costs_no_row(folder: Path, cluster: Any, tmp_path: Path, monkeypatch):
    held = [ray.put(bytes(STORE_BYTES * 3 // 4)) for _ in range(2)]  # more than it holds; the answers come on top
    work = RayShards(lambda: ray, answerer, *given_of_model(folder))
    spread, plain = answered(folder, tmp_path / "parts", work, monkeypatch)

    assert spread == plain
    assert len(held) == 2


@pytest.mark.fault
def test_a_node_with_other_versions_is_refused_by_name(cluster: Any):
    nodes = [one["NodeID"] for one in ray.nodes() if one["Alive"]]
    check_versions(ray, nodes, installed_versions())

    with pytest.raises(ResourceError, match=rf"the node {platform.node()} has vidi .* instead of 0\.0"):
        check_versions(ray, nodes, {**installed_versions(), "vidi": "0.0"})


@pytest.mark.fault
def test_a_worker_with_other_versions_answers_nothing(cluster: Any, monkeypatch, tmp_path: Path):
    monkeypatch.setattr("vidi.distributed.cluster.installed_versions", lambda: {"vidi": "0.0"})
    work = RayShards(lambda: ray, answerer, b"", AnswerOptions(DEFAULT))

    with pytest.raises(ResourceError, match=r"instead of 0\.0: its answers could differ"):
        work.result(work.start(Shard(GivenFilesStore(), [])))


@pytest.mark.fault
def test_another_version_of_ray_is_refused_by_name(folder: Path, cluster: Any):
    code = (
        "import ray, sys; ray.__version__ = '1.0.0'; from vidi.cli.app import main;"
        f"sys.argv = ['vidi', 'predict', 'model.onnx', 'images', '--ray', '{cluster.address}']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 5, done.stderr
    assert "has other versions: Version mismatch" in done.stderr
    assert "Ray: 1.0.0" in done.stderr


@pytest.mark.fault
def test_a_head_that_dies_is_said_with_how_to_go_on(folder: Path, tmp_path: Path):
    from ray.cluster_utils import Cluster

    many = linked(folder, tmp_path / "many", 256 * (AHEAD + 16))  # more than can be done before rows are taken
    own = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    words = ["predict", "model.onnx", str(many), "--jsonl", "--ray", own.address, "--output", str(tmp_path / "out")]
    with subprocess.Popen(
        [sys.executable, "-m", "vidi", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while not list((tmp_path / "out.shards").rglob("shard-*")) and process.poll() is None:
            threading.Event().wait(0.1)
        own.remove_node(own.head_node, allow_graceful=False)
        _, said = process.communicate()
    own.shutdown()

    assert process.returncode == 5, said
    assert b"the head of the Ray cluster" in said
    assert b"the same command with --output FILE" in said
    assert list((tmp_path / "out.shards").rglob("shard-*"))


def test_nothing_to_answer_starts_no_cluster(folder: Path):
    plain = vidi("predict", "model.onnx", "none.png", folder=folder)
    spread = vidi("predict", "model.onnx", "none.png", "--ray", "127.0.0.1:9", folder=folder)

    assert (spread.returncode, spread.stdout, spread.stderr) == (plain.returncode, plain.stdout, plain.stderr)


def test_an_image_that_has_changed_is_answered_again(folder: Path, tmp_path: Path, monkeypatch):
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(encoded(draw("disc", seed=number)))
    workers = [Here(answerer(*given_of_model(folder))) for _ in range(2)]
    target = folder / "parts-of-six"
    answered(folder, target, workers[0], monkeypatch, images=str(tmp_path), in_shard=2)

    (tmp_path / "3.png").write_bytes(encoded(draw("square", seed=77)))
    spread, plain = answered(folder, target, workers[1], monkeypatch, images=str(tmp_path), in_shard=2)

    assert spread == plain
    assert [one.done for one in workers] == [3, 1]
