"""The description of the app's requests that programs read: OpenAPI 3.1."""

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.app.forgetting import OfImage as ForgottenImage
from vidi.app.images import Said
from vidi.app.importing import KnownFiles, NewPile, NewProject
from vidi.app.in_use import Promoted, RolledBack
from vidi.app.projects import OpenedProject
from vidi.app.reviewing import OfAnswer, OfImage, Step
from vidi.app.training import AskedJob, Continued
from vidi.serving.bodies import json_response
from vidi.serving.problems import MEDIA_TYPE

Described = tuple[str, type | None]  # what it does; the body that it takes
ROUTES: Final[Mapping[str, Described]] = {
    "POST /api/1/session": ("Exchange the token, sent as a bearer token, for a cookie.", None),
    "GET /api/1/project": ("The open project, and the others of this computer.", None),
    "POST /api/1/project": (
        "Open a project, or the one of images in place; it is made where there is none.",
        OpenedProject,
    ),
    "POST /api/1/projects": ("Make a project for images that are about to be brought.", NewProject),
    "POST /api/1/projects/example": ("Make a project of 200 example photographs.", None),
    "GET /api/1/folders": ("Folders of this computer below `path`, to choose one.", None),
    "POST /api/1/files/known": ("Which of these files lie in the project already.", KnownFiles),
    "POST /api/1/piles": ("Make a folder for images that are about to be brought to be sorted.", NewPile),
    "PUT /api/1/files": ("Bring a part of a file: `path`, `from`, `size`, `digest` and `pile` are in the query.", None),
    "GET /api/1/files/classes": ("Classes of the images that were brought.", None),
    "GET /api/1/images": ("Images by `filter`, `class`, `text`, `digests` and `sort`, in their order.", None),
    "GET /api/1/images/{id}": ("What is known of one image, and its copies.", None),
    "GET /api/1/thumbs/{id}": ("A small picture of an image.", None),
    "GET /api/1/image/{id}": ("An image, upright and of a bounded size.", None),
    "GET /api/1/findings": ("Classes and findings with their counts.", None),
    "POST /api/1/findings": ("Look for images that were brought meanwhile.", None),
    "POST /api/1/labels": ("Say something of images; it is on the disk when this answers.", Said),
    "POST /api/1/labels/undo": ("Take the last answer back.", None),
    "POST /api/1/forget": ("Remove an image from all that is kept of it.", ForgottenImage),
    "GET /api/1/jobs": ("All jobs of the project, the newest first.", None),
    "POST /api/1/jobs": ("Start a verb as a process of its own.", AskedJob),
    "GET /api/1/jobs/{id}": ("How a job stands, and its events from the byte `from`.", None),
    "DELETE /api/1/jobs/{id}": ("Stop a job as Ctrl-C does.", None),
    "POST /api/1/jobs/{id}/continue": ("Continue a training that was stopped or killed.", Continued),
    "GET /api/1/jobs/{id}/page": ("The page that a job has written.", None),
    "GET /api/1/jobs/{id}/sorted.zip": ("The images that a job has sorted into class folders.", None),
    "GET /api/1/events": ("The events of a `job` as they come; ids are bytes of its events.jsonl.", None),
    "GET /api/1/options/{verb}": ("The options that a verb declares.", None),
    "GET /api/1/runs": ("The runs of the project.", None),
    "DELETE /api/1/runs/{name}": ("Delete a run.", None),
    "GET /api/1/runs/{name}/wrong": ("Digests of the test images that a run got wrong.", None),
    "GET /api/1/runs/{name}/changes": ("What was said of images since a run began.", None),
    "GET /api/1/runs/{name}/{file}": ("A file of a run.", None),
    "GET /api/1/try": ("The models that can be tried.", None),
    "GET /api/1/review": ("What is reviewed, and by whom.", None),
    "GET /api/1/review/images/{digest}": ("An image of the review.", None),
    "POST /api/1/review/next": ("The image that a window is to show.", Step),
    "POST /api/1/review/answers": ("Answer about an image; the next one.", OfAnswer),
    "POST /api/1/review/undo": ("Take the last answer of a window back.", Step),
    "POST /api/1/review/show": ("Show an image again.", OfImage),
    "GET /api/1/models": ("The models in use, with the decisions about them.", None),
    "POST /api/1/models/{name}": ("Put a run in use under a name.", Promoted),
    "POST /api/1/models/{name}/rollback": ("Go back to an earlier version.", RolledBack),
    "GET /api/1/models/{name}/model.onnx": ("The model file in use.", None),
    "GET /api/1/models/{name}/watched": ("What the project's log says of a model: drift and accuracy.", None),
    "GET /api/1/jobs/{id}/model.onnx": ("The model file that a job has exported.", None),
    "GET /api/1/qr.svg": ("A QR code of an `address`.", None),
    "POST /api/1/similar": ("The most similar training images of an image.", None),
    "POST /api/1/feedback": ("Keep an image with what was said of it.", None),
    "GET /api/1/openapi.json": ("This description.", None),
}


def routes() -> list[Route]:
    """The route of the description."""

    async def describe(_: Request) -> Response:
        return json_response(openapi_document(ROUTES))

    return [Route("/api/1/openapi.json", describe, methods=["GET"])]


def openapi_document(described: Mapping[str, Described]) -> dict[str, Any]:
    """The description of some requests.

    Args:
        described: by method and path, such as `GET /api/1/project`.
    """
    bodies = [body for _, body in described.values() if body is not None]
    references, components = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(bodies, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for key, (summary, body) in described.items():
        method, path = key.split(" ")
        operation: dict[str, Any] = {
            "summary": summary,
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in re.findall(r"\{(\w+)\}", path)
            ],
            "responses": {
                "2XX": {"description": "Done."},
                "default": {
                    "description": "A problem, by RFC 9457.",
                    "content": {MEDIA_TYPE: {"schema": {"type": "object", "required": ["code", "detail", "remedy"]}}},
                },
            },
        }
        if body is not None:
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema_of[body]}}}
        paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "vidi app", "version": version("vidi")},
        "paths": paths,
        "components": {"schemas": components},
    }
