"""The load generator, a process of its own: raw HTTP/1.1 on kept connections, one thread, one selector.

    python -m bench.serving.load PORT PATH PHOTOGRAPHS --pid SERVER [--connections 8 | --rate 600 [--pipelined]]

With `--connections` each connection sends its next request when it has its answer. With `--rate` requests begin at
that rate, whatever becomes of those before: on as many connections as that takes, or with `--pipelined` one behind the
other on few. Prints one JSON object about the window behind the warm-up.
"""

import argparse
import json
import selectors
import socket
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from bench.serving.processes import cpu_seconds

Kind = TypeVar("Kind", bound="Connection")

CUT = 0  # in place of a status: the connection ended without an answer
MOST_OPEN = 900  # connections at once


class Connection:
    """One connection: at most one request is under way on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unsent = memoryview(b"")
        self.began = 0.0
        self.answer = bytearray()
        self.whole = -1  # bytes of the answer, once its headers are there

    def begin(self, request: bytes, now: float) -> None:
        """Start a request; the selector says when more of it can be sent."""
        self.unsent, self.began, self.whole = memoryview(request), now, -1
        self.answer.clear()
        self.send()

    def send(self) -> None:
        """Send what the socket takes; a server that has closed may still have answered, so that is seen in reading."""
        try:
            while self.unsent:
                self.unsent = self.unsent[self.socket.send(self.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self.unsent = memoryview(b"")

    def receive(self) -> int | None:
        """The status of the answer once it is whole; None before that."""
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            return CUT
        self.answer += data
        return self.status()

    def status(self) -> int | None:
        """The status of the answer that was received first, once it is whole."""
        if self.whole < 0 and (end := self.answer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.answer[:end]).lower()
            self.whole = end + 4 + int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        return int(self.answer[9:12]) if 0 <= self.whole <= len(self.answer) else None

    @property
    def is_last(self) -> bool:
        """Whether the server closes the connection, or did not take the whole request."""
        return bool(self.unsent) or b"connection: close" in bytes(self.answer[: self.whole]).lower()


class Load:
    """Keeps requests under way until a time, and notes how each ended."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self.port, self.requests = port, requests
        self.selector = selectors.DefaultSelector()
        self.idle: list[Connection] = []
        self.busy = 0
        self.sent = self.unsent = 0
        self.ended: list[tuple[float, float, int]] = []  # when, seconds, status

    def start(self) -> None:
        """Begin the next request on a connection that is free, or a new one."""
        if not self.idle and self.busy >= MOST_OPEN:
            self.unsent += 1
            return
        connection = self.idle.pop() if self.idle else self.connect()
        self.busy += 1
        self.sent += 1
        connection.begin(self.requests[self.sent % len(self.requests)], time.perf_counter())
        self.watch(connection)

    def connect(self) -> Connection:
        """A new connection."""
        return self.watched(Connection(self.port))

    def watched(self, connection: Kind) -> Kind:
        """A connection whose answers `turn` receives."""
        self.selector.register(connection.socket, selectors.EVENT_READ, connection)
        return connection

    def watch(self, connection: Connection) -> None:
        """Ask to be told when more can be sent, only where more is to be sent."""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
        if self.selector.get_key(connection.socket).events != wanted:
            self.selector.modify(connection.socket, wanted, connection)

    def turn(self, timeout: float) -> int:
        """Handle what is ready; how many requests ended."""
        ended = 0
        for key, events in self.selector.select(max(timeout, 0)):
            connection: Connection = key.data
            if events & selectors.EVENT_WRITE:
                connection.send()
                self.watch(connection)
            if events & selectors.EVENT_READ:
                ended += self.receive(connection)
        return ended

    def receive(self, connection: Connection) -> int:
        """Note what a connection brings; how many requests ended."""
        status = connection.receive()
        if status is None:
            return 0
        was_under_way = connection.began > 0
        self.end(connection, status)
        return int(was_under_way)

    def note(self, began: float, status: int) -> None:
        """Note how a request ended."""
        now = time.perf_counter()
        self.ended.append((now, now - began, status))

    def end(self, connection: Connection, status: int) -> None:
        """Note an answer, and keep the connection where it can be used again."""
        if connection.began:
            self.note(connection.began, status)
            self.busy -= 1
        connection.began = 0.0
        if status == CUT or connection.is_last:
            self.selector.unregister(connection.socket)
            connection.socket.close()
            if connection in self.idle:
                self.idle.remove(connection)
        else:
            self.watch(connection)
            self.idle.append(connection)

    def close(self) -> None:
        """End all connections."""
        for key in list(self.selector.get_map().values()):
            key.data.socket.close()
        self.selector.close()

    def run_closed(self, connections: int, until: float) -> None:
        """As many requests as connections under way, always."""
        while time.perf_counter() < until:
            while self.busy < connections:
                self.start()
            self.turn(until - time.perf_counter())

    def run_open(self, rate: float, until: float) -> None:
        """Requests begin at a rate; those that are due while others are handled begin at once."""
        due = time.perf_counter()
        while (now := time.perf_counter()) < until:
            while due <= now:
                self.start()
                due += 1 / rate
            self.turn(due - time.perf_counter())

    def run_count(self, connections: int, count: int) -> None:
        """A number of requests, over some connections."""
        last = self.sent + count
        while self.sent < last or self.busy:
            while self.busy < connections and self.sent < last:
                self.start()
            self.turn(1)


