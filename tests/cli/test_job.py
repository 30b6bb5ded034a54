"""`vidi --job FOLDER VERB …`: what a job's folder says of a command while it works and when it has ended."""

import json
from pathlib import Path

import pytest
from tests.command import vidi
from tests.draw import class_folders

from vidi.files import FolderLock, holder_of

pytestmark = pytest.mark.usefixtures("undrawn")


def events(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    folder = tmp_path / "jobs" / "one"
    folder.mkdir(parents=True)
    return folder


def test_a_job_reports_into_its_folder_and_lets_it_go(tmp_path: Path, job: Path):
    class_folders(tmp_path / "photos", each=2)

    done = vidi("--job", job, "check", "photos", folder=tmp_path)

    assert done.returncode == 0
    first, *_, last = events(job)
    assert (first["event"], first["what"]) == ("stage", "reading images")
    assert (last["event"], last["state"]) == ("ended", "finished")
    assert holder_of(job) is None


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("check", "nowhere"), "nowhere is neither an existing path nor a known set"),
        (("check", "--nonsense"), "vidi check has no option --nonsense"),
        (("train", "photos", "--epochs", "0"), "--epochs 0 is not allowed"),
    ],
)
def test_a_job_that_failed_says_why_and_what_to_do(words: tuple[str, ...], cause: str, tmp_path: Path, job: Path):
    class_folders(tmp_path / "photos", each=2)

    done = vidi("--job", job, *words, folder=tmp_path)

    (last,) = events(job)
    assert (last["state"], last["cause"]) == ("failed", cause)
    assert f"error: {cause}\n  {last['remedy']}" in done.stderr


def test_two_commands_are_not_one_job(tmp_path: Path, job: Path):
    with FolderLock(job):
        done = vidi("--job", job, "check", "photos", folder=tmp_path)

    assert done.returncode == 2
    assert "is in use by process" in done.stderr


def test_a_job_is_the_apps_business(tmp_path: Path):
    assert "--job" not in vidi("--help", folder=tmp_path).stdout
