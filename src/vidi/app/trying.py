"""Try: the phone page with the project's models, and what people say of an answer, kept in the project."""

import asyncio
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from vidi.app.corrections import decoded, keep_image
from vidi.app.images import gallery_of
from vidi.app.state import AppState
from vidi.data.labels import Kind
from vidi.data.project import Project
from vidi.errors import ModelError
from vidi.export.model_document import MODELS_DOCUMENT, models_document
from vidi.files import digest_of, unescape_path
from vidi.images.limits import Limits
from vidi.model_file.values import Json
from vidi.registry import list_registered
from vidi.serving.application import application, service_of
from vidi.serving.bodies import json_response, misfit, read_body
from vidi.serving.engine.models import ModelTable, ServedModel, open_served
from vidi.serving.engine.telemetry import RequestLog
from vidi.workflows.explaining.neighbours import find_neighbours, neighbours_of
from vidi.workflows.interaction.run_folder import MODEL
from vidi.workflows.runs import list_runs

MOST_RUNS: Final = 3  # that are offered beside the models in use, the newest first: to open one takes 0.3 s
SIMILAR: Final = 3
FEEDBACK: Final = "../api/1/feedback"  # of the phone page's address
KINDS: Final[tuple[Kind, ...]] = ("label", "none", "unclear")


def routes(state: AppState) -> list[BaseRoute]:
    """The routes of Try.

    Args:
        state: of the app.
    """

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        tried = await asyncio.to_thread(state.kept, TriedModels)
        await tried.app(scope, receive, send)

    async def listed(_: Request) -> Response:
        tried = await asyncio.to_thread(state.kept, TriedModels)
        return json_response(tried.document())

    async def offered(request: Request) -> Response:
        tried = await asyncio.to_thread(state.kept, TriedModels)
        return json_response(await asyncio.to_thread(tried.offer, request.query_params.get("run")))

    async def similar(request: Request) -> Response:
        tried = await asyncio.to_thread(state.kept, TriedModels)
        data = await read_body(request, most=Limits().file_bytes)
        found = await asyncio.to_thread(similar_images, tried.find(request.query_params.get("model")), data)
        return json_response({"similar": found})

    async def keep(request: Request) -> Response:
        said = request.query_params
        kind = next((one for one in KINDS if one == said.get("kind")), None)
        labels = said.getlist("label")
        if kind is None or (kind == "label") != bool(labels):
            raise misfit(f"The answer {said.get('kind')!r} came with the labels {labels!r}", "Load the page again.")
        data = await read_body(request, most=Limits().file_bytes)
        project, name = state.need_project(), said.get("name", "")
        answer = (kind, tuple(labels))
        known = await asyncio.to_thread(lambda: state.kept(gallery_of).paths_of(digest_of(data)))
        path = await asyncio.to_thread(keep_image, project, data, answer, name=name, who=state.who, known=known)
        return json_response({"kept": path})

    return [
        Route(f"/try/{MODELS_DOCUMENT}", listed),
        Mount("/try", app=page),
        Route("/api/1/try", offered),
        Route("/api/1/similar", similar, methods=["POST"]),
        Route("/api/1/feedback", keep, methods=["POST"]),
    ]


class TriedModels:
    """The models of a project, as the phone page's server offers them: those in use first, then the newest runs."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._service = service_of((), log=RequestLog(lambda _: None))
        self.app: Starlette = application(self._service)

    def document(self) -> dict[str, Json]:
        """What the phone page's `models.json` says."""
        named = [(one.name, one.model) for one in self._service.models]
        return models_document(named, predicts=True, feedback=FEEDBACK)

    def offer(self, wanted: str | None) -> dict[str, Json]:
        """Open what is new, and say what there is.

        Args:
            wanted: a run that is offered however old it is.
        """
        opened, refused = list[ServedModel](), list[Json]()
        known = {(one.name, one.model.path): one for one in self._service.models}
        for name, path in models_of(self._project, wanted).items():
            try:
                opened.append(known.get((name, path)) or open_served(name, path))
            except ModelError as error:
                refused.append({"name": name, "why": str(error)})
        self._service.models = ModelTable(opened)
        begins = next((one.name for one in opened if one.path == self._project.runs / str(wanted) / MODEL), None)
        models: list[Json] = [{"name": one.name, "of": self._of(one.path)} for one in opened]
        return {"models": models, "refused": refused, "begins": begins}

    def _of(self, path: Path) -> str:
        """Whose file it is, as jobs name it: `models/NAME`, or `runs/NAME`."""
        return "/".join(path.relative_to(self._project.folder).parts[:2])

    def close(self) -> None:
        """End the processes that decode images, where a browser left the answers to this computer."""
        self._service.engine.stop()

    def find(self, name: str | None) -> ServedModel:
        """The model of a name; raises `Problem` where none is offered under it."""
        return self._service.models.find(name)


def models_of(project: Project, wanted: str | None = None) -> dict[str, Path]:
    """The model files to try by name: those in use, then those of finished runs, the newest first.

    Args:
        wanted: a run that is among them however old it is.
    """
    used = list_registered(project.models)
    found = {one.name: one.model for one in used}
    same = {Path(unescape_path(one.current.origin)).name for one in used}  # runs whose models are there already
    runs = list_runs(project.runs) if project.runs.is_dir() else []
    tested = [
        one
        for one in runs
        if one.kind == "run" and one.state == "finished" and (one.name not in same or one.name == wanted)
    ]
    newest = sorted(tested, key=lambda one: one.date, reverse=True)
    for number, run in enumerate(newest):
        path = project.runs / run.name / MODEL
        name = f"run-{run.name}" if run.name in found else run.name
        if path.is_file() and (number < MOST_RUNS or wanted == run.name):
            found[name] = path
    return found


def similar_images(served: ServedModel, data: bytes) -> list[Json]:
    """The training images that look most like an image for a model; none where its run kept none.

    Args:
        data: of the image file.

    Raises:
        Problem: the image cannot be used.
    """
    known = neighbours_of(served.model)
    if known is None:
        return []
    (seen,) = served.alone.predict([decoded(data).image], embedding=True)
    assert seen.embedding is not None  # noqa: S101  # it was asked for
    return [
        {
            "path": one.path,
            "label": one.label,
            "similarity": round(one.similarity, 4),
            "thumbnail": None if one.thumbnail is None else one.thumbnail.uri,
        }
        for one in find_neighbours(known, seen.embedding, count=SIMILAR)
    ]
