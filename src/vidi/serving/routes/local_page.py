"""What the pages have in common that are served to this computer alone: files, headers and refusals."""

from collections.abc import Callable, Coroutine, Mapping
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
from vidi.serving.problems import Problem
from vidi.serving.routes.reading import problem_response

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


def local_app(routes: list[Route], *middleware: Middleware) -> Starlette:
    """The app of a page: its routes, and refusals as documents.

    Args:
        routes: what it answers.
        middleware: that keeps requests out.
    """
    made = Starlette(routes=routes, middleware=list(middleware), exception_handlers=HANDLERS)
    made.router.redirect_slashes = False
    return made


def file_routes(folder: Path, files: Mapping[str, tuple[str, str]]) -> list[Route]:
    """The routes of a page's own files.

    Args:
        folder: where they lie.
        files: path → name of the file, media type.
    """
    return [Route(path, _file(folder / name, media_type)) for path, (name, media_type) in files.items()]


def _file(path: Path, media_type: str) -> Endpoint:
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
