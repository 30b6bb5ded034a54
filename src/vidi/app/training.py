"""The routes about jobs and runs: start, follow, stop and continue; what the runs found, and their pages."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import MISSING, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from vidi.app.jobs import SORTED, VERBS, Job, Jobs, find_run_of, read_events
from vidi.app.state import AppState
from vidi.evaluation.run_files import METRICS, PREDICTIONS, read_answers, read_metrics
from vidi.files import read_json as read_json_file
from vidi.options import Argument, Declared, declared
from vidi.serving.bodies import json_response, read_body, read_json
from vidi.serving.problems import Problem
from vidi.workflows.interaction.request import labels_state_of
from vidi.workflows.interaction.run_folder import (
    GATE,
    GATE_PAGE,
    MODEL,
    MODEL_CARD,
    RECIPE,
    REPORT,
    REQUEST,
    SPLITS,
    read_request,
    understood,
)
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run.budget import MUST_FOLLOW, TABLE
from vidi.workflows.runs import ListedRun, delete_run, list_runs

MOST_BODY: Final = 65_536  # bytes
LOOK_SECONDS: Final = 0.25  # between two looks at the events of a job
# A page of vidi shows its own images and figures, and loads nothing.
PAGE_POLICY: Final = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html",
    ".json": "application/json",
    ".csv": "text/csv",
    ".toml": "text/plain",
    ".md": "text/plain",
    ".onnx": "application/octet-stream",
}
NO_STORE: Final = {"Cache-Control": "no-store"}
MOST_DIGITS: Final = 15  # of a place in a file
RUN_FILES: Final = (REPORT, GATE_PAGE, GATE, MODEL, METRICS, PREDICTIONS, MODEL_CARD, RECIPE, SPLITS)


class AskedJob(Struct):
    """What a page asks a verb to do."""

    verb: str
    request: dict[str, Any] = field(default_factory=dict)  # option → value


class Continued(Struct):
    """How a training is continued."""

    finish: bool = False


def routes(state: AppState) -> list[Route]:
    """The routes about the open project's jobs and runs."""
    return [*_job_routes(state), *_run_routes(state)]


def _job_routes(state: AppState) -> list[Route]:
    def jobs() -> Jobs:
        return state.kept(Jobs)

    def found(request: Request) -> Job:
        return jobs().find(request.path_params["id"])

    async def list_jobs(_: Request) -> Response:
        return json_response(await asyncio.to_thread(lambda: {"jobs": [*map(jobs().describe, jobs().list())]}))

    async def start(request: Request) -> Response:
        sent = read_json(await read_body(request, most=MOST_BODY), AskedJob)
        return await described(lambda: jobs().start(sent.verb, sent.request))

    async def stop(request: Request) -> Response:
        return await described(lambda: jobs().stop(request.path_params["id"]))

    async def go_on(request: Request) -> Response:
        sent = read_json(await read_body(request, most=MOST_BODY) or b"{}", Continued)
        return await described(lambda: jobs().go_on(request.path_params["id"], finish=sent.finish))

    async def described(change: Callable[[], Job]) -> Response:
        job = await asyncio.to_thread(change)
        return json_response(await asyncio.to_thread(jobs().describe, job), status=202)

    async def show(request: Request) -> Response:
        """A job and its events from a byte on, for who cannot keep a connection open."""
        job, start = await asyncio.to_thread(found, request), _byte(request.query_params.get("from", "0"))
        told = await asyncio.to_thread(jobs().describe, job)  # before the events: none is missed of a job that ended
        lines, end = await asyncio.to_thread(read_events, job, start)
        return json_response({"job": told, "events": [json.loads(line) for _, line in lines], "next": end})

    async def show_page(request: Request) -> Response:
        job = await asyncio.to_thread(found, request)
        return _file(job.page, "This job has no page yet.")

    async def send_sorted(request: Request) -> Response:
        job = await asyncio.to_thread(found, request)
        folder = job.folder / SORTED
        if not folder.is_dir():
            raise Problem("not-found", "This job has sorted nothing yet.")
        return StreamingResponse(zipped(folder), media_type="application/zip", headers=NO_STORE)

    async def follow(request: Request) -> Response:
        job = await asyncio.to_thread(jobs().find, request.query_params.get("job", ""))
        start = _byte(request.headers.get("last-event-id") or request.query_params.get("from", "0"))
        return StreamingResponse(followed(state, jobs(), job, start), media_type="text/event-stream", headers=NO_STORE)

    return [
        Route("/api/1/jobs", list_jobs, methods=["GET"]),
        Route("/api/1/jobs", start, methods=["POST"]),
        Route("/api/1/jobs/{id}", show, methods=["GET"]),
        Route("/api/1/jobs/{id}", stop, methods=["DELETE"]),
        Route("/api/1/jobs/{id}/continue", go_on, methods=["POST"]),
        Route("/api/1/jobs/{id}/page", show_page, methods=["GET"]),
        Route("/api/1/jobs/{id}/sorted.zip", send_sorted, methods=["GET"]),
        Route("/api/1/events", follow, methods=["GET"]),
        Route("/api/1/options/{verb}", _show_options, methods=["GET"]),
    ]


async def _show_options(request: Request) -> Response:
    verb = VERBS.get(request.path_params["verb"])
    if verb is None:
        raise Problem("not-found", "There is no job of this name.")
    taken = {verb.data, verb.output, *verb.runs}
    options = [_option(one) for one in declared(verb.request) if one.is_spelled and one.name not in taken]
    return json_response({"options": options, "needs": _needs()})


