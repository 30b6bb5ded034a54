"""Counts, times and logs every request of an app, whatever becomes of it."""

import time
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vidi.model_file.values import Json
from vidi.serving.engine.service import Service
from vidi.serving.engine.telemetry import trace_of
from vidi.serving.routes.page import public_paths

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
