"""What the pages have in common that are served to this computer alone: the server, files, headers and refusals."""

from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.errors import ResourceError, UsageError, VidiError
from vidi.files import is_full
from vidi.log.records import LogUnavailableError
from vidi.serving.auth.access import open_access
from vidi.serving.auth.middleware import AuthMiddleware
from vidi.serving.bodies import problem_response
from vidi.serving.problems import Problem
from vidi.serving.protocol.incoming import Lifecycle
from vidi.serving.protocol.server import run_server
from vidi.serving.settings import Settings
from vidi.workflows.requests.in_use import ServeRequest

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
WEB: Final = Path(__file__).with_name("web")
MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


def run_page(routes: list[Route], *, port: int, lifecycle: Lifecycle, ready: Callable[[str], None]) -> None:
    """Serve a page to programs on this computer until a signal or its lifecycle ends it.

    Args:
        routes: what it answers.
        port: of the page; 0 takes any that is free.
        lifecycle: ends the server, besides a signal.
        ready: receives the page's address, without a slash at its end.

    Raises:
        UsageError: the port cannot be used.
    """
    # Loopback alone, whatever stands in the environment: no token, no certificate, no other host.
    access = open_access(ServeRequest(models=(), port=port), {}, datetime.now(UTC))
    auth = Middleware(AuthMiddleware, access.rules, access.lock)
    app = Starlette(routes=routes, middleware=[auth], exception_handlers=HANDLERS)
    app.router.redirect_slashes = False
    run_server(
        app,
        Settings(),
        listen=access.listen,
        lifecycle=lifecycle,
        ready=lambda listening: ready(listening.urls[0]),
    )


def file_routes(files: Mapping[str, str]) -> list[Route]:
    """The routes of a page's own files.

    Args:
        files: path → name of the file in `web/`.
    """
    return [Route(path, _file(WEB / name)) for path, name in files.items()]


def _file(path: Path) -> Endpoint:
    media_type = MEDIA_TYPES[path.suffix]

    async def endpoint(_: Request) -> Response:
        return Response(path.read_bytes(), media_type=media_type, headers=HEADERS)

    return endpoint


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  # starlette calls it for nothing else
    return problem_response(error)


async def _on_refusal(_: Request, error: Exception) -> Response:
    """What the library refuses: an answer that does not fit, or a log that is lost."""
    assert isinstance(error, VidiError)  # noqa: S101  # starlette calls it for nothing else
    return problem_response(Problem(_code_of(error), error.cause, error.remedy))


def _code_of(error: VidiError) -> str:
    if isinstance(error, LogUnavailableError):
        return "log-full" if error.trouble == "full" else "log-unavailable"
    if is_full(error.__cause__):
        return "disk-full"
    codes = {UsageError: "invalid-input", ResourceError: "not-ready"}
    return next((code for kind, code in codes.items() if isinstance(error, kind)), "internal-error")


async def _on_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    code = {405: "method-not-allowed"}.get(status, "not-found")
    return problem_response(Problem(code, f"{request.method} is not answered here."))


async def _on_bug(_: Request, error: Exception) -> Response:
    """What nobody raised on purpose; the server writes the traceback."""
    return problem_response(Problem("internal-error", f"The server failed ({type(error).__name__}).", "Report it."))


HANDLERS: Final[Mapping[Any, Callable[[Request, Exception], Coroutine[Any, Any, Response]]]] = {
    Problem: _on_problem,
    VidiError: _on_refusal,
    HTTPException: _on_http,
    Exception: _on_bug,
}
