"""The application's own start and stop, as ASGI's lifespan describes them."""

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message

from vidi.errors import ResourceError


class Lifespan:
    """The lifespan of one application: its state, and the task that holds what it opened."""

    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}  # what the application hands to each of its requests
        self._app = app
        self._asked: asyncio.Queue[Message] = asyncio.Queue()
        self._told: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run the application's start to its end. An application that returns at once has no lifespan.

        Raises:
            ResourceError: the application says that it cannot start. Its own exceptions are passed on as they are.
        """
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        self._task = asyncio.ensure_future(self._run(scope))
        await self._ask("startup", self._task)

    async def stop(self) -> None:
        """Run the application's stop to its end; its exceptions are passed on."""
        if self._task is not None and not self._task.done():
            await self._ask("shutdown", self._task)

    async def _run(self, scope: dict[str, Any]) -> None:
        await self._app(scope, self._asked.get, self._told.put)

    async def _ask(self, step: str, task: asyncio.Task[None]) -> None:
        self._asked.put_nowait({"type": f"lifespan.{step}"})
        told = asyncio.ensure_future(self._told.get())
        await asyncio.wait({told, task}, return_when=asyncio.FIRST_COMPLETED)
        message: Message = told.result() if told.done() else {}
        told.cancel()
        if message.get("type") == f"lifespan.{step}.failed" or step == "shutdown":
            await task  # its own exception says more than the message
        if task.done() and not task.cancelled():
            task.result()
        if message.get("type") == f"lifespan.{step}.failed":
            raise ResourceError(f"The application failed: {message.get('message', '')}.", "See the log.")
