"""The ASGI app: routes, what the server says of itself, and what becomes of an error."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.serving.bodies import json_response, problem_response
from vidi.serving.engine.engine import AnswerEngine
from vidi.serving.engine.models import ModelTable, ServedModel, open_served
from vidi.serving.engine.service import Service
from vidi.serving.engine.telemetry import MEDIA_TYPE, RequestLog, Watched
from vidi.serving.problems import Problem
from vidi.serving.routes import feedback, inference, page, predict
from vidi.serving.routes.predict import served_document
from vidi.serving.settings import Settings


def app(models: "Mapping[str, Path | str]", settings: Settings | None = None) -> Starlette:
    """Return an ASGI app that answers for some models; run it by any ASGI server, or mount it in another app.

    Args:
        models: path of a model file or run folder, by the name that requests use.

    Raises:
        ModelError: a model file cannot be trusted, or fails its self-test here.
    """
    return application(service_of((open_served(name, Path(path)) for name, path in models.items()), settings))


def service_of(
    models: Iterable[ServedModel],
    settings: Settings | None = None,
    *,
    log: RequestLog | None = None,
) -> Service:
    """Return what answers for some models; nothing is started yet.

    Args:
        log: takes a line for each request.
    """
    settings = settings or Settings()
    return Service(
        models=ModelTable(models),
        engine=AnswerEngine.of(settings.decode, workers=settings.workers),
        settings=settings,
        log=log or RequestLog(),
    )


def application(service: Service, *middleware: Middleware) -> Starlette:
    """Return the app of a service.

    Args:
        middleware: that keeps requests out; what it refuses is counted and logged too.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            service.engine.stop()

    made = Starlette(
        routes=[
            *predict.routes(service),
            *feedback.routes(service),
            *inference.routes(service),
            Route("/v1/models", partial(_models, service)),
            Route("/healthz", _health),
            Route("/readyz", partial(_ready, service)),
            Route("/metrics", partial(_metrics, service)),
            Route("/openapi.json", partial(_openapi, service)),
            *page.routes(service),
        ],
        lifespan=lifespan,
        middleware=[Middleware(Watched, service.metrics, service.log), *middleware],
        exception_handlers={Problem: _on_problem, HTTPException: _on_http, Exception: _on_bug},
    )
    made.router.redirect_slashes = False  # a path is answered as it is written, or not at all
    return made


async def _models(service: Service, _: Request) -> Response:
    return json_response({"models": [served_document(model) for model in service.models]})


async def _health(_: Request) -> Response:
    return json_response({"alive": True})


async def _ready(service: Service, _: Request) -> Response:
    is_ready, document = service.readiness()
    return json_response(document, status=200 if is_ready else 503)


async def _metrics(service: Service, _: Request) -> Response:
    return Response(service.metrics_text(), media_type=MEDIA_TYPE)


async def _openapi(service: Service, request: Request) -> Response:
    from importlib.metadata import version  # half of the descriptions' imports; few servers are ever asked for them

    from vidi.serving.routes.openapi import openapi_document

    document = openapi_document(
        [model.name for model in service.models],
        service.settings,
        version=version("vidi"),
        root=str(request.scope.get("root_path", "")),
        versions=[model.version for model in service.models],
        logs=service.recorder is not None and service.recorder.feedback is not None,
    )
    return json_response(document)


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  # starlette calls it for nothing else
    return problem_response(error)


async def _on_http(request: Request, error: Exception) -> Response:
    """What starlette itself refuses."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    code = {404: "not-found", 405: "method-not-allowed", 400: "bad-request"}.get(status, "bad-request")
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return problem_response(Problem(code, f"{request.method} is not answered here.", headers=headers))


async def _on_bug(_: Request, error: Exception) -> Response:
    """What nobody raised on purpose; the server writes the traceback."""
    return problem_response(Problem("internal-error", f"The server failed ({type(error).__name__}).", "Report it."))
