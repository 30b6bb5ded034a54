"""Jobs: a verb as a process of its own, which outlives the app and is found again by its folder.

PROJECT/jobs/train/job.json      what was asked for
PROJECT/jobs/train/events.jsonl  what happens, and at its end how it ended
PROJECT/jobs/train/output.txt    what the command prints
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from vidi.data.project import MODELS, RUNS, Project, list_projects
from vidi.errors import DataError
from vidi.evaluation.run_files import METRICS
from vidi.files import escape_path, holder_of, read_json, reserve_folder, write_atomic
from vidi.model_file.registered import MODELS_VARIABLE
from vidi.model_file.values import Json
from vidi.options import Argument, Option, Part, switched_off, words_of
from vidi.serving.problems import Problem
from vidi.workflows.interaction.event_file import EVENTS
from vidi.workflows.interaction.run_folder import GATE_PAGE, REPORT, REQUEST, safe_name
from vidi.workflows.requests.data import CheckRequest
from vidi.workflows.requests.in_use import MonitorRequest, RetrainRequest
from vidi.workflows.requests.model_file import CompareRequest, ExportRequest
from vidi.workflows.requests.predict import InputsRequest, PredictRequest
from vidi.workflows.requests.shared import NO_IMAGES
from vidi.workflows.requests.train import TrainRequest

LOG: Final = "log.sqlite"  # in a project: what its models answered in use
SORTED: Final = "sorted"  # in a job's folder: copies in class folders
JOBS, JOB, OUTPUT = "jobs", "job.json", "output.txt"
SCHEMA = 1
LAST_LINE: Final = 65_536  # bytes at a file's end in which the last event is looked for
MOST_READ: Final = 1_000_000  # bytes of events at once

State = Literal["running", "finished", "stopped", "failed", "interrupted"]
Values = Mapping[str, Any]
Command = Callable[[Path, Sequence[str]], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A verb that the app runs as a job."""

    request: type
    data: str = ""  # the option that names the data: the project
    runs: tuple[str, ...] = ()  # options that name a run of the project, or a model in use
    output: str  # the option that names where it writes
    page: str  # what it writes for people: in the run's folder, or in the job's
    also: Callable[[Path], Values] = lambda _: {}  # of the job's folder: further values of options
    trains: bool = False  # writes a run
    niceness: int = 10  # the page and a training come first


@dataclass(frozen=True, slots=True, kw_only=True)
class SortRequest:
    """The words of `vidi predict`, by which a pile of images is sorted."""

    model: Annotated[Path, Argument("MODEL", "Run or model in use that answers.")]
    inputs: Annotated[InputsRequest, Part()]
    request: Annotated[PredictRequest, Part()]
    as_csv: Annotated[bool, Option("Print a CSV table.", flags=("--csv",))] = False


def _sorted_into(folder: Path) -> Values:
    """Copies in class folders; and what is answered is logged, with the images, where a log can be written."""
    values: Values = {"sort_into": folder / SORTED, "as_csv": True}
    if not find_spec("sqlalchemy"):
        return values
    return {**values, "log": folder.parents[1] / LOG, "keep_images": not switched_off(NO_IMAGES)}


