"""Training on a real Ray cluster of several nodes: what one computer gives, whatever is killed half-way."""

from collections.abc import Iterator
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
from vidi.distributed.cluster import RayShards
from vidi.prediction.predictor import Predictor
from vidi.training.heads.features import BATCH

pytestmark = pytest.mark.integration  # starts a cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of three nodes, one core each, on this computer."""
    with cluster_of(3) as made:
        yield made


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn images."""
    root = tmp_path_factory.mktemp("photos")
    for kind in KINDS:
        (root / "photos" / kind).mkdir(parents=True)
        for seed in range(20):
            (root / "photos" / kind / f"{seed:02}.png").write_bytes(encoded(draw(kind, size=(16, 16), seed=seed)))
    return root


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
