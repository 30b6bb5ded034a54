"""Load on a few connections whose requests do not wait for the answers to those before them."""

import time
from collections import deque
from collections.abc import Sequence

from bench.serving.load import CUT, Connection, Load

MOST_WAITING = 64  # requests on one connection


class Line(Connection):
    """A connection, and the requests that are under way on it."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.waiting: deque[float] = deque()  # when each began, the oldest first

    def begin(self, request: bytes, now: float) -> None:
        """Send a request behind the others."""
        self.unsent = memoryview(bytes(self.unsent) + request)
        self.waiting.append(now)
        self.send()

    def take(self) -> int | None:
        """The status of the next whole answer; None where there is none."""
        status = self.status()
        if status is not None:
            del self.answer[: self.whole]
            self.whole = -1
        return status


class PipelinedLoad(Load):
    """Requests that begin at a rate, on each connection in turn."""

    def __init__(self, port: int, requests: Sequence[bytes], connections: int) -> None:
        super().__init__(port, requests)
        self.lines = [self.connect() for _ in range(connections)]

    def connect(self) -> Line:
        """A new connection."""
        return self.watched(Line(self.port))

    def start(self) -> None:
        """Begin the next request on the next connection."""
        self.sent += 1
        line = self.lines[self.sent % len(self.lines)]
        if len(line.waiting) >= MOST_WAITING:
            self.unsent += 1
            return
        line.begin(self.requests[self.sent % len(self.requests)], time.perf_counter())
        self.watch(line)

    def receive(self, connection: Connection) -> int:
        """Note what a connection brings; how many requests ended."""
        assert isinstance(connection, Line)  # there are no others
        is_cut, ended = connection.receive() == CUT, len(self.ended)
        while connection.waiting and (status := connection.take()) is not None:
            self.note(connection.waiting.popleft(), status)
        if is_cut:
            while connection.waiting:
                self.note(connection.waiting.popleft(), CUT)
            self.selector.unregister(connection.socket)
            connection.socket.close()
            self.lines[self.lines.index(connection)] = self.connect()
        return len(self.ended) - ended
