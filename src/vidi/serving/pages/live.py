"""Serves the live page to this computer, in a thread of its own, while a source is watched."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from vidi.errors import VidiError
from vidi.serving.bodies import json_response
from vidi.serving.pages.local import HEADERS, file_routes, run_page
from vidi.serving.problems import Problem
from vidi.serving.protocol.incoming import Lifecycle
from vidi.workflows.watching.session import LivePicture

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0
FILES: Final[Mapping[str, str]] = {  # path → file in `web/`
    "/": "live.html",
    "/live.js": "live.js",
    "/live.css": "live.css",
    "/icon.svg": "icon.svg",
}
BOUNDARY: Final = "vidi-frame"
WAIT_SECONDS: Final = 1.0  # for a frame, between two looks at whether the watch is over
Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


@contextlib.contextmanager
def live_page(picture: LivePicture, *, port: int, say: Callable[[str], None]) -> Iterator[str]:
    """Serve the page while the context lasts; gives its address.

    Args:
        picture: holds what is shown.
        port: of the page; 0 takes any that is free.
        say: receives the address.

    Raises:
        UsageError: the port cannot be used.
    """
    lifecycle, is_ready = Lifecycle(), threading.Event()
    addresses: list[str] = []
    failures: list[BaseException] = []

    def ready(address: str) -> None:
        addresses.append(address)
        is_ready.set()

    def serve() -> None:
        try:
            run_page(live_routes(picture), port=port, lifecycle=lifecycle, ready=ready)
        except (VidiError, KeyboardInterrupt) as error:
            failures.append(error)
        finally:
            is_ready.set()

    thread = threading.Thread(target=serve, name="vidi-live-page", daemon=True)
    thread.start()
    is_ready.wait(START_SECONDS)
    if failures:
        raise failures[0]
    say(f"live page: {addresses[0]}/ (for programs on this computer)")
    try:
        yield addresses[0]
    finally:
        picture.close()
        lifecycle.stop()
        thread.join(STOP_SECONDS)


def live_routes(picture: LivePicture) -> list[Route]:
    """The routes of the live page.

    Args:
        picture: holds what is shown.
    """
    return [
        *file_routes(FILES),
        Route("/now", _now(picture)),
        Route("/frame.jpg", _frame(picture)),
        Route("/frames", _frames(picture)),
    ]


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
