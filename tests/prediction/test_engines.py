"""Engines that execute a model file: the same answers, or none."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.command import vidi
from tests.draw import class_folders
from tests.model_file.tiny import tiny_model
from vidi.errors import MissingPackageError, ModelError, UnknownNameError
from vidi.images.framing import Framing
from vidi.model_file.read import read_model
from vidi.prediction import engines
from vidi.prediction.engines import open_engine, replay_engine
from vidi.prediction.predictor import Predictor

needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="needs:openvino")
MODES = {
    "stretch": Framing(size=(16, 16), mode="stretch"),
    "pad": Framing(size=(16, 24), mode="pad"),
    "crop": Framing(size=(20, 16), mode="crop"),
}
SIZES = ((16, 16), (31, 50), (1, 1), (7, 300))

# Prints what the process does beside computing: files it makes, connections, other processes.
WATCHED = """
import sys
sys.dont_write_bytecode = True
seen = []
def watch(event, given):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "urllib.Request", "os.mkdir"):
        seen.append((event, str(given[0])))
    elif event == "open" and set(str(given[1])) & set("wax+"):
        seen.append((event, str(given[0])))
sys.addaudithook(watch)
"""
ANSWERING = """
import numpy as np, vidi
vidi.load(sys.argv[1], engine="openvino").predict(np.zeros((1, 20, 20, 3), np.uint8))
"""
SAYING = "print(seen, 'openvino_telemetry.main' in sys.modules)"


class Shifted:
    """An engine whose answers are a little off."""

    name = "shifted"

    def __init__(self, model, by):
        self.inner, self.by = engines.open_onnxruntime(model), by

    def run(self, images, outputs):
        return [values + np.float32(self.by) for values in self.inner.run(images, outputs)]


@needs_openvino
@pytest.mark.parametrize("mode", MODES)
def test_openvino_answers_as_onnxruntime_does_whatever_the_size(tmp_path: Path, mode: str):
    path = tiny_model(tmp_path / "model.onnx", framing=MODES[mode]).path
    usual, other = Predictor.load(path), Predictor.load(path, engine="openvino")

    random = np.random.default_rng(1)
    for size in SIZES:
        images = random.integers(0, 256, (2, *size, 3), dtype=np.uint8)
        for ours, theirs in zip(usual.predict(images), other.predict(images), strict=True):
            assert theirs.probabilities == pytest.approx(ours.probabilities, abs=1e-5)
        given = other.run(images)
        assert given.keys() == set(usual.model.outputs)
        framed = np.stack([frame for batch in usual._framed(images) for frame in batch])
        for name, values in usual.run(framed).items():
            assert given[name] == pytest.approx(values, abs=1e-4), name


@needs_openvino
def test_threads_share_an_openvino_engine_without_mixing_their_answers(tmp_path: Path):
    path = tiny_model(tmp_path / "model.onnx").path
    other, usual = Predictor.load(path, engine="openvino"), Predictor.load(path)
    images = np.random.default_rng(2).integers(0, 256, (64, 16, 16, 3), dtype=np.uint8)

    with ThreadPoolExecutor(4) as threads:
        rows = list(threads.map(lambda image: other.run(image[None])["probabilities"][0], images))

    assert np.array(rows) == pytest.approx(usual.run(images)["probabilities"], abs=1e-5)


def test_an_engine_that_answers_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = read_model(tiny_model(tmp_path / "model.onnx").path)
    allowed = model.metadata.golden_tolerance.probability
    shifts = {"near": allowed / 2, "far": allowed * 4, "lost": float("nan")}
    monkeypatch.setattr(
        engines, "ENGINES", {name: lambda model, by=by: Shifted(model, by) for name, by in shifts.items()}
    )
    monkeypatch.setattr(engines, "is_installed", lambda _: True)

    assert open_engine("near", model).name == "shifted"
    for name in ("far", "lost"):
        with pytest.raises(ModelError, match=f"{name} answers otherwise"):
            open_engine(name, model)


def test_the_usual_engine_replays_its_own_answers(tmp_path: Path):
    model = read_model(tiny_model(tmp_path / "model.onnx").path)

    assert replay_engine(open_engine("onnxruntime", model), model).passed


def test_an_engine_that_is_unknown_or_missing_is_named_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = tiny_model(tmp_path / "model.onnx").path
    images = class_folders(tmp_path / "images", each=1)
    with pytest.raises(UnknownNameError, match="'openvin'"):
        Predictor.load(model, engine="openvin")
    words = ("predict", model, images, "--engine")
    assert vidi(*words, "openvin", folder=tmp_path).returncode == 2

    monkeypatch.setattr(engines, "is_installed", lambda _: False)
    with pytest.raises(MissingPackageError, match=r'pip install "vidi\[openvino\]"'):
        Predictor.load(model, engine="openvino")
    done = vidi(*words, "openvino", folder=tmp_path)
    assert (done.returncode, "pip install" in done.stderr) == (2, True)


def beside_computing(tmp_path: Path, script: str) -> tuple[str, list[Path]]:
    """What a fresh process does beside computing, and what it leaves in its home."""
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", f"{WATCHED}{script}\n{SAYING}", tiny_model(tmp_path / "model.onnx").path],
        env={"HOME": str(home), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), list(home.iterdir())


@needs_openvino
@pytest.mark.slow  # a fresh process that imports openvino
def test_openvino_sends_and_writes_nothing(tmp_path: Path):
    assert beside_computing(tmp_path, ANSWERING) == ("[] False", [])


@needs_openvino
@pytest.mark.slow  # the same
def test_that_would_be_seen(tmp_path: Path):
    """Imported as it comes, openvino loads its telemetry, which the test above has to notice."""
    if find_spec("openvino_telemetry") is None:
        pytest.skip("needs:openvino-telemetry")

    seen, _ = beside_computing(tmp_path, "import openvino")

    assert seen.endswith("True")