def _run_routes(state: AppState) -> list[Route]:
    def runs_folder() -> Path:
        return state.need_project().runs

    async def show_runs(_: Request) -> Response:
        folder = runs_folder()
        listed = await asyncio.to_thread(list_runs, folder) if folder.is_dir() else []
        return json_response({"runs": await asyncio.to_thread(lambda: [_run(folder, one) for one in listed])})

    async def remove_run(request: Request) -> Response:
        name = request.path_params["name"]
        freed = await asyncio.to_thread(delete_run, runs_folder(), name)
        return json_response({"freed": freed})

    async def show_wrong(request: Request) -> Response:
        folder = find_run_of(state.need_project(), request.path_params["name"])
        answers = await asyncio.to_thread(read_answers, folder)
        wrong = [one for one in answers if not one.is_right]
        rows = [{"digest": one.digest, "label": one.truth, "predicted": one.predicted} for one in wrong]
        return json_response({"tested": len(answers), "wrong": rows})

    async def show_changes(request: Request) -> Response:
        folder = find_run_of(state.need_project(), request.path_params["name"])
        return json_response({"changed": await asyncio.to_thread(_has_new_labels, folder)})

    async def send_file(request: Request) -> Response:
        folder, name = find_run_of(state.need_project(), request.path_params["name"]), request.path_params["file"]
        if name not in RUN_FILES:
            raise Problem("not-found", f"No file of this name is sent: {name[:60]}.")
        return _file(folder / name, f"The run has no {name}.")

    return [
        Route("/api/1/runs", show_runs, methods=["GET"]),
        Route("/api/1/runs/{name}", remove_run, methods=["DELETE"]),
        Route("/api/1/runs/{name}/wrong", show_wrong, methods=["GET"]),
        Route("/api/1/runs/{name}/changes", show_changes, methods=["GET"]),
        Route("/api/1/runs/{name}/{file}", send_file, methods=["GET"]),
    ]


async def followed(state: AppState, jobs: Jobs, job: Job, start: int) -> AsyncIterator[bytes]:
    """Events of a job as they come; the last one is named `job`, and says how the job stands when nothing follows."""
    while not state.lifecycle.is_stopping:
        told = await asyncio.to_thread(jobs.describe, job)
        lines, start = await asyncio.to_thread(read_events, job, start)
        for end, line in lines:
            yield b"id: %d\ndata: %s\n\n" % (end, line)
        if lines:
            continue
        if told["state"] != "running":
            yield f"event: job\ndata: {json.dumps(told)}\n\n".encode()
            return
        yield b":\n\n"  # finds out whether the reader is still there
        await asyncio.sleep(LOOK_SECONDS)


class _Taken(io.RawIOBase):
    """A file that is written to, and whose bytes are taken away between."""

    def __init__(self) -> None:
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


def zipped(folder: Path) -> Iterator[bytes]:
    """The files below a folder as a zip archive, in parts: one file is in memory at a time."""
    written = _Taken()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            archive.writestr(zipfile.ZipInfo(path.relative_to(folder).as_posix()), path.read_bytes())
            yield written.take()
    yield written.take()


def _byte(text: str) -> int:
    if not text.isdigit() or len(text) > MOST_DIGITS:
        raise Problem(
            "invalid-input", f"{text[:40]!r} is no place in the events.", "Send what an event gave as its id."
        )
    return int(text)


def _file(path: Path, missing: str) -> Response:
    """A file that a run or a job wrote; a page may load nothing and run nothing."""
    if not path.is_file():
        raise Problem("not-found", missing)
    kind = MEDIA_TYPES[path.suffix]
    return FileResponse(path, media_type=kind, headers={**NO_STORE, "Content-Security-Policy": PAGE_POLICY})


def _has_new_labels(run: Path) -> bool:
    """Whether people gave labels since a run began."""
    with understood(run / REQUEST):
        asked = TrainRequest.from_dict(read_request(run)).data
    return labels_state_of(replace(asked, labels_state=None)) != asked.labels_state


def _needs() -> dict[str, dict[str, float]]:
    """Seconds of an idle computer of two cores for a tested model, and for comparing pretrained networks as well."""
    stages = {"model": ("reading", "features", "labels", *MUST_FOLLOW), "comparing": ("comparing backbones",)}
    return {
        name: {
            "seconds": sum(TABLE[stage].seconds for stage in found),
            "per_image": sum(TABLE[stage].per_image for stage in found),
        }
        for name, found in stages.items()
    }


def _option(option: Declared) -> dict[str, object]:
    """An option as a form shows it; of one that is read from words, the default is those words."""
    info, kinds = option.info, {option.kind, *get_args(option.kind)}
    literals = [str(one) for kind in kinds if get_origin(kind) is Literal for one in get_args(kind)]
    choices = literals if isinstance(info, Argument) else literals or list(info.choices)
    is_read = not isinstance(info, Argument) and info.read is not None
    kind = "text" if is_read else "flag" if bool in kinds else "integer" if int in kinds else "text"
    if float in kinds and not is_read:
        kind = "number"
    plain = isinstance(option.default, str | int | float) and not is_read
    return {
        "name": option.name,
        "kind": "choice" if choices else kind,
        "default": option.default if plain else None,
        "needed": option.default is MISSING,
        "help": info.help,
        "choices": choices,
        "several": info.several,
        "least": None if isinstance(info, Argument) else info.least,
    }


def _run(folder: Path, listed: ListedRun) -> dict[str, object]:
    """A run in the table: how good, how long, how large, what was decided of it, and what can be opened."""
    metrics = read_metrics(folder / listed.name)
    present = [name for name in RUN_FILES if (folder / listed.name / name).is_file()]
    gate = read_json_file(folder / listed.name / GATE) if GATE in present else {}
    return {
        **listed.as_json(),
        "seconds": sum((metrics.seconds or {}).values()) or None,
        "files": present,
        "gate": {"passed": gate["passed"], "sentence": gate["sentence"]} if gate else None,
    }
