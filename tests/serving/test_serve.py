"""`vidi serve` as a process: it says where it listens, takes a new model, and stops when it is told to."""

import signal
from pathlib import Path

import httpx
import pytest

from tests.command import vidi
from tests.model_file.tiny import tiny_model
from tests.serving.process import HEADERS, IMAGE, next_match, served


@pytest.mark.slow  # a process of its own
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_it_answers_takes_a_new_model_on_sighup_and_stops_on_sigterm(tmp_path: Path):
    path = tiny_model(tmp_path / "model.onnx").path
    with served(f"tiny={path}") as (process, url):
        before = httpx.post(f"{url}/v1/predict", content=IMAGE, headers=HEADERS).json()["model"]
        new = tiny_model(path, seed=1)

        process.send_signal(signal.SIGHUP)
        taken = next_match(process.stdout, r'"event": "model".*"id": "(\w+)"')
        after = httpx.post(f"{url}/v1/predict", content=IMAGE, headers=HEADERS).json()["model"]
        process.send_signal(signal.SIGTERM)

        assert process.wait(20) == 0
    assert before["id"] != after["id"]
    assert taken == after["id"] == new.model_id


@pytest.mark.parametrize(
    ("words", "code", "cause"),
    [
        (["missing.onnx"], 4, "does not exist"),
        (["a b=model.onnx"], 2, "cannot be a model's name"),
        (["model.onnx", "model.onnx"], 2, "two models are called"),
        (["model.onnx", "--key", "key.pem"], 2, "without `--certificate`"),
        (["model.onnx", "--host", "300.1.1.1"], 2, "cannot"),
        (["model.onnx", "--token-file", "."], 2, "cannot be read"),
    ],
)
def test_a_start_that_fails_says_why(words, code, cause, tmp_path: Path):
    tiny_model(tmp_path / "model.onnx")

    done = vidi("serve", *words, folder=tmp_path)

    assert done.returncode == code
    assert cause in done.stderr
