"""A served model: its sessions hold the weights, and its file is read again where its bytes are needed."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.model_file.tiny import tiny_model
from vidi.errors import ModelError
from vidi.files import write_whole
from vidi.machine import core_count
from vidi.serving.models.served import open_served
from vidi.serving.models.source import ModelSource


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


def test_the_bytes_can_be_read_again(path: Path):
    served = open_served("tiny", path)

    assert served.whole().model.data == path.read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be replaced there")
@pytest.mark.parametrize("fate", ["replaced", "removed"])
def test_the_file_that_is_served_is_read_even_where_its_path_now_names_another_or_none(path: Path, fate: str):
    before, served = path.read_bytes(), open_served("tiny", path)

    if fate == "replaced":
        write_whole(path, "another")
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
    with pytest.raises(ModelError, match=r"gone\.onnx is not there"):
        ModelSource(tmp_path / "gone.onnx")
