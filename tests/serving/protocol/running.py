"""A real server in a thread of the test, a small application, and clients that write bytes themselves."""

import asyncio
import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from vidi.serving.problems import Problem
from vidi.serving.protocol.incoming import Lifecycle
from vidi.serving.protocol.listen import Listen, Listening
from vidi.serving.protocol.server import run_server
from vidi.serving.settings import Settings

PATIENCE = 20  # seconds in which a test's server and its answers come; no test waits that long when it passes


@dataclass
class PredictQuery:
    """What the small application saw, and the events that its answers wait for."""

    paths: list[str] = field(default_factory=list)
    bodies: list[int] = field(default_factory=list)  # bytes of each body that came whole
    disconnects: int = 0
    began: threading.Event = field(default_factory=threading.Event)
    may_answer: threading.Event = field(default_factory=threading.Event)


def small_app(asked: PredictQuery) -> ASGIApp:
    """`/early` answers before the body, `/wait` when it may, `/large` with 8 MB, all others with what they got."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        asked.paths.append(scope["path"])
        asked.began.set()
        body = b"" if scope["path"] == "/early" else await whole_body(receive)
        if body is None:
            asked.disconnects += 1
            return
        if scope["path"] == "/wait":
            await asyncio.to_thread(asked.may_answer.wait, PATIENCE)
        asked.bodies.append(len(body))
        content = b"x" * 8_000_000 if scope["path"] == "/large" else json.dumps({"path": scope["path"]}).encode()
        length = (b"content-length", str(len(content)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": content})

    return app


async def whole_body(receive: Receive) -> bytes | None:
    """The body of a request; None where the client left first."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


@dataclass
class Running:
    """A server that runs."""

    port: int
    lifecycle: Lifecycle
    thread: threading.Thread
    refusals: list[str]
    listening: Listening

    def connect(self) -> socket.socket:
        """A connected socket that waits no longer than `PATIENCE`."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def ask(self, *parts: bytes) -> "list[Reply]":
        """Every answer to bytes that are sent on a connection of their own, read until it closes."""
        with self.connect() as client:
            for part in parts:
                send_all(client, part)
            return read_replies(client)


@contextlib.contextmanager
def running(
    app: ASGIApp,
    settings: Settings | None = None,
    *,
    certificate: Path | None = None,
    key: Path | None = None,
    lifecycle: Lifecycle | None = None,
) -> Iterator[Running]:
    """Run a server on a free port of the loopback until the block ends."""
    lifecycle, stood = lifecycle or Lifecycle(), threading.Event()
    told: list[Listening] = []
    failures: list[BaseException] = []
    refusals: list[str] = []

    def ready(listening: Listening) -> None:
        told.append(listening)
        stood.set()

    def serve() -> None:
        try:
            run_server(
                app,
                settings or Settings(),
                listen=Listen(port=0, certificate=certificate, key=key),
                lifecycle=lifecycle,
                ready=ready,
                describe_refusal=lambda problem, _: note(problem),
            )
        except BaseException as error:  # a failed start is the test's to see
            failures.append(error)
        finally:
            stood.set()

    def note(problem: Problem) -> None:
        refusals.append(problem.code)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert stood.wait(PATIENCE)
    if failures:
        raise failures[0]
    try:
        yield Running(told[0].addresses[0][1], lifecycle, thread, refusals, told[0])
    finally:
        if not lifecycle.is_stopping:
            lifecycle.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        if failures:
            raise failures[0]


@dataclass(frozen=True)
class Reply:
    """One answer of a server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The stable code of a problem."""
        assert self.headers["content-type"] == "application/problem+json"
        return str(json.loads(self.body)["code"])


def send_all(client: socket.socket, data: bytes) -> None:
    """Send bytes to a server that may close first."""
    with contextlib.suppress(ConnectionError):
        client.sendall(data)


def read_replies(client: socket.socket, count: int | None = None) -> list[Reply]:
    """The answers that come until the server closes, or until there are `count`."""
    data, replies = b"", list[Reply]()
    while count is None or len(replies) < count:
        try:
            more = client.recv(1 << 16)
        except ConnectionError:
            more = b""
        data += more
        while (found := first_reply(data)) is not None:
            reply, data = found
            replies.append(reply)
        if not more:
            assert data == b"", data
            break
    return replies


def first_reply(data: bytes) -> tuple[Reply, bytes] | None:
    """The first whole answer and what follows it."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    status = int(re.fullmatch(r"HTTP/1\.1 (\d{3}) [ -~]*", first)[1])
    if status == 100:
        return Reply(100, {}, b""), rest
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    length = int(headers.get("content-length", "0"))
    return (Reply(status, headers, rest[:length]), rest[length:]) if len(rest) >= length else None


def request(path: str = "/", *, method: str = "GET", body: bytes = b"", headers: str = "Host: localhost\r\n") -> bytes:
    """The bytes of a request; `headers` hold their line ends."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\n{headers}{length}\r\n".encode() + body
