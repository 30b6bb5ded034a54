"""Jobs are processes of their own: they outlive the app, are found again, stopped, and continued bit for bit."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.app.desks import drawn_model
from tests.app.working import client_of, events_of, project_of_drawings, stand_in, written_job
from tests.draw import PARTS, class_folders, draw, encoded
from tests.processes import end_now
from vidi.app.jobs import JOBS, LOG, Job, Jobs, command_of, read_events
from vidi.data.labels import LabelsFile, Opinion
from vidi.data.project import Project, make_project
from vidi.errors import UsageError
from vidi.files import digest_of, holder_of
from vidi.log.store import PredictionLog
from vidi.model_file.read import read_model
from vidi.serving.problems import Problem
from vidi.workflows.promote import promote
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.in_use import PromoteRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.train import train


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_of_drawings(tmp_path)


def holder(job: Job) -> int:
    """The process that works on a job."""
    number = holder_of(job.folder)
    assert number is not None
    return number


def small_request(photos: Path, output: Path) -> TrainRequest:
    """A training of seconds."""
    changes = {"epochs": 9, "options.width": 0.25}
    data = DataRequest(source=str(photos))
    return TrainRequest(data=data, output=output, network="compact", pretrained="none", changes=changes)


def is_message(event: dict[str, Any]) -> bool:
    return event.get("event") == "message"


def test_a_job_is_the_command_that_a_terminal_would_run(project: Project):
    jobs = Jobs(project, command=stand_in("end"))

    job = jobs.start("train", {"minutes": 2})
    events_of(jobs, job)

    run = project.runs / "plants"
    assert job.words == ("train", f"--output={run}", "--minutes=2", "--", str(project.folder))
    assert command_of(job.folder, job.words)[1:] == ["-P", "-m", "vidi", "--job", str(job.folder), *job.words]


def test_a_finished_job_is_listed_after_a_restart_and_its_events_are_read_from_any_of_them(project: Project):
    jobs = Jobs(project, command=stand_in("end"))
    job = jobs.start("check", {"suspects": True})
    *seen, last = events_of(jobs, job)

    (again,) = Jobs(project).list()

    assert again == job
    assert Jobs(project).describe(again) == last
    assert (last["state"], last["can_continue"]) == ("finished", False)
    assert seen[0]["sentence"] == " ".join(job.words)
    lines, end = read_events(job, 0)
    assert [json.loads(line) for _, line in lines] == seen
    for number, (after, _) in enumerate(lines, start=1):
        assert read_events(job, after) == (lines[number:], end)


def test_a_second_training_is_refused_and_a_check_runs_beside_the_first(project: Project):
    jobs = Jobs(project, command=stand_in("wait"))
    first = jobs.start("train", {})

    with pytest.raises(Problem, match="train is running"):
        jobs.start("train", {})
    beside = jobs.start("check", {})

    events_of(jobs, beside, until=is_message)
    events_of(jobs, first, until=is_message)
    for job in (first, beside):
        jobs.stop(job.id)
        assert events_of(jobs, job)[-1]["state"] == "stopped"


def test_a_training_of_a_terminal_or_another_project_is_not_disturbed(project: Project):
    other = Jobs(project, command=stand_in("wait"))
    second = make_project(project.folder.parent, "animals", source=project.source)
    running = other.start("check", {})
    events_of(other, running, until=is_message)
    project.runs.mkdir()
    (project.runs / "mine").symlink_to(running.folder)

    with pytest.raises(Problem, match=r"A training is running in .*mine"):
        Jobs(second).start("train", {})

    other.stop(running.id)
    events_of(other, running)


@pytest.mark.fault
def test_a_killed_app_leaves_its_jobs_running_and_the_next_one_finds_and_stops_them(project: Project):
    begin = f"""
