"""The models in use of a project: which, since when and why; promotion, roll-back, files, and what its log says."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from vidi.app.jobs import LOG, Jobs, find_run_of
from vidi.app.pages import HEADERS
from vidi.app.state import AppState
from vidi.data.project import Project
from vidi.errors import DataError, ModelError, ResourceError
from vidi.files import escape_path, unescape_path
from vidi.model_file.values import Json
from vidi.registry import RegisteredModel, find_name, list_registered
from vidi.serving.bodies import json_response, read_body, read_json
from vidi.serving.problems import Problem
from vidi.workflows.interaction.run_folder import MODEL
from vidi.workflows.promote import PromoteResult, promote, roll_back, test_line
from vidi.workflows.requests.in_use import MonitorRequest, PromoteRequest, RollbackRequest

EXPORTED: Final = "export"  # the folder of a job that exports
MOST_BODY: Final = 65_536  # bytes
MOST_ADDRESS: Final = 1_000  # signs
Why = Annotated[str, Meta(max_length=1_000)]


class Promoted(Struct):
    """Which run is put in use, and why."""

    run: str
    why: Why = ""


class RolledBack(Struct):
    """Which version comes back, and why."""

    to: str | None = None  # the one before
    why: Why = ""


def routes(state: AppState) -> list[Route]:
    """The routes about models in use.

    Args:
        state: of the app.
    """

    async def show(_: Request) -> Response:
        return json_response(await asyncio.to_thread(lambda: {"models": described_models(state.need_project())}))

    async def put(request: Request) -> Response:
        sent, name = read_json(await read_body(request, most=MOST_BODY), Promoted), request.path_params["name"]
        project = state.need_project()
        asked = PromoteRequest(model=find_run_of(project, sent.run), name=name, why=sent.why)
        return await decided(project, lambda: promote(asked, root=project.models))

    async def back(request: Request) -> Response:
        sent, name = read_json(await read_body(request, most=MOST_BODY), RolledBack), request.path_params["name"]
        project = state.need_project()
        asked = RollbackRequest(name=name, to=sent.to, why=sent.why)
        return await decided(project, lambda: roll_back(asked, root=project.models))

    async def decided(project: Project, decide: Callable[[], PromoteResult]) -> Response:
        await asyncio.to_thread(decide)
        return json_response(await asyncio.to_thread(lambda: {"models": described_models(project)}))

    def named(request: Request) -> RegisteredModel:
        return find_name(state.need_project().models, request.path_params["name"])

    async def send_file(request: Request) -> Response:
        found = await asyncio.to_thread(named, request)
        name = f"{found.name}-{found.current.version}.onnx"
        return FileResponse(found.model, media_type="application/octet-stream", filename=name, headers=HEADERS)

    async def send_export(request: Request) -> Response:
        job = await asyncio.to_thread(state.kept(Jobs).find, request.path_params["id"])
        path = job.folder / EXPORTED / MODEL
        if not path.is_file():
            raise Problem("not-found", "This job has exported no model file.")
        name = f"{job.request.get('model')}-{job.request.get('to')}.onnx"
        return FileResponse(path, media_type="application/octet-stream", filename=name, headers=HEADERS)

    async def watched(request: Request) -> Response:
        log = state.need_project().folder / LOG
        return json_response(await asyncio.to_thread(lambda: watched_lines(named(request), log)))

    return [
        Route("/api/1/models", show, methods=["GET"]),
        Route("/api/1/models/{name}", put, methods=["POST"]),
        Route("/api/1/models/{name}/rollback", back, methods=["POST"]),
        Route("/api/1/models/{name}/model.onnx", send_file, methods=["GET"]),
        Route("/api/1/models/{name}/watched", watched, methods=["GET"]),
        Route("/api/1/jobs/{id}/model.onnx", send_export, methods=["GET"]),
        Route("/api/1/qr.svg", _qr_code, methods=["GET"]),
    ]


async def _qr_code(request: Request) -> Response:
    address = request.query_params.get("address", "")[:MOST_ADDRESS]
    return Response(await asyncio.to_thread(qr_picture, address), media_type="image/svg+xml", headers=HEADERS)


def described_models(project: Project) -> list[Json]:
    """The models in use of a project, each with the decisions about it, the newest first.

    Raises:
        ModelError: the history of one is damaged.
    """
    return [_described(project, one) for one in list_registered(project.models)]


def _described(project: Project, model: RegisteredModel) -> dict[str, Json]:
    used, standing = model.current, model.standing
    run = Path(unescape_path(used.origin)).name
    return {
        "name": model.name,
        "version": used.version,
        "tested": test_line(used.figures),
        "who": used.who,
        "at": used.at,
        "why": used.why,
        "run": run if (project.runs / run).is_dir() else None,  # that it came from, where that is still there
        "before": standing[-2] if len(standing) > 1 else None,
        "history": [
            {
                "action": one.action,
                "version": one.version,
                "tested": test_line(one.figures),
                "who": one.who,
                "at": one.at,
                "why": one.why,
            }
            for one in reversed(model.decisions)
        ],
    }


def watched_lines(model: RegisteredModel, log: Path) -> dict[str, Json]:
    """What a log says of a model in use: drift, estimated accuracy, and the count of its images with a label.

    Args:
        model: in use.
        log: of its answers; it need not be there.
    """
    if not log.is_file():
        return {"state": "unwatched", "folder": escape_path(log.parent)}
    from vidi.report.pages.monitor import accuracy_line, headline
    from vidi.workflows.monitor import monitor

    try:
        found = monitor(MonitorRequest(model=model.model, log=str(log)))
    except (DataError, ModelError, ResourceError) as error:
        return {"state": "unknown", "why": error.cause, "remedy": error.remedy}
    document = found.document
    return {
        "state": found.drift.state,
        "drift": headline(document),
        "accuracy": accuracy_line(document["accuracy"]),
        "labelled": document["feedback"]["judged"],
    }


def qr_picture(address: str) -> bytes:
    """A QR code of an address, as SVG."""
    import segno

    picture = io.BytesIO()
    segno.make(address, error="m", micro=False).save(picture, kind="svg", scale=6, border=3, light="#fff")
    return picture.getvalue()
