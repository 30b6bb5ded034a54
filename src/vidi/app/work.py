"""The routes of the work on a project: what they stand on is imported while the page opens."""

import asyncio
import threading
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Final

from starlette.routing import BaseRoute, Router
from starlette.types import Receive, Scope, Send

from vidi.app.state import AppState

# The first screens need one module each, by the word after `/api/1/`; it is imported before all others.
FIRST: Final[Mapping[str, str]] = {
    **dict.fromkeys(("images", "thumbs", "image", "findings", "labels"), "images"),
    **dict.fromkeys(("jobs", "events", "options", "runs"), "training"),
}
ALL: Final = ""
REST_SECONDS: Final = 2.0  # between the imports of the first screen and all others: the page is answered first


class WorkRoutes:
    """The routes of the work on a project. What they stand on takes a second to import: meanwhile the page opens."""

    def __init__(self, state: AppState, *, is_shared: bool) -> None:
        self._state, self._is_shared = state, is_shared
        self._lock = threading.Lock()
        self._routers: dict[str, Router] = {}

    def prepare(self) -> None:
        """Begin to import, in a thread of its own."""
        threading.Thread(target=self._prepare, name="vidi-app-import", daemon=True).start()

    def _prepare(self) -> None:
        if not self._is_shared:
            for part in dict.fromkeys(FIRST.values()):
                self._made(part)
            time.sleep(REST_SECONDS)
        self._made(ALL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, once what it needs is imported."""
        word = scope["path"].removeprefix("/api/1/").partition("/")[0]
        part = ALL if self._is_shared else FIRST.get(word, ALL)
        router = await asyncio.to_thread(self._made, part)
        await router(scope, receive, send)

    async def _all(self, scope: Scope, receive: Receive, send: Send) -> None:
        router = await asyncio.to_thread(self._made, ALL)
        await router(scope, receive, send)

    def _made(self, part: str) -> Router:
        with self._lock:
            if part not in self._routers:
                known = import_module(f"vidi.app.{part}").routes(self._state) if part else None
                known = known or work_routes(self._state, is_shared=self._is_shared)
                self._routers[part] = Router(known, redirect_slashes=False, default=self._all if part else None)
            return self._routers[part]


def work_routes(state: AppState, *, is_shared: bool) -> list[BaseRoute]:
    """The routes of the work on a project.

    Args:
        state: what they share.
        is_shared: for others of the network, who neither bring folders, label many at once, nor train here.
    """
    from vidi.app import forgetting, images, importing, in_use, openapi, reviewing, training, trying

    known = [*trying.routes(state), *reviewing.routes(state), *importing.routes(state, is_shared=is_shared)]
    if not is_shared:
        for one in (images, training, in_use, forgetting):
            known += one.routes(state)
        known += openapi.routes()
    return known
