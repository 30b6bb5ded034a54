"""The server: it accepts connections, watches their time, hears signals, and stops without losing a request."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate

from starlette.types import ASGIApp

from vidi.serving.lifecycle import Lifecycle
from vidi.serving.problems import Problem
from vidi.serving.protocol.connection import LINGER_SECONDS, Connection
from vidi.serving.protocol.lifespan import Lifespan
from vidi.serving.protocol.listen import Listen, Listening, open_sockets, stop_new_connections, tls_context
from vidi.serving.protocol.refusal import busy, refusal_response
from vidi.serving.protocol.traffic import Traffic
from vidi.serving.protocol.uvicorn_parts import Config, ServerState, check_parts
from vidi.serving.settings import Settings

AT_ONCE = 64  # connections that are accepted before the others have their turn
PAUSE_SECONDS = 0.1  # without accepting, when the process may open no more files
SETTLE_SECONDS = 0.1  # a round trip of the network, for connections that are being made when the stop comes
CLOSING_SECONDS = 1.5  # for the application's own stop; with `stop_seconds` less than 10
FORCED_SECONDS = 0.5  # for the application's own stop, after a second signal
SPARE_FILES = 256  # open files beside connections: models, workers, logs
WINDOWS_CONNECTIONS = 400  # `select` watches 512 sockets there
NO_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def run_server(
    app: ASGIApp,
    settings: Settings,
    *,
    listen: Listen,
    lifecycle: Lifecycle | None = None,
    ready: Callable[[Listening], None] | None = None,
    reload: Callable[[], None] | None = None,
    tell_refusal: Callable[[Problem, str], None] | None = None,
) -> None:
    """Serve an application until a signal, or `lifecycle.stop()`, ends it.

    SIGTERM and SIGINT stop the server: it takes no new connections, answers what it accepted for at most
    `settings.stop_seconds`, and returns. A second signal ends it at once.

    Args:
        app: ASGI application; its lifespan is run.
        settings: limits of the server.
        listen: address, port and certificate.
        lifecycle: what the application reads to know that the server is stopping.
        ready: called in the server's thread when connections are accepted.
        reload: called in the server's thread on SIGHUP, where the system has it; it must return at once.
        tell_refusal: called with each refusal that no application saw, and the client's address.

    Raises:
        UsageError: the address or the certificate cannot be used.
        KeyboardInterrupt: a second signal came.
    """
    if os.name == "nt":
        settings = replace(settings, connections=min(settings.connections, WINDOWS_CONNECTIONS))
    traffic = Traffic(settings=settings, lifecycle=lifecycle or Lifecycle())
    if tell_refusal is not None:
        traffic.tell_refusal = tell_refusal
    check_parts()
    context = tls_context(listen)
    sockets = open_sockets(listen)
    _allow_open_files(settings.connections + SPARE_FILES)
    try:
        server = Server(app, traffic, sockets, context)
        # The loop of Windows that asyncio prefers cannot watch a socket that accepts.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop if os.name == "nt" else None) as runner:
            is_whole = runner.run(server.run(ready, reload))
    finally:
        for one in sockets:
            one.close()
    if not is_whole:
        raise KeyboardInterrupt


class Server:
    """One running server: its sockets, its connections and its clock."""

    def __init__(
        self, app: ASGIApp, traffic: Traffic, sockets: list[socket.socket], context: ssl.SSLContext | None
    ) -> None:
        self.traffic, self.settings = traffic, traffic.settings
        self.sockets, self.context = sockets, context
        self.state = ServerState()
        self.lifespan = Lifespan(app)
        self.config = _uvicorn_config(app)
        self.arriving: set[asyncio.Task[None]] = set()  # connections that are accepted, and not yet made

    async def run(self, ready: Callable[[Listening], None] | None, reload: Callable[[], None] | None) -> bool:
        """Serve until the stop. Returns whether all that was accepted could be answered, or had its time."""
        self.loop = asyncio.get_running_loop()
        self.stop_asked, self.end_asked = asyncio.Event(), asyncio.Event()
        with _signals(self.loop, self.traffic.lifecycle, reload):
            self.traffic.lifecycle.heard_by(self._hear)
            await self.lifespan.start()
            clock = asyncio.ensure_future(self._tick())
            try:
                self._listen()
                if ready is not None:
                    ready(self._listening())
                await self.stop_asked.wait()
                await self._drain()
            finally:
                clock.cancel()
                self._end()
                await self._stop_application()
        return not self.end_asked.is_set()

    # Accepting.

    def _listening(self) -> Listening:
        names = [one.getsockname() for one in self.sockets]
        return Listening(
            addresses=tuple((str(n[0]), int(n[1])) for n in names), scheme="https" if self.context else "http"
        )

    def _listen(self) -> None:
        for one in self.sockets:
            if one.fileno() >= 0 and not self.stop_asked.is_set():
                self.loop.add_reader(one, self._accept, one)

    def _accept(self, listener: socket.socket, at_most: int = AT_ONCE) -> bool:
        """Accept what waits. Returns whether more may wait."""
        for _ in range(at_most):
            try:
                accepted, _address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return False
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno not in NO_FILES:
                    raise
                self.loop.remove_reader(listener)  # it would be called again at once
                self.loop.call_later(PAUSE_SECONDS, self._listen)
                return False
            self._admit(accepted)
        return True

    def _admit(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        if self.traffic.connections >= self.settings.connections:
            return self._turn_away(accepted)
        self.traffic.connections += 1
        task = self.loop.create_task(self._connect(accepted))
        self.arriving.add(task)
        task.add_done_callback(self.arriving.discard)
        return None

    async def _connect(self, accepted: socket.socket) -> None:
        connection = Connection(self.config, self.state, self.lifespan.state, self.traffic)
        patience = self.settings.header_seconds if self.context else None
        farewell = LINGER_SECONDS if self.context else None
        try:
            await self.loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self.context,
                ssl_handshake_timeout=patience,
                ssl_shutdown_timeout=farewell,
            )
        except OSError:  # the client left, or does not speak TLS
            if not connection.is_made:
                self.traffic.connections -= 1

    def _turn_away(self, accepted: socket.socket) -> None:
        problem = busy(f"The server has {self.settings.connections:,} connections open, which is its limit.")
        self.traffic.tell_refusal(problem, "")
        with contextlib.suppress(OSError):
            if self.context is None:
                accepted.send(refusal_response(problem))
                accepted.shutdown(socket.SHUT_WR)
                accepted.recv(65_536)  # closing with unread bytes would take the answer away
        accepted.close()

    # The clock: one for all connections.

    async def _tick(self) -> None:
        shortest = min(self.settings.header_seconds, self.settings.idle_seconds)
        period = min(0.25, max(0.01, shortest / 8))
        while True:
            self.state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
            now = self.loop.time()
            for connection in list(self.state.connections):
                if isinstance(connection, Connection):
                    connection.check(now)
            await asyncio.sleep(period)

    # Stopping.

    def _hear(self, stops: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: there is nothing to stop
            self.loop.call_soon_threadsafe((self.end_asked if stops > 1 else self.stop_asked).set)

    async def _drain(self) -> None:
        """Accept what the system has accepted, close the door, and wait for the answers."""
        stopped = [stop_new_connections(one) for one in self.sockets]
        if any(stopped):
            await asyncio.sleep(SETTLE_SECONDS)  # what has begun to connect from afar comes whole
        for one in self.sockets:
            self.loop.remove_reader(one)
            while self._accept(one):
                pass
            one.close()
        end = asyncio.ensure_future(self.end_asked.wait())
        until = self.loop.time() + self.settings.stop_seconds
        while self.arriving or self.state.connections or self.state.tasks:
            left = until - self.loop.time()
            if left <= 0 or end.done():
                break
            await asyncio.wait({end}, timeout=min(left, 0.05))
        end.cancel()

    def _end(self) -> None:
        for connection in list(self.state.connections):
            connection.transport.abort()
        for task in [*self.arriving, *self.state.tasks]:
            task.cancel()

    async def _stop_application(self) -> None:
        seconds = FORCED_SECONDS if self.end_asked.is_set() else CLOSING_SECONDS
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.lifespan.stop(), seconds)


def _uvicorn_config(app: ASGIApp) -> Config:
    config = Config(
        app,
        interface="asgi3",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
    )
    config.load()
    return config


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
