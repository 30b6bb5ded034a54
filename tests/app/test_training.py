"""The routes about jobs and runs: how jobs are started and followed, what a form shows, which files are sent."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.app.working import client_of, project_of_drawings
from tests.report.runs import make_run
from vidi.data.labels import LabelsFile, Opinion
from vidi.data.project import Project
from vidi.files import digest_of
from vidi.workflows.interaction.request import labels_state_of
from vidi.workflows.interaction.run_folder import write_request
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_of_drawings(tmp_path, each=4)


@pytest.fixture
def client(project: Project) -> TestClient:
    return client_of(project)


def test_a_check_is_started_followed_to_its_end_and_followed_again_from_an_event(client: TestClient):
    begun = client.post("/api/1/jobs", json={"verb": "check"})
    assert (begun.status_code, begun.json()["state"]) == (202, "running")

    text = client.get("/api/1/events", params={"job": "check"}).text

    *events, last = [part for part in text.split("\n\n") if part.strip(": \n")]
    told = json.loads(last.partition("data: ")[2])
    assert last.startswith("event: job\n")
    assert (told["state"], told["has_page"]) == ("finished", True)
    assert "<h1" in client.get("/api/1/jobs/check/page").text
    place = events[0].splitlines()[0].removeprefix("id: ")
    again = client.get("/api/1/events", params={"job": "check"}, headers={"last-event-id": place}).text
    assert again.count('\ndata: {"event"') == len(events) - 1
    polled = client.get("/api/1/jobs/check", params={"from": place}).json()
    assert (polled["job"], len(polled["events"])) == (told, len(events) - 1)
    assert client.get("/api/1/jobs").json() == {"jobs": [told]}


def test_a_job_that_fails_says_why_and_what_to_do(client: TestClient):
    client.post("/api/1/jobs", json={"verb": "train", "request": {"epochs": 0}})

    text = client.get("/api/1/events", params={"job": "train"}).text

    told = json.loads(text.rpartition("data: ")[2])
    assert (told["state"], told["cause"]) == ("failed", "--epochs 0 is not allowed")
    assert told["remedy"]


@pytest.mark.parametrize("place", ["-1", "x", "9" * 20])
def test_a_place_that_is_none_is_refused(place: str, client: TestClient):
    client.post("/api/1/jobs", json={"verb": "check"})
    client.get("/api/1/events", params={"job": "check"})

    assert client.get("/api/1/jobs/check", params={"from": place}).status_code == 422


def test_the_form_of_a_verb_comes_from_its_declared_options(client: TestClient):
    options = {one["name"]: one for one in client.get("/api/1/options/train").json()["options"]}

    assert options["minutes"].items() >= {"kind": "number", "least": 0.05, "default": None}.items()
    assert options["optimizer"]["choices"] == ["adam", "adamw", "sgd", "muon"]
    assert options["freeze"].items() >= {"kind": "flag", "default": False}.items()
    assert options["changes"].items() >= {"kind": "text", "several": True}.items()
    assert {"source", "output", "feedback"}.isdisjoint(options)
    assert client.get("/api/1/options/serve").status_code == 404


def test_a_run_is_listed_with_what_can_be_opened_and_its_mistakes(client: TestClient, project: Project):
    make_run(project.runs / "one")

    (run,) = client.get("/api/1/runs").json()["runs"]
    wrong = client.get("/api/1/runs/one/wrong").json()

    assert run["name"] == "one"
    assert {"metrics.json", "predictions.csv"} <= set(run["files"])
    assert 0 < len(wrong["wrong"]) < wrong["tested"]
    assert all(one["label"] != one["predicted"] for one in wrong["wrong"])


def test_only_known_files_of_runs_are_sent(client: TestClient, project: Project):
    make_run(project.runs / "one")
    (project.runs / "one" / "secret.txt").write_text("no")

    assert client.get("/api/1/runs/one/metrics.json").headers["content-type"].startswith("application/json")
    for path in ("one/secret.txt", "one/model.onnx", "two/metrics.json", "%2e%2e/project.json"):
        assert client.get(f"/api/1/runs/{path}").status_code == 404


def test_a_run_is_deleted(client: TestClient, project: Project):
    make_run(project.runs / "one")

    assert client.delete("/api/1/runs/one").json()["freed"] > 0
    assert client.get("/api/1/runs").json() == {"runs": []}


def test_a_run_knows_whether_labels_were_given_since(client: TestClient, project: Project):
    image = next(project.source.rglob("*.png"))
    labels = project.source.parent / "photos.labels.jsonl"
    data = DataRequest(source=str(project.source))
    request = TrainRequest(data=replace(data, labels_state=labels_state_of(data)))
    write_request(make_run(project.runs / "one"), request.as_dict())
    assert client.get("/api/1/runs/one/changes").json() == {"changed": False}

    digest, place = digest_of(image.read_bytes()), image.relative_to(project.source).as_posix()
    said = Opinion(
        key="0" * 32, digest=digest, at=1.0, source="me", via="review", kind="label", labels=("disc",), path=place
    )
    LabelsFile(labels).add([said])

    assert client.get("/api/1/runs/one/changes").json() == {"changed": True}