def requests_of(path: str, photographs: Path) -> list[bytes]:
    """One request for each photograph, its body the file itself."""
    bodies = [file.read_bytes() for file in sorted(photographs.glob("*.jpg"))]
    return [
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
        for body in bodies
    ]


def describe(ended: Sequence[tuple[float, float, int]], seconds: float, cpu: float) -> dict[str, object]:
    """What happened in a window; latencies are those of requests that were answered with an image's classes."""
    taken = np.array([took for _, took, status in ended if status == 200]) * 1000
    statuses = Counter(str(status) for _, _, status in ended)
    document: dict[str, object] = {
        "answered": len(taken),
        "statuses": dict(statuses),
        "images_per_second": len(taken) / seconds,
        "cpu_seconds": cpu,
        "images_per_cpu_second": len(taken) / cpu if cpu else None,
    }
    if len(taken):
        p50, p99 = np.percentile(taken, (50, 99))
        document |= {"p50_milliseconds": p50, "p99_milliseconds": p99}
    return document


def main() -> None:
    """Load a server, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--pid", type=int, required=True, help="the server, for its processor time")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=float, help="requests a second, open loop")
    parser.add_argument("--pipelined", action="store_true", help="at that rate, over `--connections` connections")
    parser.add_argument("--count", type=int, help="that many requests, and no window")
    parser.add_argument("--warm-up", type=float, default=1.5, help="seconds")
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    requests = requests_of(given.path, given.photographs)
    load = Load(given.port, requests)
    if given.pipelined:
        from bench.serving.pipelined import PipelinedLoad  # it is made of this module

        load = PipelinedLoad(given.port, requests, given.connections)

    def run(seconds: float) -> None:
        until = time.perf_counter() + seconds
        if given.rate:
            load.run_open(given.rate, until)
        else:
            load.run_closed(given.connections, until)

    if given.count is None:
        run(given.warm_up)
    load.ended.clear()
    load.unsent = 0
    began, used = time.perf_counter(), cpu_seconds(given.pid)
    if given.count is None:
        run(given.seconds)
    else:
        load.run_count(given.connections, given.count)
    seconds, cpu = time.perf_counter() - began, cpu_seconds(given.pid) - used
    document = describe(load.ended, seconds, cpu)
    own = time.process_time() / (given.seconds + given.warm_up) if given.count is None else None
    print(json.dumps(document | {"seconds": seconds, "not_begun": load.unsent, "generator_share_of_a_core": own}))


if __name__ == "__main__":
    main()
