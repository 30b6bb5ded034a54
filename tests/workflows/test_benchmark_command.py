"""The command `vidi benchmark`, with cold starts in processes of their own."""

import json
from pathlib import Path

import pytest
from tests.command import vidi
from tests.model_file.tiny import tiny_model


@pytest.mark.integration
def test_the_command_starts_each_model_in_a_new_process(tmp_path: Path):
    tiny_model(tmp_path / "a.onnx")
    words = ("benchmark", "a.onnx", "--seconds", "1", "--engine", "onnxruntime")

    document = json.loads(vidi(*words, "--json", folder=tmp_path).stdout)

    (one,) = document["measured"]
    assert one["cold_start_seconds"] > 0.02
    assert one["peak_memory_bytes"] is None or one["peak_memory_bytes"] > 10_000_000
    table = vidi(*words, folder=tmp_path)
    assert table.returncode == 0
    assert table.stdout.splitlines()[-1].split()[:2] == ["a", "onnxruntime"]