import signal
from pathlib import Path
from tests.app.working import stand_in
from vidi.app.jobs import Jobs
from vidi.data.project import read_project
print(Jobs(read_project(Path({str(project.folder)!r})), command=stand_in("wait")).start("train", {{}}).id, flush=True)
signal.pause()
"""
    app = subprocess.Popen([sys.executable, "-c", begin], stdout=subprocess.PIPE, text=True)
    assert app.stdout is not None
    name = app.stdout.readline().strip()
    jobs = Jobs(project)
    app_sees = jobs.find(name)
    while holder_of(app_sees.folder) is None:  # until its process has begun
        assert app.poll() is None

    app.kill()
    app.wait()
    app.stdout.close()

    assert jobs.describe(app_sees)["state"] == "running"
    jobs.stop(name)
    assert events_of(jobs, app_sees)[-1]["state"] == "stopped"


@pytest.mark.fault
def test_a_killed_job_is_interrupted_and_begins_again_where_it_had_written_nothing(project: Project):
    jobs = Jobs(project, command=stand_in("wait"))
    job = jobs.start("train", {})
    events_of(jobs, job, until=is_message)

    end_now(holder(job))

    told = jobs.describe(job)
    assert (told["state"], told["can_continue"]) == ("interrupted", True)
    again = Jobs(project, command=stand_in("end"))
    *events, last = events_of(again, again.go_on(job.id))
    assert last["state"] == "finished"
    assert sum(map(is_message, events)) == 2  # they go on where they were


@pytest.mark.parametrize(
    ("verb", "written", "words"),
    [
        ("train", ["run.json"], "train --resume={run} --finish"),
        ("retrain", ["run.json"], "train --resume={run} --finish"),
        ("retrain", ["run.json", "metrics.json"], "retrain --candidate={run} -- before"),
        ("train", [], "train before"),
    ],
)
def test_a_stopped_training_goes_on_where_it_was(verb: str, written: list[str], words: str, project: Project):
    run = project.runs / "plants"
    run.mkdir(parents=True)
    for name in written:
        (run / name).write_text("{}")
    written_job(project, verb, {"event": "ended", "state": "stopped"}, run="plants", words=[verb, "before"])
    jobs = Jobs(project, command=stand_in("end"))

    events = events_of(jobs, jobs.go_on(verb, finish=True))

    assert [event["sentence"] for event in events if is_message(event)] == [words.format(run=run)]


@pytest.mark.parametrize(
    ("verb", "request_", "cause"),
    [
        ("serve", {}, "serve is no job"),
        ("retrain", {"run": "../photos"}, "There is no run '../photos'"),
        ("compare", {"first": "one"}, "There is no run 'one'"),
    ],
)
def test_what_is_no_job_is_refused_before_anything_is_written(
    verb: str, request_: dict[str, str], cause: str, project: Project
):
    with pytest.raises(Problem, match=cause):
        Jobs(project).start(verb, request_)

    assert not (project.folder / JOBS).exists()


def test_an_option_that_is_none_is_refused_before_anything_is_written(project: Project):
    with pytest.raises(UsageError, match="there is no option minute"):
        Jobs(project).start("train", {"minute": 2})

    assert not (project.folder / JOBS).exists()


@pytest.mark.parametrize("name", ["none", "..", "a/b", ""])
def test_a_job_that_is_not_there_is_not_found(name: str, project: Project):
    with pytest.raises(Problem, match="There is no job"):
        Jobs(project).find(name)


@pytest.mark.slow  # trains three times
@pytest.mark.fault
def test_a_killed_training_continues_to_the_same_weights(tmp_path: Path):
    photos = class_folders(tmp_path / "photos", each=20, parts=PARTS)
    project = make_project(tmp_path / "projects", "plants", source=photos)
    asked = {"epochs": 9, "network": "compact", "pretrained": "none", "changes": ["options.width=0.25"]}
    whole = train(small_request(photos, tmp_path / "whole"))
    jobs = Jobs(project)

    job = jobs.start("train", asked)
    events_of(jobs, job, until=lambda event: event.get("event") == "epoch")
    end_now(holder(job))
    assert events_of(jobs, job)[-1]["state"] == "interrupted"
    jobs.go_on(job.id)
    *events, told = events_of(jobs, job)

    assert (told["state"], told["has_page"]) == ("finished", True)
    assert read_model(job.run_folder).weights_digest() == read_model(whole.folder).weights_digest()
    epochs = {event["row"]["epoch"] for event in events if event["event"] == "epoch"}
    assert epochs == set(range(1, 10))  # the curve is whole
    client = client_of(project)
    (run,) = client.get("/api/1/runs").json()["runs"]
    assert (run["name"], run["state"], run["accuracy"]["n"]) == (job.run, "finished", 8)
    page = client.get(f"/api/1/jobs/{job.id}/page")
    assert page.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "<h1" in page.text


@pytest.mark.integration  # trains twice
def test_a_second_round_learns_from_new_labels_and_the_gate_decides(tmp_path: Path):
    photos = class_folders(tmp_path / "photos", each=20, parts=PARTS)
    project = make_project(tmp_path / "projects", "plants", source=photos)
    train(small_request(photos, project.runs / "one"))
    image = next((photos / "train" / "disc").iterdir())
    place = image.relative_to(photos).as_posix()
    digest = digest_of(image.read_bytes())
    said = Opinion(key="0" * 32, digest=digest, at=1.0, source="me", via="review", kind="exclude", path=place)
    LabelsFile(tmp_path / "photos.labels.jsonl").add([said])
    jobs = Jobs(project)

    job = jobs.start("retrain", {"run": "one"})
    *_, told = events_of(jobs, job)

    assert (told["state"], told["has_page"]) == ("finished", True)
    (run,) = [one for one in client_of(project).get("/api/1/runs").json()["runs"] if one["name"] == job.run]
    assert run["gate"]["passed"] is False  # of two equal models the old one stays
    assert told["cause"] == run["gate"]["sentence"].rstrip(".")


def test_a_pile_is_sorted_by_a_model_in_use_and_what_it_answers_is_logged(tmp_path: Path):
    project = project_of_drawings(tmp_path, each=1)
    run = project.runs / "first"
    run.mkdir(parents=True)
    drawn_model(run / "model.onnx")
    promote(PromoteRequest(model=run, name="kinds"), root=project.models)
    pile = tmp_path / "pile"
    pile.mkdir()
    (pile / "new.png").write_bytes(encoded(draw("disc", size=(60, 80))))
    jobs = Jobs(project)

    job = jobs.start("predict", {"model": "models/kinds", "inputs": [str(pile)]})
    ended = events_of(jobs, job)[-1]

    assert ended["state"] == "finished", ended
    assert [path.name for path in (job.folder / "sorted").glob("*/*")] == ["new.png"]
    assert "new.png" in job.page.read_text("utf-8")
    with PredictionLog.open(str(project.folder / LOG), create=False) as log:
        assert len(list(log.predictions())) == len(log.kept_digests()) == 1


def test_a_job_takes_names_of_models_from_its_project_wherever_others_are_kept(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VIDI_MODELS", "elsewhere")
    said = "import os; print(os.environ['VIDI_MODELS'])"
    jobs = Jobs(project, command=lambda _folder, _words: [sys.executable, "-c", said])

    job = jobs.start("check", {})
    events_of(jobs, job)

    assert (job.folder / "output.txt").read_text().strip() == str(project.models)
