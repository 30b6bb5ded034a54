"""The server: uvicorn behind guards. It hears signals, watches the time, and stops without losing a request."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message

from vidi.errors import ResourceError
from vidi.serving.problems import Problem
from vidi.serving.protocol.guard import Guard, GuardedApp, Traffic
from vidi.serving.protocol.incoming import Lifecycle
from vidi.serving.protocol.listen import BACKLOG, Listen, Listening, open_sockets, stop_new_connections, tls_context
from vidi.serving.settings import Settings

AT_ONCE = 64  # connections that asyncio accepts before the others have their turn
SETTLE_SECONDS = 0.1  # a round trip of the network, for connections that are being made when the stop comes
CHECK_SECONDS = 0.02  # between two looks at what is still open
CLOSING_SECONDS = 1.5  # for the application's own stop; with `stop_seconds` less than 10
FORCED_SECONDS = 0.5  # for the application's own stop, after a second signal
KEEP_ALIVE_SECONDS = 3_600  # of uvicorn's clock: the guards' comes first
SPARE_FILES = 256  # open files beside connections: models, workers, logs


def run_server(
    app: ASGIApp,
    settings: Settings,
    *,
    listen: Listen,
    lifecycle: Lifecycle | None = None,
    ready: Callable[[Listening], None] | None = None,
    reload: Callable[[], None] | None = None,
    describe_refusal: Callable[[Problem, str], None] | None = None,
) -> None:
    """Serve an application until a signal, or `lifecycle.stop()`, ends it.

    SIGTERM and SIGINT stop the server: it takes no new connections, answers what it accepted for at most
    `settings.stop_seconds`, and returns. A second signal ends it at once.

    Args:
        app: ASGI application; its lifespan is run.
        ready: called in the server's thread when connections are accepted.
        reload: called in the server's thread on SIGHUP, where the system has it; it must return at once.
        describe_refusal: called with each refusal that no application saw, and the client's address.

    Raises:
        UsageError: the address or the certificate cannot be used.
        KeyboardInterrupt: a second signal came.
    """
    traffic = Traffic(settings=settings, lifecycle=lifecycle or Lifecycle(), context=tls_context(listen))
    if describe_refusal is not None:
        traffic.describe_refusal = describe_refusal
    sockets = open_sockets(listen)
    _allow_open_files(settings.connections + SPARE_FILES)
    try:
        is_whole = asyncio.run(Server(app, traffic, sockets).run(ready, reload))
    finally:
        for one in sockets:
            one.close()
    if not is_whole:
        raise KeyboardInterrupt


class Server:
    """One running server: its sockets, its connections and its clock."""

    def __init__(self, app: ASGIApp, traffic: Traffic, sockets: list[socket.socket]) -> None:
        self.traffic, self.settings, self.sockets = traffic, traffic.settings, sockets
        self.lifespan = Lifespan(app)
        self.uvicorn = _Uvicorn(_guarded(app, traffic, self.lifespan.state))

    async def run(self, ready: Callable[[Listening], None] | None, reload: Callable[[], None] | None) -> bool:
        """Serve until the stop. Returns whether all that was accepted could be answered, or had its time."""
        self.loop = asyncio.get_running_loop()
        self.stop_asked, self.end_asked = asyncio.Event(), asyncio.Event()
        with _signals(self.loop, self.traffic.lifecycle, reload):
            self.traffic.lifecycle.heard_by(self._hear)
            await self.lifespan.start()
            serving, clock = (
                asyncio.ensure_future(self.uvicorn.serve(self.sockets)),
                asyncio.ensure_future(self._tick()),
            )
            try:
                while not self.uvicorn.started and not serving.done():
                    await asyncio.sleep(0)
                for one in self.sockets:
                    one.listen(BACKLOG)  # asyncio has told the system what it accepts at once
                if ready is not None:
                    ready(self._listening())
                await self.stop_asked.wait()
                await self._drain()
            finally:
                await self._end(serving, clock)
        return not self.end_asked.is_set()

    def _listening(self) -> Listening:
        names = [one.getsockname() for one in self.sockets]
        scheme = "https" if self.traffic.context else "http"
        return Listening(addresses=tuple((str(name[0]), int(name[1])) for name in names), scheme=scheme)

    async def _tick(self) -> None:
        """The clock: one for all connections."""
        shortest = min(self.settings.header_seconds, self.settings.idle_seconds)
        period = min(0.25, max(0.01, shortest / 8))
        while True:
            now = self.loop.time()
            for guard in list(self.traffic.guards.values()):
                guard.check(now)
            await asyncio.sleep(period)

    def _hear(self, stops: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: there is nothing to stop
            self.loop.call_soon_threadsafe((self.end_asked if stops > 1 else self.stop_asked).set)

    async def _drain(self) -> None:
        """Close the port behind what has begun to connect, and wait for the answers."""
        stopped = [stop_new_connections(one) for one in self.sockets]
        if any(stopped):
            await asyncio.sleep(SETTLE_SECONDS)  # what has begun to connect from afar comes whole
        for one in self.uvicorn.servers:
            one.close()
        end = asyncio.ensure_future(self.end_asked.wait())
        left, until = self.settings.stop_seconds, self.loop.time() + self.settings.stop_seconds
        while left > 0 and not end.done():
            await asyncio.wait(
                {end}, timeout=min(left, CHECK_SECONDS)
            )  # what was just accepted gets its guard meanwhile
            if not self.traffic.guards and not self.traffic.answering:
                break
            left = until - self.loop.time()
        end.cancel()

    async def _end(self, *working: "asyncio.Future[None]") -> None:
        for guard in list(self.traffic.guards.values()):
            guard.transport.abort()
        for task in (*working, *self.traffic.answering):
            task.cancel()
        with contextlib.suppress(TimeoutError):
            seconds = FORCED_SECONDS if self.end_asked.is_set() else CLOSING_SECONDS
            await asyncio.wait_for(self.lifespan.stop(), seconds)


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `_signals`."""
        yield


def _guarded(app: ASGIApp, traffic: Traffic, state: dict[str, Any]) -> uvicorn.Config:
    """uvicorn with a guard before each of its connections."""
    usual = uvicorn.Config(app, http="httptools", log_config=None)
    usual.load()

    return uvicorn.Config(
        GuardedApp(app, traffic, state),
        interface="asgi3",
        # What uvicorn gives to a class of its own is passed on as it is.
        http=lambda **given: Guard(usual.http_protocol_class(**given), traffic),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        backlog=AT_ONCE,
    )


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


def _allow_open_files(wanted: int) -> None:
    """Raise this process's own limit of open files, often 1,024, as far as the system lets it."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@contextlib.contextmanager
def _signals(
    loop: asyncio.AbstractEventLoop, lifecycle: Lifecycle, reload: Callable[[], None] | None
) -> Iterator[None]:
    """Signals ask for the stop and the reload, in the main thread alone: others cannot hear them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        loop.call_soon_threadsafe(lifecycle.stop)

    def read_anew(*_: object) -> None:
        if reload is not None:
            loop.call_soon_threadsafe(reload)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    if hasattr(signal, "SIGHUP") and reload is not None:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, read_anew)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
