"""The serving bench: its load generator against a small server, and what it makes of figures."""

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from bench.serving.gates import judge, summarise
from bench.serving.load import CUT, Load, describe, requests_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the bench reads /proc")


class Handler(BaseHTTPRequestHandler):
    """Answers the length of a body; refuses those of four bytes; hangs up on those of five."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) == 5:
            self.close_connection = True
            return
        answer = str(len(body)).encode()
        self.send_response(503 if len(body) == 4 else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def port():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def opened(port: int, folder: Path, *lengths: int) -> Iterator[Load]:
    """A load of bodies of these lengths."""
    for number, length in enumerate(lengths):
        (folder / f"{number}.jpg").write_bytes(b"x" * length)
    load = Load(port, requests_of("/predict", folder))
    try:
        yield load
    finally:
        load.close()


def test_each_request_is_answered_refused_or_cut_and_counted_as_such(port: int, tmp_path: Path):
    with opened(port, tmp_path, 3, 4, 5) as load:
        load.run_count(2, 30)

    statuses = [status for _, _, status in load.ended]
    assert {status: statuses.count(status) for status in set(statuses)} == {200: 10, 503: 10, CUT: 10}


def test_an_open_loop_waits_for_no_answer(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as silent, opened(silent.getsockname()[1], tmp_path, 3) as load:
        load.run_open(1_000, time.perf_counter() + 0.05)

        assert load.busy == load.sent > 1
        assert load.ended == []


def test_a_large_body_is_sent_in_parts(port: int, tmp_path: Path):
    with opened(port, tmp_path, 3_000_000) as load:
        load.run_count(4, 8)

    assert [status for _, _, status in load.ended] == [200] * 8


def test_only_answered_requests_count_as_images():
    ended = [(0.0, 0.010, 200), (0.0, 0.030, 200), (0.0, 0.001, 503)]

    found = describe(ended, seconds=2.0, cpu=0.5)

    assert (found["answered"], found["images_per_second"], found["images_per_cpu_second"]) == (2, 1.0, 4.0)
    assert found["p50_milliseconds"] == pytest.approx(20)


def load_of(rate: float, *, per_cpu: float = 70.0, p99: float = 60.0) -> dict[str, object]:
    return {
        "images_per_second": rate,
        "images_per_cpu_second": per_cpu,
        "p50_milliseconds": p99 / 2,
        "p99_milliseconds": p99,
        "statuses": {"200": 100},
    }


def measured(
    *, memory: float = 150.0, alone: float = 100.0, overloaded: float = 100.0, lighter: float = 110.0
) -> dict[str, object]:
    """Figures of three rounds, as the bench writes them."""

    def visits(busy: float, lone: float, megabytes: float, per_cpu: float) -> list[dict[str, object]]:
        loads = {"8": load_of(busy, per_cpu=per_cpu), "1": load_of(lone, per_cpu=per_cpu)}
        return [
            {"connections": loads, "memory_megabytes": megabytes, "ready_seconds": 0.5, "ready_cpu_seconds": 0.6}
        ] * 3

    return {
        "servers": {
            "vidi": visits(160, alone, memory, 70),
            "vidi, int8": visits(250, 140, 140, lighter),
            "LitServe": visits(140, 80, 300, 60),
            "Starlette": visits(120, 100, 160, 58),
            "FastAPI and torch": visits(45, 25, 400, 20),
            "vidi, one-thread": visits(160, 80, 150, 70),
            "vidi, all-cores": visits(140, 100, 150, 66),
            "vidi, unisolated": visits(170, 80, 130, 75),
        },
        "part_cpu_milliseconds": [{"decode": 2.5, "session": 10.0}] * 3,
        "has_vnni": True,
        "import_cpu_seconds": [0.3] * 3,
        "overload": {"saturation": load_of(160), "4 times": load_of(150, p99=overloaded)},
        "growth": {"grown": 1.0},
    }


def test_every_bar_met_is_success():
    summary = summarise(json.loads(json.dumps(measured())))

    assert all(judge(summary).values())
    assert summary["share_of_bound"] == pytest.approx(70 * 12.5 / 1000)
    assert summary["isolation_cpu_milliseconds"] == pytest.approx(1000 / 70 - 1000 / 75)


@pytest.mark.parametrize(
    ("worse", "gate"),
    [
        ({"memory": 200.0}, "at most 60% of LitServe's memory"),
        ({"alone": 90.0}, "as fast as the better layout at 1"),
        ({"overloaded": 130.0}, "overloaded p99 at most 2x"),
        ({"lighter": 100.0}, "in 8 bits at least 1.7x LitServe in 32"),
    ],
)
def test_one_bar_missed_is_named(worse: dict[str, float], gate: str):
    gates = judge(summarise(measured(**worse)))

    assert [name for name, is_met in gates.items() if not is_met] == [gate]
