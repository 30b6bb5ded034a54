"""Signals end a server without losing a request."""

import contextlib
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.counts import count
from tests.serving.protocol.running import PATIENCE, read_replies, request, send_all

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs:unix")
ROOT = Path(__file__).parents[3]
BUSY = 20  # answers of each client before the signal comes


@contextlib.contextmanager
def process() -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A server in a process of its own, and its port."""
    command = [sys.executable, "-m", "tests.serving.protocol.served"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            yield server, int(server.stdout.readline())
        finally:
            server.kill()


class Client(threading.Thread):
    """Asks without end, on one connection or on a new one each time, until the server takes no connection."""

    def __init__(self, port: int, results: Counter, *, keeps: bool) -> None:
        super().__init__(daemon=True)
        self.port, self.results, self.keeps = port, results, keeps
        self.is_busy = threading.Event()

    def run(self) -> None:
        """Count answers, and requests that got none."""
        asked = 0
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
            except OSError:
                break
            with connection:
                while self.ask(connection):
                    asked += 1
                    if asked == BUSY:
                        self.is_busy.set()
                    if not self.keeps:
                        break
        self.is_busy.set()

    def ask(self, connection: socket.socket) -> bool:
        """Send one request. Returns whether another may be sent on this connection."""
        send_all(connection, request("/", method="POST", body=b"x" * 1_000))
        replies = read_replies(connection, 1)
        self.results["answered" if [reply.status for reply in replies] == [200] else "lost"] += 1
        return bool(replies) and replies[0].headers.get("connection") != "close"


@pytest.mark.fault
@pytest.mark.slow  # starts servers
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_accepted_request_is_lost_when_the_server_is_stopped_under_load(number):
    for _ in range(count(small=1, faults=50, soak=200)):
        results = Counter()
        with process() as (server, port):
            clients = [Client(port, results, keeps=number % 2 == 0) for number in range(8)]
            for client in clients:
                client.start()
            for client in clients:
                assert client.is_busy.wait(PATIENCE)

            server.send_signal(number)

            assert (server.wait(10), server.stderr.read()) == (0, "")
            for client in clients:
                client.join(PATIENCE)
                assert not client.is_alive()
        assert results["lost"] == 0
        assert results["answered"] >= 8 * BUSY


@pytest.mark.slow  # starts a server
def test_a_second_signal_ends_the_server_at_once():
    with process() as (server, port), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        send_all(client, request("/never", method="POST", body=b"x", headers="Host: a\r\nExpect: 100-continue\r\n"))
        assert [reply.status for reply in read_replies(client, 1)] == [100]

        server.send_signal(signal.SIGTERM)
        server.send_signal(signal.SIGINT)

        assert server.wait(6) != 0  # sooner than the eight seconds of a stop that waits


@pytest.mark.slow  # starts a server
def test_a_hangup_has_the_models_read_again():
    with process() as (server, _):
        server.send_signal(signal.SIGHUP)
        assert server.stdout.readline() == "READ AGAIN\n"
        server.send_signal(signal.SIGTERM)

        assert server.wait(10) == 0
