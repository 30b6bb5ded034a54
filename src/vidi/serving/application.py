"""The ASGI app: routes, what becomes of an error, and each request counted, timed and logged."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vidi.model_file.values import Json
from vidi.serving.bodies import problem_response
from vidi.serving.engine.engine import AnswerEngine
from vidi.serving.engine.models import ModelTable, ServedModel, open_served
from vidi.serving.engine.service import Service
from vidi.serving.engine.telemetry import RequestLog, trace_of
from vidi.serving.problems import Problem
from vidi.serving.protocol.incoming import Lifecycle
from vidi.serving.routes import about, feedback, inference, page, predict
from vidi.serving.routes.page import public_paths
from vidi.serving.settings import Settings


def app(models: "Mapping[str, Path | str]", settings: Settings | None = None) -> Starlette:
    """Return an ASGI app that answers for some models; run it by any ASGI server, or mount it in another app.

    Args:
        models: path of a model file or run folder, by the name that requests use.
        settings: limits.

    Raises:
        ModelError: a model file cannot be trusted, or fails its self-test here.
    """
    return application(service_of((open_served(name, Path(path)) for name, path in models.items()), settings))


def service_of(
    models: Iterable[ServedModel],
    settings: Settings | None = None,
    *,
    lifecycle: Lifecycle | None = None,
    log: RequestLog | None = None,
) -> Service:
    """Return what answers for some models; nothing is started yet.

    Args:
        models: opened.
        settings: limits.
        lifecycle: shared with the server.
        log: takes a line for each request.
    """
    settings = settings or Settings()
    return Service(
        models=ModelTable(models),
        engine=AnswerEngine.of(settings.decode, workers=settings.workers),
        settings=settings,
        lifecycle=lifecycle or Lifecycle(),
        log=log or RequestLog(),
    )


def application(service: Service, *middleware: Middleware) -> Starlette:
    """Return the app of a service.

    Args:
        service: what answers.
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
            *about.routes(service),
            *page.routes(service),
        ],
        lifespan=lifespan,
        middleware=[Middleware(Watched, service), *middleware],
        exception_handlers={Problem: _on_problem, HTTPException: _on_http, Exception: _on_bug},
    )
    made.router.redirect_slashes = False  # a path is answered as it is written, or not at all
    return made


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


ROUTES = frozenset(
    (
        *("/", "/v1/predict", "/v1/models", "/v1/feedback", "/v1/answers"),
        *("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"),
    )
)
OTHER = "other"
CLIENT_LEFT = 499  # as nginx counts it: the client left, or was cut, before its request was whole
PAGE = "page"


class Watched:
    """An app whose requests are counted and logged."""

    def __init__(self, app: ASGIApp, service: Service, *, now: Callable[[], float] = time.perf_counter) -> None:
        self.app, self.service, self._now = app, service, now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = self._now(), 500

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, seen)
        except ClientDisconnect:
            status = CLIENT_LEFT
            raise
        finally:
            self._tell(scope, status, self._now() - began)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_of(scope["path"].removeprefix(scope.get("root_path", "")))
        self.service.metrics.requests.labels(route, str(status)).inc()
        self.service.metrics.seconds.labels(route).observe(seconds)
        headers = dict(scope["headers"])
        facts: dict[str, Json] = {
            "method": scope["method"],
            "route": route,
            "status": status,
            "milliseconds": round(1000 * seconds, 2),
            "trace": trace_of(headers.get(b"traceparent", b"").decode("latin-1")),
        }
        self.service.log.event("request", facts)


def route_of(path: str) -> str:
    """The route of a path, as counters name it: never the client's own text. The page's files are counted together.

    >>> route_of("/v1/predict"), route_of("/v2/models/cats/infer"), route_of("/secret/../x")
    ('/v1/predict', '/v2/models/{name}/infer', 'other')
    """
    if path in ROUTES:
        return path
    if path == "/models.json" or path in public_paths():
        return PAGE
    if path.startswith("/models/"):
        return "/models/{name}"
    if path.startswith("/v2"):
        return "/v2/models/{name}/infer" if path.endswith("/infer") else "/v2"
    return OTHER
