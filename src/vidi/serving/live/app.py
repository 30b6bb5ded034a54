"""The ASGI app of the live page: its files, the frames as they come, and the events as a document."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from vidi.serving.problems import Problem
from vidi.serving.routes.local_page import HEADERS, file_routes, local_app
from vidi.serving.routes.reading import json_response
from vidi.workflows.watching.picture import LivePicture

WEB: Final = Path(__file__).with_name("web")
FILES: Final[Mapping[str, tuple[str, str]]] = {  # path → file, media type
    "/": ("index.html", "text/html; charset=utf-8"),
    "/live.js": ("live.js", "text/javascript; charset=utf-8"),
    "/live.css": ("live.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
BOUNDARY: Final = "vidi-frame"
WAIT_SECONDS: Final = 1.0  # for a frame, between two looks at whether the watch is over

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


def live_app(picture: LivePicture, *doors: Middleware) -> Starlette:
    """Return the app of the live page.

    Args:
        picture: holds what is shown.
        doors: middleware that keeps requests out.
    """
    return local_app(
        [
            *file_routes(WEB, FILES),
            Route("/now", _now(picture)),
            Route("/frame.jpg", _frame(picture)),
            Route("/frames", _frames(picture)),
        ],
        *doors,
    )


def _now(picture: LivePicture) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return json_response(picture.document())

    return endpoint


def _frame(picture: LivePicture) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        found = await asyncio.to_thread(picture.jpeg, 0, wait_seconds=0)
        if found is None:
            raise Problem("not-found", "There is no frame to show.", "Frames are shown unless VIDI_NO_IMAGES is set.")
        return Response(found[1], media_type="image/jpeg", headers=HEADERS)

    return endpoint


def _frames(picture: LivePicture) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        return StreamingResponse(_parts(picture), media_type=kind, headers=HEADERS)

    return endpoint


async def _parts(picture: LivePicture) -> AsyncIterator[bytes]:
    """Each new frame as a part of the response, as browsers show them in an `<img>`; a slow reader misses some.

    Where none comes for a second, the last one is sent again: browsers show a part only when another begins.
    """
    number, part = 0, b""
    yield f"--{BOUNDARY}\r\n".encode()
    while not picture.is_over:
        found = await asyncio.to_thread(picture.jpeg, number, wait_seconds=WAIT_SECONDS)
        if found is not None:
            number, data = found
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            part = head.encode() + data + f"\r\n--{BOUNDARY}\r\n".encode()
        if part:
            yield part
