"""`vidi app`: a project is found or made, the page served to this computer, and a browser opened at it."""

import contextlib
import os
import sys
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route

from vidi.app import pages, projects, session
from vidi.app.session import AppLock
from vidi.app.state import AppState, projects_folder
from vidi.app.work import WorkRoutes
from vidi.errors import UsageError
from vidi.files import escape_path
from vidi.serving.auth.access import Access, open_access
from vidi.serving.auth.hosts import address_to_open, addresses_of_machine, is_loopback, qr_code
from vidi.serving.auth.middleware import AuthMiddleware
from vidi.serving.protocol.incoming import Lifecycle
from vidi.serving.protocol.listen import Listening
from vidi.serving.protocol.server import run_server
from vidi.serving.settings import Settings
from vidi.workflows.requests.in_use import AppRequest, ServeRequest

USUAL_PORT: Final = 8421
LOOPBACK: Final = "127.0.0.1"
Say = Callable[[str], None]


def run_app(
    request: AppRequest,
    *,
    say: Say,
    environment: Mapping[str, str] | None = None,
    lifecycle: Lifecycle | None = None,
) -> None:
    """Serve the app to this computer until a signal ends it.

    Args:
        request: what it opens, and to whom.
        say: receives lines for people.
        environment: variables of the process; its own by default.
        lifecycle: ends the server, besides a signal.

    Raises:
        UsageError: there is no such folder, or the port cannot be used.
        DataError: the project is damaged.
        ResourceError: the project cannot be made.
    """
    environment = os.environ if environment is None else environment
    if request.data is None and not is_loopback(request.host):
        raise UsageError("--host without a project", "Name what others may add to: vidi app FOLDER --host ADDRESS")
    folder = projects_folder(environment)
    project = None if request.data is None else projects.project_of(Path(request.data), folder)
    state = AppState(projects=folder, project=project, environment=environment, lifecycle=lifecycle)
    view = "start" if project is None else "images" if is_loopback(request.host) else "try"

    def ready(address: str, lock: AppLock) -> None:
        if project is not None:
            say(f"project: {escape_path(project.folder)}")
        if request.browser and is_loopback(request.host) and has_screen(environment):
            webbrowser.open(f"{address}/#{urlencode({'token': lock.code(), 'view': view})}")

    with contextlib.closing(state):
        serve(state, view=view, port=request.port, host=request.host, say=say, ready=ready)
    say("stopped; trainings that are under way go on")


def serve(
    state: AppState,
    *,
    view: str,
    routes: Sequence[Route] = (),
    port: int | None,
    host: str = LOOPBACK,
    say: Say,
    ready: Callable[[str, AppLock], None] = lambda _address, _lock: None,
) -> None:
    """Serve the page until a signal or the state's lifecycle ends it.

    Args:
        state: what the routes share.
        view: that the page shows first.
        routes: of this view, besides those of a project.
        port: of the page; 0 takes any that is free, None the usual one or any that is free.
        host: address to listen on.
        say: receives the address and who is answered.
        ready: receives the address, without a slash at its end, and what opens it.

    Raises:
        UsageError: the port cannot be used.
    """
    asked = ServeRequest(models=(), host=host, port=USUAL_PORT if port is None else port)
    access = open_access(asked, {}, datetime.now(UTC))
    lock = AppLock(access.new_token)
    is_shared = not is_loopback(host)
    work = WorkRoutes(state, is_shared=is_shared)
    known: list[BaseRoute] = [*pages.routes(), *session.routes(lock), *routes]
    known += [*projects.routes(state, view=view, is_shared=is_shared), Mount("", app=work)]
    public = frozenset(pages.page_files())
    auth = Middleware(AuthMiddleware, access.rules, lock, public=public, takes_cookie=True)
    app = Starlette(routes=known, middleware=[auth], exception_handlers=pages.HANDLERS)
    app.router.redirect_slashes = False

    def listening(found: Listening) -> None:
        for line in _address_lines(found, access, lock, view):
            say(line)
        ready(found.urls[0], lock)
        work.prepare()

    try:
        run_server(app, Settings(), listen=access.listen, lifecycle=state.lifecycle, ready=listening)
    except UsageError:
        if port is not None or is_shared:
            raise
        run_server(app, Settings(), listen=replace(access.listen, port=0), lifecycle=state.lifecycle, ready=listening)


def has_screen(environment: Mapping[str, str]) -> bool:
    """Whether a browser with windows can be started; without one, a browser for terminals would take this one."""
    return sys.platform in ("darwin", "win32") or any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _address_lines(found: Listening, access: Access, lock: AppLock, view: str) -> list[str]:
    """Where the page is, and who may open it."""
    if access.rules.encryption == "none":
        opens = urlencode({"token": lock.token, "view": view})
        return [f"open {found.urls[0]}/#{opens}", "It answers only whoever has this address. Ctrl-C stops it."]
    address = address_to_open(found.scheme, found.addresses, addresses_of_machine())
    own = access.own_certificate
    return [
        f"access token, shown only now: {lock.token}",
        *([] if own is None else [f"certificate of its own making, SHA-256 fingerprint: {own.fingerprint}"]),
        f"open {address}\n{qr_code(address)}".rstrip(),
    ]
