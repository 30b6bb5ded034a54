"""What one client may send, and how long it may take: a protocol of asyncio that stands before uvicorn's own."""

import asyncio
import contextlib
import http
import json
import logging
import os
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Literal, cast

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vidi.serving.problems import MEDIA_TYPE, Problem
from vidi.serving.protocol.incoming import Incoming, Lifecycle, Request
from vidi.serving.protocol.listen import take_again
from vidi.serving.settings import Settings

PIECE = 65_536  # bytes that are parsed between two looks at the limits
HEAD_PIECE = 16_384  # of a head, which the parser keeps until it is whole
PIPELINED = 16  # requests that may wait behind the one that is answered; a client sends the others again
LINGER_SECONDS = 2.0  # for a client to read the last answer and close
FAREWELL_SECONDS = 0.1  # the same for a client that is turned away: such ones are not counted
HEAD_SHARE = 1 / 4  # of the time for the stop, in which a head that has begun must be whole
QUIET_SHARE = 1 / 8  # of the same, in which an idle client may still send one last request
RETRY_SECONDS = 1  # what `Retry-After` says of a limit that frees itself with the next answer

Reading = Literal["idle", "head", "body", "closed"]
Ends = tuple[tuple[str, int], tuple[str, int]]  # address and port of the client, and of the server
LOGGER = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Traffic:
    """What all connections of one server share. Used by its event loop's thread alone."""

    settings: Settings
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    describe_refusal: Callable[[Problem, str], None] = lambda *_: None  # a refusal below ASGI, and the client's address
    context: ssl.SSLContext | None = None  # None: plain HTTP
    guards: "dict[Ends, Guard]" = field(default_factory=dict)  # of all connections that are open
    answering: set["asyncio.Future[Any]"] = field(default_factory=set)  # the application's work
    buffered: int = 0  # bytes of bodies that are being received or answered

    def take(self, count: int) -> bool:
        """Reserve memory for bytes of a body; False where the limit of all bodies would be passed."""
        if self.buffered + count > self.settings.buffered_bytes:
            return False
        self.buffered += count
        return True

    def free(self, request: Request) -> None:
        """Free what `take` reserved for a request."""
        self.buffered -= request.held
        request.held = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """One window of time in which a minimum of bytes has to pass: so a fast beginning buys no endless rest."""

    since: float  # seconds of the loop's clock
    count: int  # bytes that had passed then

    def next(self, now: float, count: int, *, window: float, rate: float) -> "Pace | None":
        """The window that holds now, or None where the bytes of a whole window were too few.

        Args:
            now: seconds of the loop's clock.
            count: bytes that have passed in all.
            window: its length in seconds.
            rate: bytes per second that have to pass, averaged over the window.

        >>> Pace(0.0, 0).next(9.0, 5, window=10, rate=1)
        Pace(since=0.0, count=0)
        >>> Pace(0.0, 0).next(10.0, 10, window=10, rate=1)
        Pace(since=10.0, count=10)
        >>> Pace(0.0, 0).next(10.0, 9, window=10, rate=1) is None
        True
        """
        if now - self.since < window:
            return self
        return Pace(now, count) if count - self.count >= rate * (now - self.since) else None


class Inner:
    """uvicorn's protocol, and the transport as it sees it: closing it lets the client read the last answer first."""

    def __init__(self, protocol: asyncio.Protocol, transport: asyncio.Transport, guard: "Guard") -> None:
        self._protocol, self._transport, self._guard = protocol, transport, guard
        self.is_paused = False  # it has as much of a body as it wants for now
        self.is_left = False  # it was told that the client has gone
        protocol.connection_made(cast(asyncio.Transport, self))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def pause_reading(self) -> None:
        """Stop the body for a while."""
        self.is_paused = True
        self._guard.read_where_wanted()

    def resume_reading(self) -> None:
        """Let the body go on."""
        self.is_paused = False
        self._guard.read_where_wanted()

    def close(self) -> None:
        """End the connection behind what was written."""
        if not self.is_left:
            self._guard.close()

    def hand_on(self, request: Request) -> None:
        """Give it what has come of the request whose turn it is."""
        while request.parts and not self.is_left:
            self._protocol.data_received(request.parts.pop(0))

    def leave(self) -> None:
        """Tell it, once, that the client has gone."""
        if not self.is_left:
            self.is_left = True
            self._protocol.connection_lost(None)  # an error would leave uvicorn's timer, and with it the connection


