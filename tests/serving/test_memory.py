"""The memory of a server and all its processes over very many requests."""

import sys
import threading
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bench.serving.load import Load
from bench.serving.processes import memory_megabytes

from tests.counts import count
from tests.model_file.tiny import tiny_model
from tests.serving.process import IMAGE, served

pytestmark = [
    pytest.mark.fault,
    pytest.mark.integration,  # long, which is its subject
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc"),
]

WARMED_BY = 200  # requests, after which every thread and worker has what it keeps
MOST_GROWTH = 20.0  # MB


def test_memory_stays_flat_over_requests_that_are_answered_or_refused(tmp_path: Path):
    requests = count(small=400, faults=5_000, soak=100_000)
    with served(f"tiny={tiny_model(tmp_path / 'model.onnx').path}") as (process, url):
        threading.Thread(target=deque, args=(process.stdout, 0), daemon=True).start()  # the log is taken and let go
        load = Load(urlsplit(url).port, [post(IMAGE), post(b"no image"), post(IMAGE, "?top=1"), post(IMAGE[:100])])
        load.run_count(8, WARMED_BY)
        before = memory_megabytes(process.pid)
        load.run_count(8, requests)
        after = memory_megabytes(process.pid)
        load.close()

    statuses = [status for _, _, status in load.ended]
    assert (statuses.count(200), statuses.count(422)) == (len(statuses) // 2,) * 2
    assert after - before < MOST_GROWTH


def post(body: bytes, query: str = "") -> bytes:
    """A request for a prediction."""
    head = f"POST /v1/predict{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
