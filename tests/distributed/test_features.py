"""Features of a pretrained network by workers are those of one computer."""

from pathlib import Path

import numpy as np
import pytest

from tests.command import vidi
from tests.distributed.here import Here, work_here
from tests.draw import class_folders, draw, encoded
from vidi.distributed import features
from vidi.errors import ResourceError
from vidi.images.decode import DEFAULT
from vidi.images.framing import Framing
from vidi.images.pool import DecodeJob, read_images
from vidi.images.store import FolderStore
from vidi.networks.build import build_network
from vidi.training.heads.features import WantedFeatures, embed_here
from vidi.training.loop.objective import InputNormalisation

FRAMING = Framing(size=(32, 32), mode="stretch")


def wanted_of(folder: Path) -> WantedFeatures:
    """Ten images, of which nine are wanted, in another order."""
    for number in range(10):
        (folder / f"{number}.png").write_bytes(encoded(draw("disc", seed=number)))
    store, paths = FolderStore(folder), [f"{number}.png" for number in range(10)]
    images = [read.pixels() for read in read_images(store, paths, DecodeJob(framing=FRAMING), isolated=False)]
    return WantedFeatures(
        network=build_network("compact", image_size=FRAMING.size, class_count=2).eval(),
        normalisation=InputNormalisation((127.0,) * 3, (64.0,) * 3),
        engine="onnxruntime",
        images=np.stack(images),
        rows=np.array([9, 1, 2, 3, 4, 5, 6, 7, 0]),
        store=store,
        paths=paths,
        framing=FRAMING,
        decoding=DEFAULT,
    )


def given_of(wanted: WantedFeatures) -> tuple[object, ...]:
    """What a worker is given, besides the paths."""
    return (wanted.network, wanted.normalisation, wanted.engine, wanted.framing, wanted.decoding)


def work_of(wanted: WantedFeatures) -> Here:
    return Here(features.embedder(*given_of(wanted)))


def test_features_by_shards_are_those_of_one_computer(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(features, "IMAGES_IN_SHARD", 4)
    wanted, told = wanted_of(tmp_path), []
    workers = work_of(wanted)
    spread = features.features_by(workers, wanted, lambda *done: told.append(done), say=str)

    np.testing.assert_allclose(spread, embed_here(wanted, None), rtol=1e-5, atol=1e-6)
    assert workers.done == 3
    assert told == [(4, 9), (8, 9), (9, 9)]


@pytest.mark.fault
def test_an_image_that_a_worker_cannot_read_is_named(tmp_path: Path):
    wanted = wanted_of(tmp_path)
    (tmp_path / "4.png").unlink()

    with pytest.raises(ResourceError, match=r"4\.png could be used by the check, but not by a worker"):
        features.features_by(work_of(wanted), wanted, None, say=str)


@pytest.mark.slow  # trains a head
def test_the_command_fits_a_head_on_features_of_workers(tmp_path: Path, monkeypatch):
    made = work_here(monkeypatch)
    class_folders(tmp_path / "photos", kinds=("disc", "stripes"), each=30)
    words = ["train", "photos", "--pretrained", "lite0", "--freeze", "--imgsz", "32", "--set", "features=onnxruntime"]
    done = vidi(*words, "-o", "run", "--ray", "local", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert [one.done for one in made] == [1]
    assert (tmp_path / "run" / "model.onnx").exists()