class Guard(asyncio.Protocol):
    """One connection. uvicorn gets one request at a time, once its head was found good."""

    def __init__(self, protocol: asyncio.Protocol, traffic: Traffic) -> None:
        self.protocol, self.traffic = protocol, traffic
        self.incoming = Incoming(self, traffic.settings)
        self.inner: Inner | None = None  # None until the encryption stands
        self.early = bytearray()  # what comes until then
        self.ends: Ends | None = None
        self.reading: Reading = "idle"  # what of a request is awaited; closed: nothing more is read
        self.current: Request | None = None  # that uvicorn has
        self.waiting: deque[Request] = deque()  # behind it, the oldest first
        self.refusal: Problem | None = None  # told as soon as all earlier requests are answered
        self.pace = Pace(self.now(), 0)  # of what comes in; it begins where `reading` changes
        self.drain_pace: Pace | None = None  # of what goes out, while any of it is held back
        self.farewell: asyncio.TimerHandle | None = None  # at whose end a connection that lingers is cut

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit a client, or turn it away."""
        self.transport = cast(asyncio.Transport, transport)
        guards, most = self.traffic.guards, self.traffic.settings.connections
        self.ends = _ends_of(self.transport)
        if self.ends is None:
            self.transport.abort()
        elif len(guards) >= most:
            self._turn_away(busy(f"The server has {most:,} connections open, which is its limit."))
        else:
            guards[self.ends] = self
            if self.traffic.lifecycle.is_stopping:
                take_again(self.transport.get_extra_info("socket"))
            if self.traffic.context is None:
                self.inner = Inner(self.protocol, self.transport, self)
            else:
                self.transport.pause_reading()
                self.task = asyncio.ensure_future(self._encrypt(self.traffic.context))

    async def _encrypt(self, context: ssl.SSLContext) -> None:
        try:
            encrypted = await asyncio.get_running_loop().start_tls(
                self.transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=self.traffic.settings.header_seconds,
                ssl_shutdown_timeout=LINGER_SECONDS,
            )
        except OSError:  # the client left, was too slow, or does not speak TLS
            return self.connection_lost(None)
        if encrypted is not None and not encrypted.is_closing():
            self.transport, self.pace = encrypted, Pace(self.now(), 0)
            self.inner = Inner(self.protocol, encrypted, self)
            self.data_received(bytes(self.early))
        return None

    def connection_lost(self, _: Exception | None) -> None:
        """Let go of requests that were never begun; one that is answered frees its memory when it ends."""
        self.reading = "closed"
        if self.ends is not None and self.traffic.guards.get(self.ends) is self:
            del self.traffic.guards[self.ends]
        if self.inner is not None:
            self.inner.leave()
        self.traffic.lifecycle.waiting -= len(self.waiting)
        for request in (*self.waiting, *filter(None, [self.current])):
            if not request.has_begun:
                self.traffic.free(request)
        self.waiting.clear()
        if self.farewell is not None:
            self.farewell.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse what came, in pieces, until a limit is passed."""
        if self.inner is None and self.reading != "closed":
            self.early += data
            return
        view = memoryview(data)
        try:
            while len(view) > 0 and self.reading != "closed":
                if self.reading == "idle":
                    self._read("head")
                size = PIECE if self.reading == "body" else HEAD_PIECE
                self.incoming.parse(view[:size])
                view = view[size:]
        except Problem as problem:
            self.refuse(problem)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """The client has read: its time begins again."""
        self.drain_pace = None
        self.protocol.resume_writing()

    # What the parser tells.

    def may_begin(self) -> bool:
        """Whether one more request may wait; otherwise nothing more is read."""
        if len(self.waiting) < PIPELINED:
            self._read("head")
            return True
        self._close_after_answers()
        return False

    def take_head(self, request: Request) -> None:
        """Hand a request on, or have it wait for its turn."""
        self._read("body")
        request.since = self.pace.since
        if self.current is None:
            self._begin(request)
        else:
            self.waiting.append(request)
            self.traffic.lifecycle.waiting += 1
            self.read_where_wanted()

    def take_body(self, request: Request, body: bytes) -> None:
        """Keep a part of a body, or hand it on.

        Raises:
            Problem: there is no memory for it.
        """
        if request.is_over:
            return
        if not self.traffic.take(len(body)):
            self._cut_slowest()
            raise busy("The memory for bodies of requests is full.")
        request.held += len(body)
        request.write_body(body)
        self._hand_on(request)

    def take_end(self, request: Request) -> None:
        """Hand on the end of a request."""
        self._read("closed" if request.asks_to_close else "idle")
        self._hand_on(request)

    def _begin(self, request: Request) -> None:
        self.current = request
        self._hand_on(request)

    def _hand_on(self, request: Request) -> None:
        if request is self.current and self.inner is not None:
            self.inner.hand_on(request)

    def _read(self, reading: Reading) -> None:
        self.reading, self.pace = reading, Pace(self.now(), 0)

    # What the application tells.

    def is_last(self, request: Request) -> bool:
        """Whether the connection closes behind the answer to a request: the answer then says so."""
        if not request.is_whole:  # what the client still sends is not wanted
            return True
        if self.waiting or self.refusal is not None:  # more is to be answered
            return False
        return self.reading == "closed" or self.traffic.lifecycle.is_stopping

    def end(self, request: Request) -> None:
        """An answer is complete: go on with the next request, or close."""
        request.is_over = True
        if request is not self.current:
            return
        self.current = None
        if self.reading == "idle":
            self._read("idle")
        if self.farewell is not None or self.transport.is_closing():
            return
        if self.waiting:
            self.traffic.lifecycle.waiting -= 1
            self._begin(self.waiting.popleft())
            self.read_where_wanted()
        elif self.refusal is not None:
            self._answer(self.refusal)
        elif self.reading == "closed":
            self.close()

    def read_where_wanted(self) -> None:
        """Read on, unless uvicorn has enough of a body, or too many requests wait."""
        (self.transport.pause_reading if self._is_paused() else self.transport.resume_reading)()

    def _is_paused(self) -> bool:
        has_enough = self.inner is not None and self.inner.is_paused
        return self.farewell is None and (has_enough or len(self.waiting) >= PIPELINED)

    # What the clock tells.

    def now(self) -> float:
        """Seconds of the loop's clock."""
        return asyncio.get_running_loop().time()

    def check(self, now: float) -> None:
        """End a wait that has lasted too long.

        Args:
            now: seconds of the loop's clock.
        """
        settings = self.traffic.settings
        if self.inner is None or self.farewell is not None:  # other clocks run
            return
        if self._is_unread(now):
            self._reset()
        elif self._is_paused() or (self.reading == "idle" and self.drain_pace is not None):
            # The client is not the one who waits, or still reads its answer.
            self.pace = Pace(now, self.incoming.request.body_size)
        elif self.reading == "head":
            seconds = min(self._stopping(HEAD_SHARE), settings.header_seconds)
            if now - self.pace.since > seconds:
                self.refuse(_too_slow(f"the headers were not whole after {seconds:g} s"))
        elif self.reading == "body":
            rate, window = settings.body_bytes_per_second, settings.header_seconds
            pace = self.pace.next(now, self.incoming.request.body_size, window=window, rate=rate)
            if pace is None:
                self.refuse(_too_slow(f"the body came at less than {rate:,} bytes per second"))
            else:
                self.pace = pace
        elif self.current is None:
            idle_seconds = settings.idle_seconds if self.incoming.request.has_head else settings.header_seconds
            if now - self.pace.since > min(self._stopping(QUIET_SHARE), idle_seconds):
                self.linger()

    def _stopping(self, share: float) -> float:
        """Seconds of the stop, while there is one: no slow client holds it up."""
        return share * self.traffic.settings.stop_seconds if self.traffic.lifecycle.is_stopping else float("inf")

    def _is_unread(self, now: float) -> bool:
        """Whether the client does not read what is sent to it."""
        waiting = self.transport.get_write_buffer_size()
        if waiting == 0 or self.drain_pace is None:
            self.drain_pace = Pace(now, -waiting) if waiting else None
            return False
        settings = self.traffic.settings
        window, rate = settings.idle_seconds, settings.body_bytes_per_second
        self.drain_pace = self.drain_pace.next(now, -waiting, window=window, rate=rate)
        return self.drain_pace is None

    # Refusing and closing.

    def refuse(self, problem: Problem) -> None:
        """Answer the request that is coming in with a problem, after all earlier ones, and close."""
        if self.reading == "closed":
            return
        had_head, self.reading, self.refusal = self.reading == "body", "closed", problem
        self.traffic.describe_refusal(problem, "" if self.ends is None else self.ends[0][0])
        if had_head and self.waiting:
            self.traffic.lifecycle.waiting -= 1
            self.traffic.free(self.waiting.pop())  # the newest: it was not begun
        elif had_head and self.current is not None and self.inner is not None:
            if self.current.has_started:
                self.transport.abort()  # half an answer cannot be taken back
            if not self.current.has_begun:
                self.traffic.free(self.current)
            self.current = None
            self.inner.leave()
        if self.current is None and not self.transport.is_closing():
            self._answer(problem)

    def _answer(self, problem: Problem) -> None:
        if self.inner is not None:
            self.inner.leave()
        self.transport.write(refusal_response(problem, has_body=self.incoming.request.method != "HEAD"))
        self.linger()

    def _turn_away(self, problem: Problem) -> None:
        self.traffic.describe_refusal(problem, "")
        if self.traffic.context is None:
            self.transport.write(refusal_response(problem))
        self.linger(FAREWELL_SECONDS)

    def close(self) -> None:
        """Close behind the last answer: at once where the client asked for it, for then nothing of it is unread."""
        (self.transport.close if self.incoming.request.asks_to_close else self.linger)()

    def linger(self, seconds: float = LINGER_SECONDS) -> None:
        """Close for writing, and read on for a while: closing with unread bytes would take the last answer away."""
        self.reading = "closed"
        if self.farewell is None and not self.transport.is_closing():
            self.farewell = asyncio.get_running_loop().call_later(seconds, self._part)
            self.read_where_wanted()
            if self.transport.can_write_eof():
                with contextlib.suppress(OSError):  # the other side has gone, and asyncio does not know it yet
                    self.transport.write_eof()

    def _part(self) -> None:
        (self._reset if self.transport.get_write_buffer_size() else self.transport.close)()

    def _reset(self) -> None:
        """End the connection with all that waits to be sent; the system, too, keeps none of it."""
        raw, form = self.transport.get_extra_info("socket"), "hh" if os.name == "nt" else "ii"
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))
        self.transport.abort()

    def _close_after_answers(self) -> None:
        self.reading = "closed"
        if self.current is None:
            self.linger()

    def _cut_slowest(self) -> None:
        """End the request that has been coming in for longest, where it had its time."""
        patience = self.traffic.settings.header_seconds
        others = [other for other in self.traffic.guards.values() if other is not self and other.reading == "body"]
        slowest = min(others, key=lambda other: other.incoming.request.since, default=None)
        if slowest is not None and self.now() - slowest.incoming.request.since > patience:
            slowest.refuse(busy("The memory for bodies of requests is full, and this one was the slowest."))


