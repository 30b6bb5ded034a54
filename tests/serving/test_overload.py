"""A server that is asked for more than it can answer: what it accepts is answered, and probes are answered at once."""

import json
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from bench.serving.load import Load, requests_of

from tests.counts import count
from tests.docs.pages import ROOT
from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from tests.serving.process import served
from vidi.serving.engine.service import RETRY_SECONDS

pytestmark = [
    pytest.mark.fault,
    pytest.mark.slow,  # a server that is loaded for seconds
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processor time is read from /proc"),
]

ANSWERED, BUSY, CUT = "200", "503", "0"
TIMES = 4  # what can be answered
MOST_TRIES = 5  # after the overload; the second succeeds, but for a machine that is asked for something else too


@dataclass(frozen=True)
class Loaded:
    """A server, and the load that another process puts on it."""

    url: str
    pid: int
    photographs: Path

    @property
    def port(self) -> int:
        return urlsplit(self.url).port

    def load(self, *words: object) -> dict[str, object]:
        command = [sys.executable, "-m", "bench.serving.load", self.port, "/v1/predict", self.photographs]
        given = [*command, "--pid", self.pid, "--warm-up", 0.5, *words]
        done = subprocess.run(list(map(str, given)), capture_output=True, text=True, check=True, cwd=ROOT)
        return json.loads(done.stdout)

    def statuses_of(self, requests: int, *, at_once: int) -> Counter[int]:
        """How often each status ended some requests, which this process sends."""
        load = Load(self.port, requests_of("/v1/predict", self.photographs))
        load.run_count(at_once, requests)
        load.close()
        return Counter(status for _, _, status in load.ended)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(encoded(draw("disc", size=(375, 500), seed=number), format="JPEG"))
    with served(f"tiny={tiny_model(folder / 'model.onnx').path}") as (process, url):
        threading.Thread(target=deque, args=(process.stdout, 0), daemon=True).start()  # the log is taken and let go
        yield Loaded(url, process.pid, folder)


def test_four_times_the_load_is_answered_or_refused_at_once_and_so_are_probes(server: Loaded):
    best = server.load("--connections", 8, "--seconds", 1)
    waits = []
    with ThreadPoolExecutor(1) as executor, httpx.Client(base_url=server.url) as client:
        rate = TIMES * best["images_per_second"]
        loading = executor.submit(server.load, "--rate", rate, "--seconds", count(small=2, faults=10, soak=60))
        while not loading.done():
            began = time.perf_counter()
            assert client.get("/healthz").status_code == 200
            waits.append(time.perf_counter() - began)
        over = loading.result()
        for _ in range(MOST_TRIES):
            if set(server.statuses_of(8, at_once=8)) == {200}:
                break
            time.sleep(float(RETRY_SECONDS))  # as the server asks of those that it turned away
        else:
            pytest.fail(f"8 requests at one moment were still turned away after {MOST_TRIES} tries")

    assert set(over["statuses"]) == {ANSWERED, BUSY}  # none was cut
    assert over["statuses"][BUSY] > over["statuses"][ANSWERED] / 2
    assert statistics.median(waits) < 0.1


def test_requests_that_wait_on_few_connections_count_and_those_beyond_the_limit_are_refused(server: Loaded):
    best = server.load("--connections", 8, "--seconds", 1)
    seconds = count(small=2, faults=10, soak=60)

    over = server.load("--rate", TIMES * best["images_per_second"], "--pipelined", "--seconds", seconds)

    assert set(over["statuses"]) <= {ANSWERED, BUSY, CUT}  # more than 16 on one connection are left to be sent again
    assert over["statuses"][BUSY] > over["statuses"][ANSWERED] / 2
    assert over["statuses"].get(CUT, 0) < over["statuses"][BUSY]


def test_of_a_thousand_requests_at_one_moment_each_is_answered_or_refused(server: Loaded):
    statuses = server.statuses_of(1_000, at_once=900)

    assert statuses.total() == 1_000
    assert set(statuses) <= {200, 503}
    assert statuses[200] > 0
