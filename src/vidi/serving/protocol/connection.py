"""One connection: uvicorn's protocol with a deadline for every wait, a limit for every size, and a strict parser."""

import asyncio
import contextlib
import os
import socket
import struct
from typing import Any, Literal

import httptools
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vidi.serving.problems import Problem
from vidi.serving.protocol.head import check_head, too_large
from vidi.serving.protocol.pace import Pace, next_pace
from vidi.serving.protocol.refusal import busy, refusal_response
from vidi.serving.protocol.traffic import Traffic
from vidi.serving.protocol.uvicorn_parts import (
    Config,
    HttpToolsProtocol,
    RequestResponseCycle,
    ServerState,
    strict_parser,
)

PIECE = 65_536  # bytes that are parsed between two looks at the limits
HEAD_PIECE = 16_384  # of a head, which the parser keeps until it is whole
PIPELINED = 16  # requests that may wait behind the one that is answered; a client sends the others again
LINGER_SECONDS = 2.0  # for a client to read the last answer and close, or to end a head that began before the stop
QUIET_SECONDS = 1.0  # after the stop began, in which an idle client may still send one last request

Reading = Literal["idle", "head", "body", "closed"]


class Connection(HttpToolsProtocol):
    """One client's connection."""

    def __init__(self, config: Config, server_state: ServerState, state: dict[str, object], traffic: Traffic) -> None:
        super().__init__(config=config, server_state=server_state, app_state=state)
        self.parser = strict_parser(self)
        self.traffic, self.settings = traffic, traffic.settings
        self.reading: Reading = "idle"  # what of a request is awaited; closed: nothing more is read
        self.since = self.loop.time()  # when `reading` became what it is
        self.is_made = False
        self.is_asked_to_close = False  # by a whole request: nothing is unread when it is answered
        self.used = False  # whether a request came at all
        self.pace = Pace(self.since, 0)  # of the body that is coming in
        self.drain_pace: Pace | None = None  # of the answer that is going out, while any of it is held back
        self.running: RequestResponseCycle | None = None
        self.last: RequestResponseCycle | None = None  # the one after whose answer the connection closes
        self.refusal: Problem | None = None  # told as soon as all earlier requests are answered
        self.linger_until: float | None = None
        self.waiting = 0  # requests in the pipeline, as the lifecycle counts them
        self.held: dict[RequestResponseCycle, int] = {}  # bytes of each body that count in `traffic`
        self.head_size = self.body_size = self.framing_size = 0
        self.boundary = False  # whether a head began or ended in the piece that is parsed

    # What the transport tells.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The connection stands, and its encryption where it has one."""
        super().connection_made(transport)
        self.is_made = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of requests that were never begun; those being answered free their memory when they end."""
        self.reading = "closed"
        self.traffic.connections -= 1
        waiting = [cycle for cycle, _ in self.pipeline]
        self.pipeline.clear()
        super().connection_lost(exc)
        if self.running is not None:
            self.running.disconnected = True
            self.running.message_event.set()
        self._count_waiting()
        for cycle in waiting:
            self._free(cycle)

    def data_received(self, data: bytes) -> None:
        """Parse what came, in pieces, until a limit is passed."""
        if self.reading == "idle":
            self._read("head")
        view = memoryview(data)
        while len(view) > 0 and self.reading != "closed":
            size = PIECE if self.reading == "body" else HEAD_PIECE
            self._parse(view[:size])
            view = view[size:]

    def resume_writing(self) -> None:
        """The client has read: its time begins again."""
        self.drain_pace = None
        super().resume_writing()

    # What the parser tells.

    def on_message_begin(self) -> None:
        """Begin a request, unless too many wait already."""
        if len(self.pipeline) >= PIPELINED:
            self._close_after_answers()
            raise _EnoughError
        super().on_message_begin()
        self.used = True
        self.boundary, self.head_size, self.body_size, self.framing_size = True, 0, 0, 0
        self._read("head")

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header; a trailer after the chunks is counted and passed over."""
        if self.reading == "head":
            self._count_head(len(name) + len(value) + 4)  # `: ` and the end of the line
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Refuse a request by its head, or hand it to the application."""
        method, version = self.parser.get_method().decode("ascii"), self.parser.get_http_version()
        self.scope["method"] = method
        check_head(method, self.url, version, self.headers, self.settings)
        if version == "1.0":
            self.expect_100_continue = False  # RFC 9110, 10.1.1: such clients do not know the answer
        super().on_headers_complete()
        self._count_waiting()
        self.boundary, self.framing_size = True, 0
        self._read("body")
        self.pace = Pace(self.since, 0)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, as long as it fits."""
        self.body_size += len(body)
        if self.cycle.response_complete or self.cycle.disconnected:
            return
        if self.body_size > self.settings.body_bytes:
            raise too_large(self.body_size, self.settings)
        if not self.traffic.take(len(body)):
            self._cut_slowest()
            raise busy("The memory for bodies of requests is full.")
        self.held[self.cycle] = self.held.get(self.cycle, 0) + len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        super().on_message_complete()
        self._read("idle")
        if not self.parser.should_keep_alive():
            self.reading, self.is_asked_to_close = "closed", True

    # What the application tells.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.running = cycle
        super()._start_asgi_task(cycle, self._guarded(cycle, app))

    def _guarded(self, cycle: RequestResponseCycle, app: ASGIApp) -> Any:
        """The application for one request: its end frees the memory of the body; a last answer says that it is one."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_or_end(message: Message) -> None:
                if message["type"] != "http.response.start" or not self._is_last(cycle):
                    return await send(message)
                await send({**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]})
                if not self.is_asked_to_close:
                    # uvicorn would close at the end of the answer; `on_response_complete` lets the client read first.
                    self.last, cycle.keep_alive = cycle, True
                return None

            try:
                await app(scope, receive, send_or_end)
            except (ClientDisconnect, asyncio.CancelledError):
                if not cycle.disconnected:
                    raise
            except Exception:
                if not cycle.response_complete:
                    raise
                # uvicorn would close behind an answer that is whole, and that did not say so.
                self.logger.exception("Exception in ASGI application")
            finally:
                self._free(cycle)

        return answer

    def _is_last(self, cycle: RequestResponseCycle) -> bool:
        if not cycle.keep_alive or cycle.more_body:  # the client asked for it, or what it still sends is not wanted
            return True
        if self.pipeline or self.refusal is not None:  # more is to be answered
            return False
        return self.reading == "closed" or self.traffic.lifecycle.is_stopping

    def on_response_complete(self) -> None:
        """Go on with the next request, or close."""
        self.server_state.total_requests += 1
        cycle, self.running = self.running, None
        if self.transport.is_closing():
            return
        if self.reading == "idle":
            self.since = self.loop.time()
        self.flow.resume_reading()
        if cycle is self.last:
            self._linger()
        elif self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            self._count_waiting()
        elif self.refusal is not None:
            self._tell_refusal(self.refusal)
        elif self.reading == "closed":
            self._linger()

    # What the clock tells.

    def check(self, now: float) -> None:
        """End a wait that has lasted too long.

        Args:
            now: seconds of the loop's clock.
        """
        if self.linger_until is not None:
            if now > self.linger_until and not self.transport.is_closing():
                (self._reset if self.transport.get_write_buffer_size() else self.transport.close)()
        elif self._is_unread(now):
            self._reset()
        elif self.flow.read_paused:  # the client is not the one who waits
            self.since, self.pace = now, Pace(now, self.body_size)
        elif self.reading == "head":
            seconds = self._head_seconds()
            if now - self.since > seconds:
                self.refuse(_too_slow(f"the headers were not whole after {seconds:g} s"))
        elif self.reading == "body":
            self._check_body(now)
        elif self.running is None and now - self.since > self._idle_seconds():
            self._linger()

    def _check_body(self, now: float) -> None:
        rate, window = self.settings.body_bytes_per_second, self.settings.header_seconds
        pace = next_pace(self.pace, now, self.body_size, window=window, rate=rate)
        if pace is None:
            self.refuse(_too_slow(f"the body came at less than {rate:,} bytes per second"))
        else:
            self.pace = pace

    def _is_unread(self, now: float) -> bool:
        """Whether the client does not read what is sent to it."""
        waiting = self.transport.get_write_buffer_size()
        if waiting == 0 or self.drain_pace is None:
            self.drain_pace = Pace(now, -waiting) if waiting else None
            return False
        rate, window = self.settings.body_bytes_per_second, self.settings.idle_seconds
        self.drain_pace = next_pace(self.drain_pace, now, -waiting, window=window, rate=rate)
        return self.drain_pace is None

    def _head_seconds(self) -> float:
        if self.traffic.lifecycle.is_stopping:  # one slow client does not hold up the stop
            return min(LINGER_SECONDS, self.settings.header_seconds)
        return self.settings.header_seconds

    def _idle_seconds(self) -> float:
        if self.traffic.lifecycle.is_stopping:
            return min(QUIET_SECONDS, self.settings.idle_seconds)
        return self.settings.idle_seconds if self.used else self.settings.header_seconds

    # Refusing and closing.

    def refuse(self, problem: Problem) -> None:
        """Answer the request that is coming in with a problem, after all earlier ones, and close."""
        if self.reading == "closed":
            return
        had_head, self.reading, self.refusal = self.reading == "body", "closed", problem
        self.traffic.tell_refusal(problem, self.client[0] if self.client else "")
        if had_head and self.pipeline:
            self._free(self.pipeline.popleft()[0])  # the newest stands left, and was not begun
            self._count_waiting()
        elif had_head and self.running is not None:
            if self.running.response_started:
                self.transport.abort()  # half an answer cannot be taken back
            self.running.disconnected = True
            self.running.message_event.set()
            self.running = None
        if self.running is None and not self.transport.is_closing():
            self._tell_refusal(problem)

    def _tell_refusal(self, problem: Problem) -> None:
        date = dict(self.server_state.default_headers).get(b"date", b"")
        has_body = self.scope is None or self.scope.get("method") != "HEAD"
        self.transport.write(refusal_response(problem, date=date, has_body=has_body))
        self._linger()

    def _linger(self) -> None:
        """Close for writing, and read on for a while: closing with unread bytes would take the last answer away."""
        self.reading, self.linger_until = "closed", self.loop.time() + LINGER_SECONDS
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.transport.can_write_eof():
                with contextlib.suppress(OSError):  # the other side has gone, and asyncio does not know it yet
                    self.transport.write_eof()

    def _reset(self) -> None:
        """End the connection with all that waits to be sent; the system, too, keeps none of it."""
        raw, form = self.transport.get_extra_info("socket"), "hh" if os.name == "nt" else "ii"
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))
        self.transport.abort()

    def _close_after_answers(self) -> None:
        self.reading = "closed"
        if self.running is None:
            self._linger()

    def _cut_slowest(self) -> None:
        """End the request that has been coming in for longest, where it had its time."""
        now = self.loop.time()
        others = [other for other in self.connections if isinstance(other, Connection) and other.reading == "body"]
        slowest = min((other for other in others if other is not self), key=lambda other: other.since, default=None)
        if slowest is not None and now - slowest.since > self.settings.header_seconds:
            slowest.refuse(busy("The memory for bodies of requests is full, and this one was the slowest."))

    # Small steps.

    def _parse(self, piece: memoryview) -> None:
        self.boundary, body_size, problem = False, self.body_size, None
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._close_after_answers()  # answered as if no other protocol was asked for
        except httptools.HttpParserCallbackError as error:
            problem = error.__context__ if isinstance(error.__context__, Problem) else _malformed(error.__context__)
            if isinstance(error.__context__, _EnoughError):
                return
        except httptools.HttpParserError as error:
            problem = _malformed(error)
        if problem is None and not self.boundary:
            self.framing_size += len(piece) - (self.body_size - body_size)
            problem = self._excess_of_framing()
        if problem is not None:
            self.refuse(problem)

    def _excess_of_framing(self) -> Problem | None:
        """The problem of too much that is no body: a head without end, or chunks of a few bytes each."""
        limit = self.settings.header_bytes
        if self.reading == "body" and self.framing_size > limit + self.body_size // 8:
            return Problem("bad-request", "The chunks of the body are too small.", "Send chunks of 1 kB or more.")
        return _too_large_head(limit) if self.reading == "head" and self.framing_size > limit else None

    def _count_head(self, count: int) -> None:
        self.head_size += count
        if self.head_size > self.settings.header_bytes:
            raise _too_large_head(self.settings.header_bytes)

    def _read(self, reading: Reading) -> None:
        self.reading, self.since = reading, self.loop.time()

    def _count_waiting(self) -> None:
        """Tell the application, which sees only the first request of a connection, how many wait behind it."""
        self.traffic.lifecycle.waiting += len(self.pipeline) - self.waiting
        self.waiting = len(self.pipeline)

    def _free(self, cycle: RequestResponseCycle) -> None:
        self.traffic.give_back(self.held.pop(cycle, 0))


class _EnoughError(Exception):
    """Nothing more of this connection is parsed."""


def _too_slow(what: str) -> Problem:
    return Problem("too-slow-request", f"The request was cut: {what}.", "Send it again over a faster connection.")


def _too_large_head(limit: int) -> Problem:
    return Problem("headers-too-large", f"The head has more than {limit:,} bytes.", "Send fewer or shorter headers.")


def _malformed(error: BaseException | None) -> Problem:
    return Problem("bad-request", f"The request is not HTTP/1.1: {error}.", "Check the program that sends it.")
