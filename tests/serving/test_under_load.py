"""What happens to a server while requests go on: its model replaced, its workers killed, its end."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.counts import count
from tests.model_file.tiny import tiny_model
from tests.serving.process import children_of, loaded, next_match, served
from vidi.files import write_atomic

pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals and processes as Linux has them"),
]

MOST_SECONDS_WITHOUT_A_WORKER = 5.0
MOST_SECONDS_TO_STOP = 10.0


def test_every_answer_comes_whole_from_the_old_or_the_new_model(tmp_path: Path):
    path = tmp_path / "model.onnx"
    ids = [tiny_model(path).model_id]
    with served(f"tiny={path}") as (process, url), loaded(url) as load:
        for seed in range(1, count(small=1, faults=10, soak=100) + 1):
            ids.append(tiny_model(path, seed=seed).model_id)
            process.send_signal(signal.SIGHUP)
            next_match(process.stdout, rf'"event": "model".*"id": "({ids[-1]})"')
            load.wait_for(8)
        load.stop()

    assert load.lost == []
    assert {status for status, _ in load.answers} == {200}
    assert {model for _, model in load.answers} <= set(ids)
    assert ids[-1] in {model for _, model in load.answers}


def test_a_bad_model_file_leaves_the_old_one_answering(tmp_path: Path):
    path = tmp_path / "model.onnx"
    before = tiny_model(path).model_id
    with served(f"tiny={path}") as (process, url), loaded(url) as load:
        for number in range(count(small=1, faults=5, soak=20)):
            write_atomic(path, f"no model {number}")
            process.send_signal(signal.SIGHUP)
            next_match(process.stdout, r'"event": "model".*"outcome": "(refused)"')
            load.wait_for(8)
        said = httpx.get(f"{url}/readyz").json()["models"][0]["refused_file"]
        load.stop()

    assert load.lost == []
    assert set(load.answers) == {(200, before)}
    assert "text" in said


def workers_told(url: str) -> dict[str, int]:
    return httpx.get(f"{url}/readyz").json()["workers"]


def wait_until(told: Callable[[], bool]) -> None:
    """Ask again and again: each look is a request, and the test's own time limit ends them."""
    while not told():
        pass


def test_a_killed_worker_costs_no_request_but_its_own(tmp_path: Path):
    kills, back = count(small=2, faults=20, soak=50), []
    with served(f"tiny={tiny_model(tmp_path / 'model.onnx').path}") as (process, url), loaded(url) as load:
        for number in range(1, kills + 1):
            wait_until(lambda: workers_told(url)["standing"] == workers_told(url)["wanted"])
            os.kill(children_of(process.pid)[0], signal.SIGKILL)
            began = time.monotonic()
            wait_until(lambda number=number: workers_told(url)["deaths"] >= number)
            wait_until(lambda: workers_told(url)["standing"] == workers_told(url)["wanted"])
            back.append(time.monotonic() - began)
            load.wait_for(8)
        load.stop()

    assert load.lost == []
    refused = sum(number for (status, _), number in load.answers.items() if status != 200)
    assert refused <= kills
    assert max(back) < MOST_SECONDS_WITHOUT_A_WORKER


def test_all_that_was_accepted_is_answered_before_the_end(tmp_path: Path):
    path = tiny_model(tmp_path / "model.onnx").path
    for _ in range(count(small=1, faults=10, soak=50)):
        with served(f"tiny={path}") as (process, url), loaded(url, clients=8) as load:
            load.wait_for(20)
            process.send_signal(signal.SIGTERM)
            code = process.wait(MOST_SECONDS_TO_STOP)
            load.stop()

        assert code == 0
        assert load.lost == []
        assert {status for status, _ in load.answers} <= {200, 503}
