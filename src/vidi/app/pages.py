"""The files of the page, the headers above all that is answered, and the library's refusals as problems."""

import functools
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.errors import DataError, ModelError, ResourceError, UsageError, VidiError
from vidi.export.page_files import MEDIA_TYPES
from vidi.export.page_files import WEB as PHONE_PAGE
from vidi.files import is_full
from vidi.serving.bodies import problem_response
from vidi.serving.problems import Problem

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "media-src 'self' blob:; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
WEB: Final = Path(__file__).with_name("web")
SHARED: Final = ("look.css", "camera.js", "drop.js")  # files of the phone page that are the app's, too
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


@functools.cache
def page_files() -> Mapping[str, Path]:
    """The files of the page by their path at the server."""
    own = {
        f"/{path.relative_to(WEB).as_posix()}": path for path in sorted(WEB.rglob("*")) if path.suffix in MEDIA_TYPES
    }
    return {"/": own.pop("/index.html"), **own, **{f"/{name}": PHONE_PAGE / name for name in SHARED}}


def routes() -> list[Route]:
    """The routes of the page's own files."""
    return [Route(path, _file(file)) for path, file in page_files().items()]


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
    cause = (
        error.cause if error.cause.endswith((".", "!", "?")) else f"{error.cause}."
    )  # on the page the remedy follows
    return problem_response(Problem(_code_of(error), cause, error.remedy))


def _code_of(error: VidiError) -> str:
    from vidi.log.records import LogUnavailableError  # takes 0.1 s, which no start should pay for

    if isinstance(error, LogUnavailableError):
        return "log-full" if error.trouble == "full" else "log-unavailable"
    if is_full(error.__cause__):
        return "disk-full"
    codes = {
        UsageError: "invalid-input",
        DataError: "invalid-input",
        ModelError: "invalid-input",
        ResourceError: "not-ready",
    }
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
