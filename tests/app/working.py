"""Jobs for the tests: a project of drawn images, commands that need no training, and a client of the routes."""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.draw import class_folders
from vidi.app.jobs import JOB, JOBS, Command, Job, Jobs
from vidi.app.pages import HANDLERS
from vidi.app.state import AppState
from vidi.app.training import followed, routes
from vidi.data.project import Project, make_project
from vidi.workflows.interaction.event_file import EVENTS

# Holds the job's folder as a verb does, reports its words, and ends at once or at a signal.
COMMAND = """
import signal, sys
from pathlib import Path
from vidi.cli.job import held
from vidi.workflows.interaction.events import Message

with held(Path(sys.argv[1])) as file:
    file.tell(Message(" ".join(sys.argv[3:])))
    if sys.argv[2] == "wait":
        signal.pause()
"""


def project_of_drawings(folder: Path, *, each: int = 10) -> Project:
    """A project whose images lie beside it."""
    return make_project(folder / "projects", "plants", source=class_folders(folder / "photos", each=each))


def stand_in(how: str) -> Command:
    """A command in place of a verb, which does nothing: `end` ends at once, `wait` at a signal."""

    def command(folder: Path, words: Sequence[str]) -> list[str]:
        return [sys.executable, "-c", COMMAND, str(folder), how, *words]

    return command


def state_of(project: Project) -> AppState:
    """The state of an app that has a project open."""
    return AppState(projects=project.folder.parent, project=project, environment={})


def client_of(project: Project) -> TestClient:
    """A client of the routes about jobs and runs."""
    return TestClient(Starlette(routes=routes(state_of(project)), exception_handlers=HANDLERS))


def events_of(jobs: Jobs, job: Job, *, until: Callable[[dict[str, Any]], bool] = lambda _: False) -> list[Any]:
    """The events of a job up to one that fits, or to its end; the last is then how the job stands."""

    async def read() -> list[Any]:
        seen = list[Any]()
        async for part in followed(state_of(jobs.project), jobs, job, 0):
            for line in part.decode().splitlines():
                if line.startswith("data: "):
                    seen.append(json.loads(line.removeprefix("data: ")))
                    if until(seen[-1]):
                        return seen
        return seen

    return asyncio.run(read())


def written_job(
    project: Project, verb: str, *lines: dict[str, Any], run: str | None = None, words: Sequence[str] = ()
) -> Path:
    """The folder of a job that no process works on, with the events that it left."""
    folder = project.folder / JOBS / verb
    folder.mkdir(parents=True)
    began = "2026-11-25T12:00:00+00:00"
    values = {"schema": 1, "verb": verb, "request": {"minutes": 2}, "words": [*words], "run": run, "began": began}
    (folder / JOB).write_text(json.dumps(values))
    (folder / EVENTS).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder
