"""What the server says of itself: its models, health and counters, OpenAPI for programs, and a page for people."""

import re
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from vidi.serving.bodies import json_response
from vidi.serving.engine.service import Service
from vidi.serving.engine.telemetry import MEDIA_TYPE
from vidi.serving.routes.predict import served_document

if TYPE_CHECKING:
    from vidi.serving.routes.schemas import Schema


ADDRESS = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._/-]*)?", re.ASCII)
USUAL_ADDRESS = "http://localhost:8000"  # stands in examples where the request's Host header is odd

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


def routes(service: Service) -> list[Route]:
    """The routes, each bound to what it describes."""
    return [
        Route("/v1/models", _models(service)),
        Route("/healthz", _health),
        Route("/readyz", _ready(service)),
        Route("/metrics", _metrics(service)),
        Route("/openapi.json", _openapi(service)),
        Route("/docs", _docs(service)),
    ]


def _models(service: Service) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return json_response({"models": [served_document(model) for model in service.models]})

    return endpoint


async def _health(_: Request) -> Response:
    return json_response({"alive": True})


def _ready(service: Service) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        is_ready, document = service.readiness()
        return json_response(document, status=200 if is_ready else 503)

    return endpoint


def _metrics(service: Service) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return Response(service.metrics_text(), media_type=MEDIA_TYPE)

    return endpoint


def _document(service: Service, request: Request) -> "Schema":
    from importlib.metadata import version  # half of the descriptions' imports; few servers are ever asked for them

    from vidi.serving.routes.openapi import openapi_document

    names = [model.name for model in service.models]
    versions = [model.version for model in service.models]
    root = str(request.scope.get("root_path", ""))
    return openapi_document(
        names,
        service.settings,
        version=version("vidi"),
        root=root,
        versions=versions,
        logs=service.recorder is not None and service.recorder.feedback is not None,
    )


def _openapi(service: Service) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return json_response(_document(service, request))

    return endpoint


def _docs(service: Service) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        from vidi.serving.routes.docs_page import documentation_page, security_policy

        address = f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"
        page = documentation_page(
            _document(service, request),
            [served_document(model) for model in service.models],
            address=address if ADDRESS.fullmatch(address) else USUAL_ADDRESS,
            has_token="authorization" in request.headers,
        )
        return HTMLResponse(page, headers={"Content-Security-Policy": security_policy()})

    return endpoint
