"""Paths, hosts, headers and names of models that try to be others: nothing is opened, every line of the log parses."""

import itertools
import json
import random
import signal
import socket
import sys
import sysconfig
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import vidi
from tests.model_file.tiny import tiny_model
from tests.serving.process import IMAGE, served
from tests.serving.protocol.running import PATIENCE, Reply, read_replies, request, send_all

pytestmark = [pytest.mark.fault, pytest.mark.slow]  # a server of its own

REQUESTS = 300
CLIMBS = (
    "..",
    "%2e%2e",
    "..%2f..",
    "%2e%2e%2f",
    "..%5c..",
    "..\\..",
    "%252e%252e",
    "....//",
    "//",
    "%00",
    ".%00.",
    "~",
)
TARGETS = ("etc/passwd", "secret.txt", "model.onnx", "etc%2fpasswd", "secret.txt%00.png", "\u202etxt.terces")
FORMS = (
    "/{climb}/{target}",
    "/{climb}/{climb}/{climb}/{target}",
    "/models/{climb}/{target}",
    "/models/tiny/{climb}/{target}",
    "/v1/predict?model={climb}/{target}",
    "/v2/models/{climb}%2f{target}/infer",
    "/v2/models/tiny/versions/{climb}/infer",
    "/v1/models/{climb}/{target}",
)
HEADS = (
    "Host: localhost",
    "Host: evil.example",
    "Host: localhost\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-For: 6.6.6.6",
    'Host: localhost\r\ntraceparent: "}\u2028{"status": 200',
    "Host: localhost\r\nX-Original-URL: /../secret.txt\r\nX-Rewrite-URL: /etc/passwd",
    "Host: localhost\r\nReferer: \x1b[31mred\x1b[0m\r\nUser-Agent: ${jndi:ldap://a}",
)
REFUSED = {400, 403, 404, 405, 413, 415, 421, 422}


def odd_requests() -> list[bytes]:
    """Requests of every combination of form, trick and headers, some of them, the same each time."""
    made = list(itertools.product(FORMS, CLIMBS, TARGETS, HEADS, ("GET", "POST")))
    return [
        request(
            form.format(climb=climb, target=target),
            method=method,
            body=IMAGE if method == "POST" else b"",
            headers=f"{head}\r\nConnection: close\r\nContent-Type: image/png\r\n",
        )
        for form, climb, target, head, method in random.Random(0).sample(made, REQUESTS)
    ]


def ask(port: int, data: bytes) -> list[Reply]:
    """The answers on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        send_all(client, data)
        return read_replies(client)


def test_tricks_with_paths_and_names_open_nothing_and_every_line_of_the_log_parses(tmp_path: Path):
    path, notes = tiny_model(tmp_path / "models" / "model.onnx").path, tmp_path / "notes"
    (tmp_path / "secret.txt").write_text("secret")
    with served(f"tiny={path}", program=("tests.serving.noted", notes)) as (process, url):
        before = notes.read_bytes().count(b"\n")
        replies = [ask(urlsplit(url).port, data) for data in odd_requests()]
        good = ask(
            urlsplit(url).port,
            request(
                "/v1/predict",
                method="POST",
                body=IMAGE,
                headers="Host: localhost\r\nConnection: close\r\nContent-Type: image/png\r\n",
            ),
        )
        process.send_signal(signal.SIGTERM)
        lines = process.stdout.read().splitlines()
    opened = notes.read_text("utf-8", "replace").splitlines()[before:]

    assert {reply.status for answer in replies for reply in answer} <= REFUSED
    assert not any(b"secret" in reply.body.replace(b"secret.txt", b"") for answer in replies for reply in answer)
    assert [reply.status for reply in good] == [200]
    assert [name for name in opened if not name.startswith(own_places())] == []
    assert {json.loads(line)["event"] for line in lines} <= {"request", "refused"}
    assert not any(set(line) - set(map(chr, range(32, 127))) for line in lines)
    assert len(lines) >= REQUESTS


def own_places() -> tuple[str, ...]:
    """Where modules lie, some of which are imported with the first request that needs them, and where Linux tells."""
    libraries = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    roots = [*libraries, Path(vidi.__file__).parent, Path(sys.base_prefix) / "lib"]
    return (*{str(Path(root)) for root in roots}, *{str(Path(root).resolve()) for root in roots}, "/proc/self/")
