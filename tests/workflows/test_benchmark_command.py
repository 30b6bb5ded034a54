"""The command `vidi benchmark`: as JSON and as a table."""

import json
from pathlib import Path

import pytest
from tests.command import vidi
from tests.model_file.tiny import tiny_model


@pytest.mark.integration
def test_the_command_answers_in_json_and_as_a_table(tmp_path: Path):
    tiny_model(tmp_path / "a.onnx")
    words = ("benchmark", "a.onnx", "--seconds", "1", "--engine", "onnxruntime")

    document = json.loads(vidi(*words, "--json", folder=tmp_path).stdout)

    (one,) = document["measured"]
    assert (one["model"], one["engine"]) == ("a", "onnxruntime")
    table = vidi(*words, folder=tmp_path)
    assert table.returncode == 0
    assert table.stdout.splitlines()[-1].split()[:2] == ["a", "onnxruntime"]
