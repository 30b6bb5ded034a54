"""The projects of this computer: which one is open, and what the page knows of it."""

import asyncio
import os
from pathlib import Path

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.app.state import AppState
from vidi.data.project import Project, is_project, list_projects, make_project, read_project
from vidi.errors import UsageError
from vidi.files import escape_path
from vidi.model_file.values import Json
from vidi.serving.bodies import json_response, read_body, read_json

MOST_BODY = 65_536  # bytes


def project_of(path: Path, projects: Path) -> Project:
    """The project of a path: the one that it is, or the one whose images lie there; made where there is none.

    Args:
        path: a project, or a folder, archive or table of images.
        projects: where projects are made.

    Raises:
        UsageError: there is nothing at the path.
        DataError: the project is damaged, or the file is of no kind that names images.
        ResourceError: the project cannot be made.
    """
    if is_project(path):
        return read_project(path)
    if not path.exists():
        raise UsageError(
            f"{escape_path(path)}: no such folder", "Name a folder of images or a project, or leave it out."
        )
    if path.is_file():
        from vidi.data.readers.source import open_source  # takes 0.2 s, which no start should pay for

        open_source(path)  # refuses a file that names no images, before a project is made of it
    source = Path(os.path.abspath(path))
    known = (one for one in list_projects(projects) if one.source == source)
    return next(known, None) or make_project(projects, source.stem or "images", source=source)


class OpenedProject(Struct):
    """Which project to open."""

    folder: str


def routes(state: AppState, *, view: str, is_shared: bool) -> list[Route]:
    """The routes about projects.

    Args:
        state: of the app.
        view: that the page shows first.
        is_shared: whether others of the network use the page, who see only camera, labels and Try.
    """

    async def show(_: Request) -> Response:
        return json_response(await asyncio.to_thread(document))

    async def open_project(request: Request) -> Response:
        sent = read_json(await read_body(request, most=MOST_BODY), OpenedProject)
        state.open(await asyncio.to_thread(project_of, Path(sent.folder), state.projects))
        return json_response(await asyncio.to_thread(document))

    def document() -> dict[str, Json]:
        project = state.project
        return {
            "view": view,
            "who": state.who,
            "shared": is_shared,
            "project": None if project is None else describe(project),
            "projects": [] if is_shared else [describe(one) for one in state.list_projects()],
        }

    known = [Route("/api/1/project", show, methods=["GET"])]
    return known if is_shared else [*known, Route("/api/1/project", open_project, methods=["POST"])]


def describe(project: Project) -> dict[str, Json]:
    """A project in words for the page."""
    return {
        "name": project.name,
        "folder": str(project.folder),
        "source": str(project.source),
        "owns_images": project.owns_images,
    }
