"""A served model: its sessions hold the weights, and its file is read again where its bytes are needed."""

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.model_file.tiny import tiny_model
from vidi.errors import ModelError
from vidi.files import write_atomic
from vidi.machine import core_count
from vidi.prediction import engines
from vidi.prediction.engines import OnnxRuntime, open_session
from vidi.serving.engine.models import ModelSource, open_served

needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="needs:openvino")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "model.onnx").path


def test_a_served_model_keeps_no_bytes_of_its_file_and_answers_the_same_in_both_sessions(path: Path):
    served = open_served("tiny", path)
    images = np.random.default_rng(0).integers(0, 256, (3, *served.metadata.framing.size, 3), np.uint8)

    answers = [one.run(images)["probabilities"] for one in (served.predictor, served.alone, served.whole())]

    assert (served.model.data, served.model.contents.tensors) == (b"", ())
    assert np.allclose(answers[0], answers[1], atol=1e-5)
    assert np.array_equal(answers[0], answers[2])
    assert (served.alone is served.predictor) == (core_count() == 1)


@needs_openvino
def test_a_model_served_by_openvino_gives_the_same_answers_and_the_same_verdicts(path: Path):
    usual, served = open_served("tiny", path), open_served("tiny", path, engine="openvino")
    images = np.random.default_rng(0).integers(0, 256, (3, 31, 20, 3), np.uint8)

    assert served.predictor.engine.name == served.alone.engine.name == "openvino"
    assert (served.model.data, served.whole().model.data) == (b"", path.read_bytes())
    for ours, theirs in zip(usual.predictor.predict(images), served.predictor.predict(images), strict=True):
        assert np.allclose(ours.probabilities, theirs.probabilities, atol=1e-5)
        assert (ours.label, ours.verdict, ours.candidates) == (theirs.label, theirs.verdict, theirs.candidates)


def test_an_engine_that_answers_otherwise_serves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch):
    class Wrong(OnnxRuntime):
        def run(self, images, outputs):
            return [values + np.float32(0.1) for values in super().run(images, outputs)]

    monkeypatch.setattr(engines, "ENGINES", {"other": lambda model: Wrong(open_session(model), "other")})
    monkeypatch.setattr(engines, "is_installed", lambda _: True)

    with pytest.raises(ModelError, match="answers otherwise"):
        open_served("tiny", path, engine="other")


def test_the_bytes_can_be_read_again(path: Path):
    served = open_served("tiny", path)

    assert served.whole().model.data == path.read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be replaced there")
@pytest.mark.parametrize("fate", ["replaced", "removed"])
def test_the_file_that_is_served_is_read_even_where_its_path_now_names_another_or_none(path: Path, fate: str):
    before, served = path.read_bytes(), open_served("tiny", path)

    if fate == "replaced":
        write_atomic(path, "another")
    else:
        path.unlink()

    assert served.whole().model.data == before


def test_a_file_that_was_overwritten_in_place_is_refused(path: Path):
    served = open_served("tiny", path)
    other = tiny_model(path.with_name("other.onnx"), seed=1).path.read_bytes()

    with path.open("r+b") as stream:
        stream.truncate()
        stream.write(other)

    with pytest.raises(ModelError, match="no longer the model that is served"):
        served.whole()


def test_a_source_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ModelError, match=r"gone\.onnx does not exist"):
        ModelSource(tmp_path / "gone.onnx")