class GuardedApp:
    """The application as uvicorn calls it: the guard of the connection hears what becomes of each answer."""

    def __init__(self, app: ASGIApp, traffic: Traffic, state: Mapping[str, Any]) -> None:
        self.app, self.traffic, self.state = app, traffic, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; its end frees the memory of the body, and a last answer says that it is one."""
        guard = self.traffic.guards.get((scope["client"], scope["server"]))
        if guard is None or guard.current is None:  # refused, or left, before its turn came
            return
        request, task = guard.current, cast("asyncio.Future[Any]", asyncio.current_task())
        request.has_begun = True
        self.traffic.answering.add(task)

        async def send_and_tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.has_started = True
                if guard.is_last(request):
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                guard.end(request)

        try:
            await self.app({**scope, "state": dict(self.state)}, receive, send_and_tell)
        except (ClientDisconnect, asyncio.CancelledError):
            if guard.inner is None or not guard.inner.is_left:
                raise
        except Exception:
            if not request.is_over:
                raise
            # uvicorn would close behind an answer that is whole, and that did not say so.
            LOGGER.exception("The application failed behind its answer")
        finally:
            self.traffic.free(request)
            self.traffic.answering.discard(task)


def refusal_response(problem: Problem, *, has_body: bool = True) -> bytes:
    r"""The bytes of a whole HTTP/1.1 response that tells a problem and ends the connection.

    Args:
        has_body: False for the answer to a `HEAD` request.

    >>> refusal_response(Problem("too-slow-request", "It took 10 s.")).splitlines()[0]
    b'HTTP/1.1 408 Request Timeout'
    """
    document = json.dumps(problem.as_json(), ensure_ascii=False).encode()
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(document)),
        "cache-control": "no-store",
        "connection": "close",
        **problem.headers,
        "date": formatdate(usegmt=True),
    }
    lines = [f"HTTP/1.1 {problem.status} {http.HTTPStatus(problem.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (document if has_body else b"")


def busy(cause: str) -> Problem:
    """The problem of a limit that is reached: 503 with `Retry-After`."""
    return Problem("busy", cause, "Send the request again later.", headers={"retry-after": str(RETRY_SECONDS)})


def _too_slow(what: str) -> Problem:
    return Problem("too-slow-request", f"The request was cut: {what}.", "Send it again over a faster connection.")


def _ends_of(transport: asyncio.Transport) -> Ends | None:
    """Both ends of a connection, as uvicorn's scope names them; None where the client has gone already."""
    raw = transport.get_extra_info("socket")
    try:
        client, server = raw.getpeername(), raw.getsockname()
    except OSError:
        return None
    return (str(client[0]), int(client[1])), (str(server[0]), int(server[1]))
