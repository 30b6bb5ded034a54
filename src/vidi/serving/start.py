"""`vidi serve`: models are opened, doors chosen, the app made and the server run, until a signal ends it."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from starlette.middleware import Middleware

from vidi.files import escape_path
from vidi.prediction.session import choose_providers
from vidi.serving.application import application, service_of
from vidi.serving.doors.doorkeeper import Doorkeeper
from vidi.serving.doors.doors import TOKEN_VARIABLE, DoorOptions, Doors, choose_doors
from vidi.serving.doors.tokens import TokenLock, check_token, make_token, read_token
from vidi.serving.models.reload import Reloader
from vidi.serving.models.served import ServedModel, name_models, open_served
from vidi.serving.problems import Problem
from vidi.serving.protocol.listen import Listen, Listening
from vidi.serving.protocol.server import run_server
from vidi.serving.service import Service
from vidi.serving.settings import Settings
from vidi.workflows.interaction.output import warning_about
from vidi.workflows.requests.serve import ServeRequest

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Token:
    """The access token of a server."""

    lock: TokenLock | None  # None: none is needed
    made: str | None = None  # the token itself, where it was made now and must be shown once


def serve(request: ServeRequest, *, say: Say, environment: Mapping[str, str] | None = None) -> None:
    """Serve some models until a signal ends it.

    Args:
        request: which models, and to whom.
        say: receives lines for people.
        environment: variables of the process; its own by default.

    Raises:
        UsageError: options contradict each other, or the address or certificate cannot be used.
        ModelError: a model file cannot be trusted, or fails its self-test here.
        ResourceError: the decoding processes cannot be started.
    """
    environment = os.environ if environment is None else environment
    doors = choose_doors(_door_options(request), environment)
    token = find_token(doors, environment)
    opened = partial(open_served, providers=choose_providers(request.device))
    models = [opened(name, path) for name, path in name_models(request.models).items()]
    service = service_of(models, Settings(workers=request.workers))
    app = application(service, Middleware(Doorkeeper, doors, token.lock))
    with _reloading(service, opened, is_watching=request.watch_model) as reloader:
        run_server(
            app,
            service.settings,
            listen=Listen(host=doors.host, port=doors.port, certificate=doors.certificate, key=doors.key),
            lifecycle=service.lifecycle,
            ready=lambda listening: _tell(listening, doors, token, models, say),
            reload=reloader.read_anew_soon,
            tell_refusal=lambda problem, client: _log_refusal(service, problem, client),
        )
    say("stopped: every request that was accepted has been answered")


def _door_options(request: ServeRequest) -> DoorOptions:
    return DoorOptions(
        host=request.host,
        port=request.port,
        certificate=request.certificate,
        key=request.key,
        behind_proxy=request.behind_proxy,
        allow_host=request.allow_host,
        allow_origin=request.allow_origin,
        token_file=request.token_file,
    )


def find_token(doors: Doors, environment: Mapping[str, str]) -> Token:
    """The token that the doors ask for, read from where they say, or made.

    Raises:
        UsageError: it cannot be read, or is too short.
    """
    if doors.token == "file" and doors.token_file is not None:  # noqa: S105 - where it is found
        return Token(TokenLock(read_token(doors.token_file)))
    if doors.token == "environment":  # noqa: S105
        return Token(TokenLock(check_token(environment[TOKEN_VARIABLE], TOKEN_VARIABLE)))
    if doors.token == "made":  # noqa: S105
        made = make_token()
        return Token(TokenLock(made), made)
    return Token(None)


@contextlib.contextmanager
def _reloading(
    service: Service, opened: Callable[[str, Path], ServedModel], *, is_watching: bool
) -> Iterator[Reloader]:
    """What takes new model files, and writes down what became of them."""

    def report(name: str, model: ServedModel | None, why: str) -> None:
        outcome = "refused" if model is None else "taken"
        service.metrics.reloads.labels(name, outcome).inc()
        facts = {"model": name, "outcome": outcome, "id": model.model_id if model else None, "why": why or None}
        service.log.event("model", facts)

    reloader = Reloader(service.models, report, opened=opened)
    if is_watching:
        reloader.watch()
    try:
        yield reloader
    finally:
        reloader.stop()


def _log_refusal(service: Service, problem: Problem, client: str) -> None:
    service.log.event("refused", {"client": client, "status": problem.status, "code": problem.code})


def _tell(listening: Listening, doors: Doors, token: Token, models: list[ServedModel], say: Say) -> None:
    """What is served, where, to whom, and what the server will not do."""
    for model in models:
        say(f"{model.name}: {len(model.metadata.classes)} classes, model {model.model_id} ({escape_path(model.path)})")
        if warning := warning_about(model.model):
            say(f"  {warning}")
    for url in listening.urls:
        say(f"listening on {url}  (POST {url}/v1/predict; see {url}/docs)")
    if token.made is not None:
        say(f"access token, shown this once: {token.made}")
    if doors.encryption == "proxy":
        say("Plain HTTP: the proxy in front must hold the certificate.")
    if token.lock is None:
        say("Only programs on this computer are answered; `--host` opens the server to the network.")
    say("No image is kept, no address in a request is fetched, nothing is sent elsewhere. Ctrl-C stops the server.")
