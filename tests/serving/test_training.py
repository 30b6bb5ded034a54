"""A training that the page starts: one at a time, told as it goes, on this computer alone."""

import sys
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from tests.serving.asked import asked
from vidi.serving.application import application, service_of
from vidi.serving.engine.models import open_served
from vidi.serving.engine.telemetry import RequestLog
from vidi.serving.engine.training import Trainer, train_command
from vidi.serving.problems import Problem

NOON = datetime(2026, 1, 2, 12)
GOOD = "import sys, pathlib; pathlib.Path(sys.argv[1]).mkdir(); print('split: 8', file=sys.stderr)"
REPORT = "; (pathlib.Path(sys.argv[1]) / 'report.html').write_text('<p>A report</p>')"
BAD = "import sys; sys.exit('error: too few images')"
WAITS = "import sys; print('waits', file=sys.stderr, flush=True); sys.stdin.read(); import time; time.sleep(60)"


class Ended:
    """Says when a training has ended well."""

    def __init__(self) -> None:
        self.runs: list[Path] = []
        self._event = threading.Event()

    def __call__(self, run: Path) -> None:
        self.runs.append(run)
        self._event.set()

    def wait(self) -> None:
        assert self._event.wait(60)


def trainer(folder: Path, code: str, ended: Ended | None = None) -> Trainer:
    def command(_: Path, run: Path) -> Sequence[str]:
        return [sys.executable, "-c", code, str(run)]

    return Trainer(folder, command=command, now=lambda: NOON, finished=ended or Ended())


def wait_for(one: Trainer, state: str) -> dict[str, object]:
    """The state once the process has ended; its reader sets it."""
    one.wait()
    document = one.as_json()
    assert document["state"] == state
    return document


def test_a_training_is_told_as_it_goes_and_its_model_is_handed_on(tmp_path: Path):
    ended = Ended()
    one = trainer(tmp_path / "runs", GOOD + REPORT, ended)

    one.start(b"images")
    document = wait_for(one, "done")

    assert document["lines"] == ["split: 8"]
    assert ended.runs == [tmp_path / "runs" / "page-20260102-120000"]
    assert (tmp_path / "runs" / "page-20260102-120000.zip").read_bytes() == b"images"
    assert one.report() == b"<p>A report</p>"


def test_a_training_that_fails_keeps_its_last_words_and_another_may_begin(tmp_path: Path):
    one = trainer(tmp_path, BAD)

    one.start(b"")

    assert wait_for(one, "failed")["lines"] == ["error: too few images"]
    assert list(tmp_path.iterdir()) == []  # what was refused is not kept
    with pytest.raises(Problem, match="No training"):
        one.report()
    one.start(b"")
    wait_for(one, "failed")


def test_the_images_of_a_run_that_has_begun_are_kept_for_going_on(tmp_path: Path):
    one = trainer(tmp_path, GOOD + "; sys.exit(130)")

    one.start(b"images")

    wait_for(one, "failed")
    assert [path.read_bytes() for path in tmp_path.glob("*.zip")] == [b"images"]


def test_one_training_at_a_time_and_none_outlives_the_server(tmp_path: Path):
    one = trainer(tmp_path, WAITS)
    one.start(b"")

    with pytest.raises(Problem) as refused:
        one.start(b"")
    one.stop()

    assert refused.value.code == "busy"
    wait_for(one, "failed")


def test_the_command_is_that_of_the_command_line(tmp_path: Path):
    words = train_command(tmp_path / "a.zip", tmp_path / "run")

    assert words[1:4] == ["-m", "vidi", "train"]
    assert "--minutes" in words


def test_the_page_starts_a_training_follows_it_and_opens_its_report(tmp_path: Path):
    ended = Ended()
    service = service_of([open_served("tiny", tiny_model(tmp_path / "tiny.onnx").path)], log=RequestLog(len))
    service.trainer = trainer(tmp_path, GOOD + REPORT, ended)
    with asked(application(service)) as client:
        wrong = client.post("/train", content=b"x", headers={"Content-Type": "image/png"})
        begun = client.post("/train", content=b"zip", headers={"Content-Type": "application/zip"})
        ended.wait()
        service.trainer.wait()
        state, report = client.get("/train").json(), client.get("/train/report")
        offers = client.get("/models.json").json()["server"]["train"]

    assert (wrong.status_code, begun.status_code, state["state"]) == (415, 202, "done")
    assert report.text == "<p>A report</p>"
    assert "default-src 'none'" in report.headers["content-security-policy"]
    assert offers


def test_a_server_without_a_trainer_has_no_such_route(tmp_path: Path):
    service = service_of([open_served("tiny", tiny_model(tmp_path / "tiny.onnx").path)], log=RequestLog(len))
    with asked(application(service)) as client:
        response = client.post("/train", content=encoded(draw("disc")), headers={"Content-Type": "application/zip"})

    assert response.status_code == 404
