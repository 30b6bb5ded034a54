"""The routes of the work on a project: what they stand on is imported while the page opens."""

import asyncio
import threading

from starlette.routing import BaseRoute, Router
from starlette.types import Receive, Scope, Send

from vidi.app.state import AppState


class WorkRoutes:
    """The routes of the work on a project. What they stand on takes a second to import: meanwhile the page opens."""

    def __init__(self, state: AppState, *, is_shared: bool) -> None:
        self._state, self._is_shared = state, is_shared
        self._lock = threading.Lock()
        self._router: Router | None = None

    def prepare(self) -> None:
        """Begin to import, in a thread of its own."""
        threading.Thread(target=self._made, name="vidi-app-import", daemon=True).start()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, once everything is imported."""
        router = await asyncio.to_thread(self._made)
        await router(scope, receive, send)

    def _made(self) -> Router:
        with self._lock:
            if self._router is None:
                known = work_routes(self._state, is_shared=self._is_shared)
                self._router = Router(known, redirect_slashes=False)
            return self._router


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