VERBS: Final[Mapping[str, Verb]] = {
    "train": Verb(request=TrainRequest, data="source", output="output", page=REPORT, trains=True, niceness=5),
    "retrain": Verb(request=RetrainRequest, runs=("run",), output="output", page=GATE_PAGE, trains=True, niceness=5),
    "check": Verb(request=CheckRequest, data="source", output="page", page="check.html"),
    "compare": Verb(
        request=CompareRequest,
        data="source",
        runs=("first", "second"),
        output="output",
        page="comparison/compare.html",
    ),
    "export": Verb(request=ExportRequest, runs=("model",), output="output", page="export/index.html"),
    "predict": Verb(request=SortRequest, runs=("model",), output="output", page="answers.csv", also=_sorted_into),
    "monitor": Verb(request=MonitorRequest, runs=("model",), output="output", page="monitor.html"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as job.json keeps it."""

    folder: Path
    verb: str
    request: Values  # what the page asked for
    words: tuple[str, ...]  # of the command line
    run: str | None  # the run folder that it writes
    began: str  # ISO 8601

    @property
    def id(self) -> str:
        """Its name, unique in its project."""
        return self.folder.name

    @property
    def run_folder(self) -> Path:
        """The run that a training writes; of other verbs the job's own folder."""
        return self.folder if self.run is None else self.folder.parents[1] / RUNS / self.run

    @property
    def page(self) -> Path:
        """What it writes for people; it need not be there."""
        return self.run_folder / VERBS[self.verb].page

    def can_go_on(self, state: State) -> bool:
        """Whether a training in this state can be continued, or a trained candidate judged."""
        if state == "running" or not VERBS[self.verb].trains or self.page.is_file():
            return False
        return state in ("stopped", "interrupted") or (self.run_folder / REQUEST).exists()


def command_of(folder: Path, words: Sequence[str]) -> list[str]:
    """The command of a job; no file of the project is taken for a module."""
    return [sys.executable, "-P", "-m", "vidi", "--job", str(folder), *words]


class Jobs:
    """The jobs of a project. Safe to use from any thread."""

    def __init__(self, project: Project, *, command: Command = command_of) -> None:
        """
        Args:
            project: whose jobs they are.
            command: makes the command of a job's folder and its words.
        """
        self.project = project
        self._command = command
        self._lock = threading.Lock()
        self._begun: dict[str, subprocess.Popen[bytes]] = {}  # by this app

    def start(self, verb: str, request: Values) -> Job:
        """Begin a job.

        Raises:
            Problem: there is no such verb or run, or a training is running.
            UsageError: the verb has no such option.
            ResourceError: the job's folder cannot be written.
        """
        if verb not in VERBS:
            raise Problem("invalid-input", f"{verb} is no job.", f"Use one of: {', '.join(VERBS)}.")
        with self._lock:
            self.require_free(verb)
            job = self._made(verb, VERBS[verb], request)
            values = {"schema": SCHEMA, **asdict(job)}
            del values["folder"]
            write_atomic(job.folder / JOB, json.dumps(values, indent=1) + "\n")
            self._run(job, job.words)
            return job

    def _made(self, name: str, verb: Verb, request: Values) -> Job:
        """A new job: what the page asked for, about the project's data and runs, and folders for what it writes."""
        values = {**request, **{one: find_model_of(self.project, str(request.get(one, ""))) for one in verb.runs}}
        if verb.data:
            values[verb.data] = self.project.folder
        words_of(verb.request, values)  # refuses before anything is written
        folder, run = reserve_folder(self.project.folder / JOBS, name), None
        values |= {verb.output: folder / verb.page.partition("/")[0], **verb.also(folder)}
        if verb.trains:
            values[verb.output] = reserve_folder(self.project.runs, safe_name(self.project.name))
            run = values[verb.output].name
        return Job(
            folder=folder,
            verb=name,
            request=request,
            words=(name, *words_of(verb.request, values)),
            run=run,
            began=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def go_on(self, name: str, *, finish: bool = False) -> Job:
        """Continue a training that was stopped or interrupted, to the same weights; or judge one that is trained.

        Args:
            name: of the job.
            finish: train no further; calibrate, test and report what there is.

        Raises:
            Problem: there is no such job, it is complete, or a training is running.
        """
        with self._lock:
            job = self.find(name)
            if not job.can_go_on(self.state(job)[0]):
                raise Problem("invalid-input", f"{job.id} has nothing to continue.", "Start a new one.")
            self.require_free(job.verb)
            run, words = job.run_folder, job.words  # where it had written nothing, it begins again
            if job.verb == "retrain" and (run / METRICS).exists():
                words = ("retrain", f"--candidate={run}", "--", job.words[-1])
            elif (run / REQUEST).exists():
                words = ("train", f"--resume={run}", *(["--finish"] if finish else []))
            self._run(job, words)
            return job

    def stop(self, name: str) -> Job:
        """End a job as Ctrl-C does: it keeps what it has. One that has ended stays as it is.

        Raises:
            Problem: there is no such job.
        """
        job = self.find(name)
        holder, begun = holder_of(job.folder), self._begun.get(job.id)
        if holder is not None and hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.killpg(holder, signal.SIGINT)  # as a terminal does; its processes know what that means
        elif begun is not None and begun.poll() is None:
            begun.terminate()
        return job

    def list(self) -> Iterator[Job]:
        """All jobs of the project, the newest first."""
        found = [_read(path.parent) for path in (self.project.folder / JOBS).glob(f"*/{JOB}")]
        return iter(sorted(found, key=lambda job: job.began, reverse=True))

    def find(self, name: str) -> Job:
        """The job of a name.

        Raises:
            Problem: there is none.
        """
        if safe_name(name) != name or not (self.project.folder / JOBS / name / JOB).is_file():
            raise Problem("not-found", f"There is no job {name[:60]}.")
        return _read(self.project.folder / JOBS / name)

    def state(self, job: Job) -> tuple[State, Mapping[str, str]]:
        """How a job stands, and the last event of one that has ended well enough to say so."""
        begun = self._begun.get(job.id)
        if (begun is not None and begun.poll() is None) or holder_of(job.folder) is not None:
            return "running", {}
        last = _last_event(job.folder / EVENTS)
        return (last["state"], last) if last.get("event") == "ended" else ("interrupted", {})

    def describe(self, job: Job) -> dict[str, Json]:
        """A job for the page."""
        state, last = self.state(job)
        return {
            "id": job.id,
            "verb": job.verb,
            "request": dict(job.request),
            "run": job.run,
            "began": job.began,
            "state": state,
            "cause": last.get("cause", ""),
            "remedy": last.get("remedy", ""),
            "can_continue": job.can_go_on(state),
            "has_page": job.page.is_file(),
        }

    def require_free(self, verb: str) -> None:
        """Refuse a second training, and a second job of one kind, while one is running; raises `Problem`."""
        trains = VERBS[verb].trains
        for job in self.list():
            if (job.verb == verb or (trains and VERBS[job.verb].trains)) and self.state(job)[0] == "running":
                raise Problem("busy", f"{job.id} is running.", "Wait for its end, or stop it.")
        projects = list_projects(self.project.folder.parent) if trains else []
        for folder in (run for one in projects for run in one.runs.glob("*")):
            if holder_of(folder) is not None:  # also one that a terminal has begun
                raise Problem("busy", f"A training is running in {escape_path(folder)}.", "Wait for its end.")

    def _run(self, job: Job, words: Sequence[str]) -> None:
        """Start a process that nothing of this app ends."""
        with (job.folder / OUTPUT).open("ab") as output:
            self._begun[job.id] = process = subprocess.Popen(
                self._command(job.folder, words),
                cwd=self.project.folder,
                env={**os.environ, MODELS_VARIABLE: str(self.project.models)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # of POSIX; Windows has no such sessions, and the next line
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        if hasattr(os, "setpriority"):
            os.setpriority(os.PRIO_PROCESS, process.pid, VERBS[job.verb].niceness)


def find_model_of(project: Project, name: str) -> Path:
    """The folder of a run of a project, `NAME` or `runs/NAME`; or of a model in use, `models/NAME`.

    Raises:
        Problem: there is none.
    """
    kind, _, own = name.rpartition("/")
    if kind == MODELS and project.models.is_dir() and own in os.listdir(project.models):
        return project.models / own
    return find_run_of(project, own if kind == RUNS else name)


def find_run_of(project: Project, name: str) -> Path:
    """The folder of a run of a project.

    Raises:
        Problem: there is none of that name.
    """
    if name and project.runs.is_dir() and name in os.listdir(project.runs):
        return project.runs / name
    raise Problem("not-found", f"There is no run {name[:60]!r} in this project.")


def read_events(job: Job, start: int) -> tuple[list[tuple[int, bytes]], int]:
    """Whole lines of a job's events.

    Args:
        job: whose events.
        start: the byte to read from, which an earlier call gave, or 0.

    Returns:
        The lines, each with the byte after it; and the byte to read from next.
    """
    try:
        with (job.folder / EVENTS).open("rb") as stream:
            stream.seek(start)
            data = stream.read(MOST_READ)
    except FileNotFoundError:
        return [], start
    lines, end = list[tuple[int, bytes]](), start
    for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
        end += len(line)
        if line.startswith(b"{") and line.endswith(b"}\n"):  # not what a killed process left half written
            lines.append((end, line[:-1]))
    return lines, end


def _read(folder: Path) -> Job:
    try:
        values = read_json(folder / JOB)
        return Job(
            folder=folder,
            verb=str(values["verb"]),
            request=dict(values["request"]),
            words=tuple(values["words"]),
            run=values["run"],
            began=str(values["began"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{escape_path(folder / JOB)} is damaged: {error}", "Delete this job's folder.") from error


def _last_event(path: Path) -> Mapping[str, Any]:
    """The last whole line of a file of events; empty without one."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - LAST_LINE))
            lines = stream.read().splitlines()
        event = json.loads(lines[-1])
    except (OSError, ValueError, IndexError):
        return {}
    return event if isinstance(event, dict) else {}
