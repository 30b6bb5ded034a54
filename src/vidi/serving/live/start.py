"""Serves the live page to this computer, in a thread of its own, while a source is watched."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from starlette.middleware import Middleware

from vidi.errors import VidiError
from vidi.serving.doors.doorkeeper import Doorkeeper
from vidi.serving.doors.doors import DoorOptions, choose_doors
from vidi.serving.doors.opening import open_doors
from vidi.serving.lifecycle import Lifecycle
from vidi.serving.live.app import live_app
from vidi.serving.protocol.listen import Listening
from vidi.serving.protocol.server import run_server
from vidi.serving.settings import Settings
from vidi.workflows.watching.picture import LivePicture

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0


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
    # Loopback alone, whatever stands in the environment: no token, no certificate, no other host.
    doors = open_doors(choose_doors(DoorOptions(port=port), {}), {}, datetime.now(UTC))
    app = live_app(picture, Middleware(Doorkeeper, doors.doors, doors.lock))
    lifecycle, is_ready = Lifecycle(), threading.Event()
    addresses: list[str] = []
    failures: list[BaseException] = []

    def ready(listening: Listening) -> None:
        addresses.append(listening.urls[0])
        is_ready.set()

    def serve() -> None:
        try:
            run_server(app, Settings(), listen=doors.listen, lifecycle=lifecycle, ready=ready)
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
