"""In use: a run is put in use and comes back; what the log says stands in a sentence; files and a QR code are sent."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.desks import photos
from tests.app.test_try import run_with_model, trying
from tests.model_file.test_golden import written
from tests.model_file.tiny import tiny_metadata
from vidi.app.in_use import watched_lines
from vidi.app.jobs import LOG
from vidi.data.project import Project, make_project
from vidi.log.store import PredictionLog
from vidi.registry import find_name


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with two finished runs of different models."""
    made = make_project(tmp_path / "projects", "kinds", source=photos(tmp_path))
    run_with_model(made, "first")
    written(run_with_model(made, "second") / "model.onnx", replace(tiny_metadata(), classes=("a", "b", "c")))
    return made


def test_a_run_is_put_in_use_replaced_and_comes_back(project: Project):
    with trying(project) as client:
        first = client.post("/api/1/models/kinds", json={"run": "first", "why": "the only one"}).json()["models"][0]
        second = client.post("/api/1/models/kinds", json={"run": "second"}).json()["models"][0]
        back = client.post("/api/1/models/kinds/rollback", json={}).json()["models"][0]
        file = client.get("/api/1/models/kinds/model.onnx")

    assert [(one["version"], one["run"], one["before"]) for one in (first, second, back)] == [
        ("1", "first", None),
        ("2", "second", "1"),
        ("1", "first", None),
    ]
    assert first["why"] == "the only one"
    assert [one["action"] for one in back["history"]] == ["rollback", "promote", "promote"]
    assert file.content == (project.runs / "first" / "model.onnx").read_bytes()
    assert "kinds-1.onnx" in file.headers["content-disposition"]


@pytest.mark.parametrize(("path", "body"), [("kinds", {"run": "../first"}), (".kinds", {"run": "first"})])
def test_what_cannot_be_put_in_use_is_refused(project: Project, path: str, body: dict):
    with trying(project) as client:
        answer = client.post(f"/api/1/models/{path}", json=body)

    assert answer.status_code in (404, 422)
    assert not project.models.exists()


def test_a_model_without_a_log_is_said_not_to_be_watched_and_one_without_a_reference_not_to_be_judged(
    project: Project,
):
    with trying(project) as client:
        client.post("/api/1/models/kinds", json={"run": "first"}).raise_for_status()
        before = client.get("/api/1/models/kinds/watched").json()
    with PredictionLog.open(str(project.folder / LOG)):
        after = watched_lines(find_name(project.models, "kinds"), project.folder / LOG)

    assert before == {"state": "unwatched", "folder": str(project.folder)}
    assert after["state"] == "unknown"
    assert "no drift reference" in str(after["why"])


def test_an_address_is_drawn_as_a_qr_code(project: Project):
    with trying(project) as client:
        answer = client.get("/api/1/qr.svg", params={"address": "https://example.org/leaves/"})

    assert answer.headers["content-type"] == "image/svg+xml"
    assert b"<svg" in answer.content
