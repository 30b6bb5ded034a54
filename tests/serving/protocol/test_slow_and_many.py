"""Slow clients, many clients and large bodies harm only themselves."""

import contextlib
import select
import selectors
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

import pytest

from tests.counts import count
from tests.serving.protocol.running import (
    PATIENCE,
    PredictQuery,
    Running,
    read_replies,
    request,
    running,
    send_all,
    small_app,
)
from tests.serving.protocol.test_signals import process
from vidi.serving.settings import Settings

resource = pytest.importorskip("resource", reason="needs:unix")

DRIPPING = (  # each is followed by one byte at a time
    b"",
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFF\r\n",
)
STALLED = request("/large")  # and nothing is read
ENOUGH = 300  # answers of each client: its first one waits behind all who connected before, and is no percentile
SLACK = 0.05  # seconds: all of these clients share the test's own thread lock and the processor with the server


def drip(clients: list[socket.socket], seconds: float, pause: float) -> int:
    """Send single bytes on every connection, with pauses. Returns how many the server ended meanwhile."""
    ended = 0
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ)
        until, next_byte = time.monotonic() + seconds, 0.0
        while selector.get_map() and (now := time.monotonic()) < until:
            if now >= next_byte:
                next_byte = now + pause
                for key in list(selector.get_map().values()):
                    send_all(key.fileobj, b"x")
            for key, _ in selector.select(pause):
                if ends(key.fileobj):
                    selector.unregister(key.fileobj)
                    ended += 1
    return ended


def ends(client: socket.socket) -> bool:
    """Whether the server has closed."""
    try:
        return client.recv(65_536) == b""
    except ConnectionError:
        return True


def are_ended(clients: list[socket.socket]) -> bool:
    """Wait until the server has ended all connections, and read nothing from them."""
    for client in clients:
        hung_up = select.poll()
        hung_up.register(client, select.POLLHUP)
        if not hung_up.poll(1_000 * PATIENCE):
            return False
    return True


class GoodClients:
    """Clients that ask one request after the other, and the seconds that they wait for each answer."""

    def __init__(self, server: Running, clients: int) -> None:
        self.seconds: list[float] = []
        self.lost = 0
        self.enough = threading.Event()  # answers for a percentile
        self._server, self._end = server, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _ask(self) -> None:
        with self._server.connect() as client:
            while not self._end.is_set():
                begin = time.perf_counter()
                send_all(client, request("/good", method="POST", body=b"x" * 1_000))
                if [reply.status for reply in read_replies(client, 1)] != [200]:
                    self.lost += 1
                    return
                self.seconds.append(time.perf_counter() - begin)
                if len(self.seconds) >= ENOUGH * len(self._threads):
                    self.enough.set()

    def latest(self) -> float:
        """The 99th percentile of the seconds."""
        return statistics.quantiles(self.seconds, n=100)[-1]


@pytest.mark.fault
@pytest.mark.slow  # waits for deadlines, with many clients
def test_slow_clients_are_cut_and_good_ones_do_not_notice():
    slow, good = (count(small=a, faults=b, soak=b) for a, b in ((40, 500), (4, 20)))
    seconds, as_usual = count(small=2, faults=6, soak=60), count(small=False, faults=False, soak=True)
    brief = count(small=0.3, faults=1)  # with hundreds of clients less is too little
    settings = Settings() if as_usual else Settings(header_seconds=brief, idle_seconds=brief)
    with running(small_app(PredictQuery()), settings) as server, contextlib.ExitStack() as stack:
        with GoodClients(server, good) as quiet:
            assert quiet.enough.wait(PATIENCE)
        clients = [stack.enter_context(server.connect()) for _ in range(slow)]
        dripping, stalled = clients[: slow * 4 // 5], clients[slow * 4 // 5 :]
        for number, client in enumerate(dripping):
            send_all(client, DRIPPING[number % len(DRIPPING)])
        for client in stalled:
            send_all(client, STALLED)
        with GoodClients(server, good) as busy:
            ended = drip(dripping, seconds, seconds / 10 if seconds < 10 else 1.0)
            were_stalled = are_ended(stalled)
            assert busy.enough.wait(PATIENCE)
        with GoodClients(server, good) as after:
            assert after.enough.wait(PATIENCE)

    assert ended == len(dripping)
    assert were_stalled
    assert (quiet.lost, busy.lost, after.lost) == (0, 0, 0)
    # Before and after, for other programs may be at work at one time and not at another.
    assert busy.latest() < 2 * max(quiet.latest(), after.latest()) + SLACK


@pytest.mark.fault
@pytest.mark.slow  # opens hundreds of connections
def test_connections_over_the_limit_are_ended_at_once_and_the_others_answered():
    limit, more = count(small=100, faults=400, soak=400), count(small=200, faults=3_000, soak=9_600)
    _allow_files(2 * (limit + 100))
    with running(small_app(PredictQuery()), Settings(connections=limit)) as server, contextlib.ExitStack() as stack:
        kept = [stack.enter_context(server.connect()) for _ in range(limit)]
        for client in kept:
            send_all(client, request())
            assert [reply.status for reply in read_replies(client, 1)] == [200]

        begin = time.monotonic()
        refused = [[reply.status for reply in server.ask(request())] for _ in range(more)]
        seconds = (time.monotonic() - begin) / more
        for client in kept:
            send_all(client, request())
            assert [reply.status for reply in read_replies(client, 1)] == [200]

    assert set(map(tuple, refused)) <= {(503,), ()}
    assert seconds < 0.1


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        pytest.skip("needs:open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def peak_megabytes(server: "subprocess.Popen[str]") -> float:
    """The most memory that a process has held."""
    lines = Path(f"/proc/{server.pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1_024


@pytest.mark.fault
@pytest.mark.slow  # sends hundreds of megabytes
@pytest.mark.skipif(sys.platform != "linux", reason="needs:linux")
def test_large_bodies_take_no_more_memory_than_the_limit():
    total = count(small=64, faults=1_024, soak=1_024)  # MB that each client would send
    piece = b"x" * (1 << 20)
    with process() as (server, port):
        idle, statuses = peak_megabytes(server), []

        def send_without_end(head: bytes, frame: bytes, end: bytes) -> None:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
                try:
                    client.sendall(head)
                    for _ in range(total):
                        client.sendall(frame + piece + end)
                except OSError:
                    pass
                statuses.append([reply.status for reply in read_replies(client)])

        chunked = (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"100000\r\n", b"\r\n")
        declared = (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (total << 20), b"", b"")
        fitting = (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (31 << 20), b"", b"")
        threads = [threading.Thread(target=send_without_end, args=kind) for kind in (chunked, declared, fitting) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        grown = peak_megabytes(server) - idle

    assert len(statuses) == len(threads)
    assert {status for found in statuses for status in found} <= {200, 400, 413, 503}
    assert grown < 200
