"""Requests that are made by mutation: no failure of the server, and no request that was not sent."""

import random
import re

import pytest

from tests.counts import count
from tests.serving.asked import asked_to_serve
from tests.serving.protocol.running import PredictQuery, request, running, small_app
from vidi.serving.auth.access import choose_rules
from vidi.serving.auth.middleware import AuthMiddleware
from vidi.serving.settings import Settings

SEEDS = (
    request("/v1/predict", method="POST", body=b"\xff\xd8image", headers="Host: localhost\r\nAccept: */*\r\n"),
    b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nimage\r\n0\r\n\r\n",
    request(
        "/v2/models/a/infer?x=%20", method="PUT", body=b"{}", headers="Host: 127.0.0.1:80\r\nExpect: 100-continue\r\n"
    ),
)
PIECES = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\x00",
        b" ",
        b"\t",
        b":",
        b"/",
        b"..",
        b"%2e",
        b"%00",
        b"\xff",
        b"0",
        b"-1",
        b"ffffffff",
    ),
    *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: evil\r\n", b"Connection: close\r\n"),
    *(b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"HTTP/1.0", b"GET / HTTP/1.1\r\n", b"Content-Encoding: gzip\r\n"),
)


def mutated(chance: random.Random) -> bytes:
    """A request with one to four changes."""
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(1, 4)):
        place, change = chance.randrange(len(data)), chance.randrange(4)
        if change == 0:
            data[place] = chance.randrange(256)
        elif change == 1:
            data[place:place] = chance.choice(PIECES)
        elif change == 2:
            del data[place : place + chance.randint(1, 8)]
        else:
            begin = chance.randrange(len(data))
            data[place:place] = data[begin : begin + chance.randint(1, 40)]
    return bytes(data)


@pytest.mark.fault
@pytest.mark.slow  # waits for the deadline of requests that are cut short
def test_a_mutated_request_is_answered_or_refused_and_the_server_goes_on():
    chance, asked = random.Random(0), PredictQuery()
    guarded = AuthMiddleware(small_app(asked), choose_rules(asked_to_serve(), {}), None)
    bad, statuses, sent_requests = [], set[int](), 0
    with running(guarded, SETTINGS) as server:
        for _ in range(count(small=100, faults=2_000, soak=20_000)):
            sent = mutated(chance)
            found = {reply.status for reply in server.ask(sent)}
            sent_requests += len(re.findall(rb"[A-Z]+ [^ ]+ HTTP/1\.[01]\r\n", sent))
            statuses |= found
            if not found <= ANSWERS:
                bad.append((sent, found))
        # Nothing of the refused requests is still counted: a body as large as all may be together is taken.
        good = [server.ask(request(method="POST", body=b"x" * 20_000, headers=CLOSE)) for _ in range(2)]

    assert bad == []
    assert {200, 400} <= statuses
    assert [[reply.status for reply in replies] for replies in good] == [[200], [200]]
    assert len(asked.paths) <= sent_requests + 2  # none was made of another's body


CLOSE = "Host: localhost\r\nConnection: close\r\n"
SETTINGS = Settings(header_seconds=0.05, idle_seconds=0.05, buffered_bytes=20_000)
ANSWERS = {100, 200, 400, 403, 404, 408, 413, 415, 421, 431, 501}
