"""`/train`: the page's training, where the server answers only programs on its own computer."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.serving.engine.service import Service
from vidi.serving.engine.training import Trainer
from vidi.serving.problems import Problem
from vidi.serving.routes.reading import json_response, read_body

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]

# The report shows its own images and figures, and loads nothing.
POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"


def routes(service: Service) -> list[Route]:
    """The routes; none where the server does not train."""
    trainer = service.trainer
    if trainer is None:
        return []
    return [
        Route("/train", _start(service, trainer), methods=["POST"]),
        Route("/train", _state(trainer), methods=["GET"]),
        Route("/train/report", _report(trainer), methods=["GET"]),
    ]


def _start(service: Service, trainer: Trainer) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if request.headers.get("content-type") != "application/zip":
            raise Problem("unsupported-media-type", "Images to learn from come as application/zip.")
        body = await read_body(request, most=service.settings.body_bytes)
        trainer.start(body)
        return json_response(trainer.as_json(), status=202)

    return endpoint


def _state(trainer: Trainer) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return json_response(trainer.as_json())

    return endpoint


def _report(trainer: Trainer) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return Response(trainer.report(), media_type="text/html", headers={"Content-Security-Policy": POLICY})

    return endpoint
