"""An app asked without a network, in the test's own process."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from starlette.applications import Starlette

from vidi.workflows.requests.in_use import ServeRequest


class Client:
    """Requests to an app whose start and end are this client's own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient) -> None:
        self._loop, self._client = loop, client

    def post(self, path: str, **request: object) -> httpx.Response:
        return self._wait(self._client.post(path, **request))

    def get(self, path: str, **request: object) -> httpx.Response:
        return self._wait(self._client.get(path, **request))

    def together(self, *requests: tuple[str, dict[str, object]]) -> list[httpx.Response]:
        """Posts sent at the same time."""

        async def send() -> list[httpx.Response]:
            return await asyncio.gather(*(self._client.post(path, **request) for path, request in requests))

        return self._wait(send())

    def _wait(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


@contextmanager
def asked(app: Starlette, *, address: str = "127.0.0.1") -> Iterator[Client]:
    """A client of an app that has been started, at an address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    end = asyncio.Event()
    started = threading.Event()
    made: list[Client] = []

    async def live() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 123))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://app") as one,
        ):
            made.append(Client(loop, one))
            started.set()
            await end.wait()

    living = asyncio.run_coroutine_threadsafe(live(), loop)
    living.add_done_callback(lambda _: started.set())
    started.wait(60)
    try:
        if not made:
            living.result(1)
        yield made[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        living.result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def asked_to_serve(**options: object) -> ServeRequest:
    """The options of `vidi serve`, of no model."""
    return ServeRequest(models=(), **options)
