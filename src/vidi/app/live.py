"""`vidi watch --page`: the app at its live view, served in a thread of its own while a source is watched."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from vidi.app.pages import HEADERS, Endpoint
from vidi.app.session import AppLock
from vidi.app.start import serve
from vidi.app.state import AppState, projects_folder
from vidi.errors import VidiError
from vidi.serving.bodies import json_response
from vidi.serving.problems import Problem
from vidi.workflows.watching.session import LivePicture

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0
BOUNDARY: Final = "vidi-frame"
WAIT_SECONDS: Final = 1.0  # for a frame, between two looks at whether the watch is over


@contextlib.contextmanager
def live_page(picture: LivePicture, *, port: int, say: Callable[[str], None]) -> Iterator[str]:
    """Serve the page while the context lasts; gives the address that opens it.

    Args:
        picture: holds what is shown.
        port: of the page; 0 takes any that is free.
        say: receives the address.

    Raises:
        UsageError: the port cannot be used.
    """
    state, is_ready = AppState(projects=projects_folder(os.environ)), threading.Event()
    addresses: list[str] = []
    failures: list[BaseException] = []

    def ready(address: str, lock: AppLock) -> None:
        addresses.append(f"{address}/#{urlencode({'token': lock.token, 'view': 'live'})}")
        is_ready.set()

    def run() -> None:
        try:
            serve(state, view="live", routes=live_routes(picture), port=port, say=say, ready=ready)
        except (VidiError, KeyboardInterrupt) as error:
            failures.append(error)
        finally:
            is_ready.set()

    thread = threading.Thread(target=run, name="vidi-live-page", daemon=True)
    thread.start()
    is_ready.wait(START_SECONDS)
    if failures:
        raise failures[0]
    try:
        yield addresses[0]
    finally:
        picture.close()
        state.lifecycle.stop()
        thread.join(STOP_SECONDS)


def live_routes(picture: LivePicture) -> list[Route]:
    """The routes of the live view.

    Args:
        picture: holds what is shown.
    """
    return [
        Route("/api/1/live", _now(picture)),
        Route("/api/1/live/frame.jpg", _frame(picture)),
        Route("/api/1/live/frames", _frames(picture)),
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
