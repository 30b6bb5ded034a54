"""`vidi serve`: models are opened, access chosen, the app made and the server run, until a signal ends it."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from starlette.middleware import Middleware

from vidi.model_file.registered import follows_name
from vidi.prediction.engines import usual_providers
from vidi.serving.application import application, service_of
from vidi.serving.auth.access import Access, open_access
from vidi.serving.auth.middleware import AuthMiddleware
from vidi.serving.engine.models import Reloader, ServedModel, name_models, open_served, try_model
from vidi.serving.engine.recording import recording
from vidi.serving.engine.service import Service
from vidi.serving.engine.telemetry import LineWriter, RequestLog
from vidi.serving.protocol.listen import Listening
from vidi.serving.protocol.server import run_server
from vidi.serving.routes.page import public_paths
from vidi.serving.settings import Settings
from vidi.workflows.requests.in_use import ServeRequest
from vidi.workflows.requests.predict import LogRequest

Say = Callable[[str], None]


def serve(
    request: ServeRequest,
    log: LogRequest | None = None,
    *,
    say: Say,
) -> None:
    """Serve some models until a signal ends it.

    Raises:
        UsageError: options contradict each other, or an address or the certificate cannot be used.
        ModelError: a model file cannot be trusted, or fails its self-test here.
        ResourceError: the decoding processes cannot be started, or the log cannot be reached.
    """
    access = open_access(request, os.environ, datetime.now(UTC))
    opened = partial(open_served, providers=usual_providers(), engine=request.engine)
    models = [opened(name, path) for name, path in name_models(request.models).items()]
    with contextlib.ExitStack() as stack:
        lines = stack.enter_context(LineWriter(sys.stdout))
        origin = access.rules.origin
        settings = Settings(workers=request.workers, page_ancestors=() if origin is None else (origin,))
        service = service_of(models, settings, log=RequestLog(lines.write))

        def told(sentence: str) -> None:
            say(sentence)
            service.log.event("prediction-log", {"why": sentence})

        service.recorder = stack.enter_context(recording(log or LogRequest(), os.environ, told))
        app = application(service, Middleware(AuthMiddleware, access.rules, access.lock, public=public_paths()))
        reloader = stack.enter_context(_reloading(service, opened, request))
        run_server(
            app,
            service.settings,
            listen=access.listen,
            lifecycle=service.lifecycle,
            ready=lambda listening: _tell(listening, access, models, say, log=log or LogRequest()),
            reload=reloader.read_anew_soon,
            describe_refusal=service.log.refused,
        )
    say("stopped: every request that was accepted has been answered")


@contextlib.contextmanager
def _reloading(
    service: Service, opened: Callable[[str, Path], ServedModel], request: ServeRequest
) -> Iterator[Reloader]:
    """What takes new model files, and writes down what became of them."""

    def report(name: str, model: ServedModel | None, why: str) -> None:
        outcome = "refused" if model is None else "taken"
        service.metrics.reloads.labels(name, outcome).inc()
        facts = {"model": name, "outcome": outcome, "id": model.model_id if model else None, "why": why or None}
        service.log.event("model", facts)

    reloader = Reloader(service.models, report, tried=partial(try_model, engine=request.engine), opened=opened)
    registered = [model.name for model in service.models if follows_name(model.path)]
    if request.watch_model or registered:
        reloader.watch(None if request.watch_model else registered)
    try:
        yield reloader
    finally:
        reloader.stop()


def _tell(listening: Listening, access: Access, models: list[ServedModel], say: Say, *, log: LogRequest) -> None:
    """What is served, where, to whom, and what the server will not do."""
    for model in models:
        for line in model.lines():
            say(line)
    for url in listening.urls:
        say(f"listening on {url}")
    for line in access.lines(listening):
        say(line)
    say(_what_it_keeps(log))
    say("Ctrl-C stops it after the requests under way.")


def _what_it_keeps(log: LogRequest) -> str:
    nothing = "opens no address that a request names, and sends nothing elsewhere."
    if log.log is None:
        return f"It keeps no image, {nothing}"
    images = f"images for {log.keep_days:g} days" if log.keep_images else "no image"
    return f"It logs each prediction, keeps {images}, {nothing}"
