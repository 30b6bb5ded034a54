"""What a server tells of its requests: each is counted, timed and logged as a JSON line; counters for Prometheus."""

import contextlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vidi.background import Background
from vidi.export.page_files import page_files
from vidi.log.writer import STATES, WriterState
from vidi.model_file.limits import VERDICTS
from vidi.model_file.values import Json
from vidi.serving.engine.engine import AnswerEngine
from vidi.serving.engine.models import ServedModel
from vidi.serving.problems import Problem, UnusableImages

SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
MEDIA_TYPE = CONTENT_TYPE_LATEST

ANSWERED = "answered"  # how an image ended, where the model file has no limits and so gives no verdict
REFUSED = "refused"  # it could not be used


class ServerMetrics:
    """The counters of one app, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "vidi_http_requests", "Requests, by route and status.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "vidi_http_request_duration_seconds",
            "Time from a request's headers to the end of its answer.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.images = Counter(
            "vidi_images",
            "Images, by model and outcome: the model's verdict on what it answered, answered where it gives none, or "
            "refused because the image cannot be used.",
            ["model", "outcome"],
            registry=self.registry,
        )
        self.in_flight = Gauge("vidi_requests_in_flight", "Requests that hold a slot.", registry=self.registry)
        self.workers = Gauge("vidi_decode_workers", "Decoding processes that stand.", registry=self.registry)
        self.deaths = Gauge(
            "vidi_decode_worker_deaths",
            "Decoding processes that ended unasked, since the start.",
            registry=self.registry,
        )
        self.model_info = Gauge(
            "vidi_model_info",
            "The models that are served; always 1.",
            ["name", "version", "model_id"],
            registry=self.registry,
        )
        self.reloads = Counter(
            "vidi_model_reloads",
            "Model files that were taken or refused while serving.",
            ["model", "outcome"],
            registry=self.registry,
        )
        self.log: LogGauges | None = None  # where predictions are logged

    @contextmanager
    def counting_refused(self, model: str) -> Iterator[None]:
        """Count the images for which a request about a model is refused."""
        try:
            yield
        except UnusableImages as refusal:
            self.images.labels(model, REFUSED).inc(refusal.count)
            raise

    def count_images(self, model: str, outcomes: Iterable[str]) -> None:
        """Count images that a request about a model has got answers for.

        Args:
            outcomes: a verdict, `answered` or `refused` for each image.
        """
        for outcome in outcomes:
            self.images.labels(model, outcome).inc()

    def text(self, models: Iterable[ServedModel], engine: AnswerEngine, log: WriterState | None = None) -> bytes:
        """All of it, as Prometheus reads it.

        Args:
            log: how the prediction log stands; None: there is none, and nothing is said of it.
        """
        if log is not None:
            self._show_log(log)
        self.workers.set(engine.pool.standing)
        self.deaths.set(engine.pool.deaths)
        self.model_info.clear()
        for model in models:
            self.model_info.labels(model.name, model.version, model.model_id).set(1)
            for outcome in (*((ANSWERED,) if model.metadata.verdict is None else VERDICTS), REFUSED):
                self.images.labels(model.name, outcome)  # stands at 0 until there is one: rates and shares need it
        return generate_latest(self.registry)

    def _show_log(self, log: WriterState) -> None:
        if self.log is None:
            self.log = LogGauges(self.registry)
        self.log.show(log)


class LogGauges:
    """What is said of a prediction log."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.state = Gauge(
            "vidi_log_state", "The prediction log's state: 1 for the one that holds.", ["state"], registry=registry
        )
        self.written = Gauge(
            "vidi_log_predictions_written", "Predictions in the log, since the start.", registry=registry
        )
        self.lost = Gauge(
            "vidi_log_predictions_lost", "Predictions that could not be logged, since the start.", registry=registry
        )
        self.waiting = Gauge("vidi_log_predictions_waiting", "Predictions on their way to the log.", registry=registry)
        self.images_lost = Gauge(
            "vidi_log_images_lost",
            "Images that found no room on their way to the log, since the start.",
            registry=registry,
        )

    def show(self, log: WriterState) -> None:
        """Set all of it."""
        for state in STATES:
            self.state.labels(state).set(state == log.state)
        self.written.set(log.written)
        self.lost.set(log.lost)
        self.waiting.set(log.waiting)
        self.images_lost.set(log.images_lost)


TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # `traceparent` of W3C Trace Context, version 00

MOST_WAITING = 10_000  # lines
LAST_SECONDS = 1.0  # for the lines that wait when the server ends

Write = Callable[[str], object]


class RequestLog:
    """Writes the lines. JSON escapes what a terminal would take for a command."""

    def __init__(self, write: Write | None = None) -> None:
        """
        Args:
            write: takes each line; standard output by default.
        """
        self._write = write or sys.stdout.write

    def event(self, event: str, facts: Mapping[str, Json]) -> None:
        """Write one line."""
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **facts}
        self._write(json.dumps(line, ensure_ascii=True) + "\n")

    def refused(self, problem: Problem, client: str) -> None:
        """Write what was refused before the application saw it."""
        self.event("refused", {"client": client, "status": problem.status, "code": problem.code})


class LineWriter(Background[str]):
    """Writes lines in a thread of its own, so that a reader who pauses, or is gone, holds up no answer."""

    def __init__(self, stream: TextIO, *, most: int = MOST_WAITING) -> None:
        """
        Args:
            most: lines that wait; further ones are left out, and their number is written when there is room again.
        """
        super().__init__(self._print, name="vidi-log", most_waiting=most, most_together=most, last_seconds=LAST_SECONDS)
        self._stream = stream
        self._left_out = 0

    def write(self, line: str) -> None:
        """Take a line; returns at once."""
        if self._left_out:
            counted = json.dumps({"event": "lines-left-out", "count": self._left_out}) + "\n"
            if self.put(counted):
                self._left_out = 0
        if not self.put(line):
            self._left_out += 1

    def _print(self, lines: Sequence[str]) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads: answers go on
            for line in lines:
                self._stream.write(line)
            self._stream.flush()


def trace_of(header: str) -> str | None:
    """A request's `traceparent`, where it is one.

    >>> trace_of("00-" + "1" * 32 + "-" + "2" * 16 + "-01") is not None, trace_of("x\\ny")
    (True, None)
    """
    return header if TRACE.fullmatch(header) else None


ROUTES = frozenset(
    (
        *("/", "/v1/predict", "/v1/models", "/v1/feedback", "/v1/answers"),
        *("/healthz", "/readyz", "/metrics", "/openapi.json"),
    )
)
OTHER = "other"
CLIENT_LEFT = 499  # as nginx counts it: the client left, or was cut, before its request was whole
PAGE = "page"


class Watched:
    """An app whose requests are counted and logged."""

    def __init__(self, app: ASGIApp, metrics: ServerMetrics, log: RequestLog) -> None:
        self.app, self.metrics, self.log = app, metrics, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

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
            self._tell(scope, status, time.perf_counter() - began)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_of(scope["path"].removeprefix(scope.get("root_path", "")))
        self.metrics.requests.labels(route, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        headers = dict(scope["headers"])
        facts: dict[str, Json] = {
            "method": scope["method"],
            "route": route,
            "status": status,
            "milliseconds": round(1000 * seconds, 2),
            "trace": trace_of(headers.get(b"traceparent", b"").decode("latin-1")),
        }
        self.log.event("request", facts)


def route_of(path: str) -> str:
    """The route of a path, as counters name it: never the client's own text. The page's files are counted together.

    >>> route_of("/v1/predict"), route_of("/v2/models/cats/infer"), route_of("/secret/../x")
    ('/v1/predict', '/v2/models/{name}/infer', 'other')
    """
    if path in ROUTES:
        return path
    if path == "/models.json" or path.removeprefix("/") in page_files():
        return PAGE
    if path.startswith("/models/"):
        return "/models/{name}"
    if path.startswith("/v2"):
        return "/v2/models/{name}/infer" if path.endswith("/infer") else "/v2"
    return OTHER
