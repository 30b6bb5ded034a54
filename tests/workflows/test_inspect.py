"""What `inspect` tells, and what it notices."""

import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from tests.model_file.hostile_models import changed
from tests.model_file.tiny import tiny_metadata, tiny_model, tiny_network

from vidi.errors import GateError, ModelError
from vidi.images.framing import Framing
from vidi.model_file.limits import VerdictLimits
from vidi.model_file.metadata import Calibration
from vidi.model_file.read import read_model
from vidi.model_file.write import write_model
from vidi.workflows.inspect import describe_model, inspect_model, self_test


def test_a_good_file_passes_its_self_test(tmp_path: Path):
    outcome = self_test(tiny_model(tmp_path / "model.onnx"))

    assert outcome.passed
    assert outcome.vector_count == 4


def test_golden_vectors_that_another_model_gave_fail_the_self_test(tmp_path: Path):
    one = tiny_model(tmp_path / "one.onnx", seed=1)
    other = tiny_model(tmp_path / "other.onnx", seed=2)
    confused = replace(one, metadata=replace(one.metadata, golden=other.metadata.golden))

    with pytest.raises(GateError, match="self-test failed") as refused:
        self_test(confused)

    assert refused.value.exit_code == 7


def test_exchanged_weights_are_noticed_behind_a_digest_that_fits(tmp_path: Path):
    def exchange(model: onnx.ModelProto) -> None:
        (tensor,) = [item for item in model.graph.initializer if item.name == "head.bias"]
        tensor.raw_data = bytes(len(tensor.raw_data))

    path = tmp_path / "model.onnx"
    path.write_bytes(changed(tiny_model(path).data, exchange))

    assert read_model(path)
    with pytest.raises(ModelError, match="trained tensors have the digest"):
        inspect_model(path)


def test_everything_in_the_file_is_told_as_json(tmp_path: Path):
    _, document = inspect_model(tiny_model(tmp_path / "model.onnx").path)

    assert json.loads(json.dumps(document)) == document
    assert document["parameters"] == 3 * 4 + 4 + 4 * 3 + 3
    assert document["input"] == {"name": "images", "shape": ["batch", "height", "width", 3]}


def test_people_read_classes_framing_calibration_and_test_figures(tmp_path: Path):
    metadata = replace(
        tiny_metadata(framing=Framing(size=(16, 16), mode="stretch", shrink_to=(8, 8))),
        classes=("cat", "dog\n", "猫"),
        calibration=Calibration(scale=(0.5,), image_count=40),
        test={"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95, "n": 40}},
        verdict=VerdictLimits(basis="calibration", image_count=40, max_error=0.05, level=0.95, coverage=0.95),
    )
    model, document = inspect_model(write_model(tmp_path / "model.onnx", tiny_network(), metadata).path)

    text = describe_model(model, document)

    assert "3: cat, dog%0A, 猫" in text
    assert "framed to 16 x 16 (height x width) by stretching, after shrinking what is larger than 8 x 8" in text
    assert "temperature 2, fitted on 40 images" in text
    assert "answers     no answer of this model is called sure: to guarantee at most 5 % wrong, vidi needs 59" in text
    figures = text.partition("test        ")[2].partition("\ntrained on")[0].splitlines()
    assert figures[0].startswith("accuracy")
    assert figures[0].endswith("90.0 % (80.0 % to 95.0 %)")
    assert all(line.startswith(" " * 12) for line in figures[1:])
    assert "status      finished" in text


def test_an_unfinished_model_says_so(tmp_path: Path):
    metadata = replace(tiny_metadata(), unfinished="stopped by Ctrl-C after 3 of 30 epochs")
    model, document = inspect_model(write_model(tmp_path / "model.onnx", tiny_network(), metadata).path)

    assert "status      unfinished: stopped by Ctrl-C after 3 of 30 epochs" in describe_model(model, document)
