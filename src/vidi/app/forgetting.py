"""Forgetting an image in the app: what `vidi forget` removes, and the copies that the project itself made."""

import asyncio

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.app.images import gallery_of
from vidi.app.state import AppState
from vidi.data.project import IMAGES, Project
from vidi.errors import ImageError
from vidi.files import digest_of, digest_of_file, writing_error
from vidi.model_file.values import Json
from vidi.numbers import count_of
from vidi.serving.bodies import json_response, read_body, read_json
from vidi.serving.problems import Problem

MOST_BODY = 4_096  # bytes


class OfImage(Struct):
    """The image to forget, as the page names it."""

    id: str


def routes(state: AppState) -> list[Route]:
    """The route that forgets an image of the open project."""

    async def begin(request: Request) -> Response:
        sent = read_json(await read_body(request, most=MOST_BODY), OfImage)
        return json_response(await asyncio.to_thread(_forget, state, sent.id))

    return [Route("/api/1/forget", begin, methods=["POST"])]


def _forget(state: AppState, name: str) -> dict[str, Json]:
    """Remove an image; what belonged to the project is read again."""
    from vidi.workflows.forget import forget  # half of all imports of the app

    project, gallery = state.need_project(), state.kept(gallery_of)
    try:
        digest = digest_of(gallery.read(gallery.row(name)))
    except ImageError as error:
        raise Problem("unusable-image", error.cause, error.remedy) from error
    places = [project.source, project.runs] if project.runs.is_dir() else [project.source]
    done = forget(digest, [str(place) for place in places], environment=state.environment)
    copies = remove_copies(project, digest)
    state.open(project)
    removed = [*done.removed, *([f"{count_of(copies, 'copy')} in the project"] if copies else [])]
    return {"removed": [*removed], "left": [*done.left]}


def remove_copies(project: Project, digest: str) -> int:
    """Remove the files with these bytes that were brought into a project; the user's own stay.

    Returns:
        How many there were.

    Raises:
        ResourceError: one cannot be removed.
    """
    count = 0
    for path in (project.folder / IMAGES).rglob("*"):
        if path.is_file() and digest_of_file(path) == digest:
            try:
                path.unlink()
            except OSError as error:
                raise writing_error(error, path) from error
            count += 1
    return count
