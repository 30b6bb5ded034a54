"""What a connection may send, how long it may take, and what it gets."""

import select
import socket
import threading

import pytest

from tests.serving.protocol.running import (
    PATIENCE,
    PredictQuery,
    read_replies,
    request,
    running,
    send_all,
    small_app,
    whole_body,
)
from vidi.serving.protocol.incoming import Lifecycle
from vidi.serving.settings import Settings

QUICK = Settings(header_seconds=0.05, idle_seconds=0.1, body_bytes_per_second=1_000)


@pytest.fixture(scope="module")
def asked():
    return PredictQuery()


@pytest.fixture(scope="module")
def server(asked):
    with running(small_app(asked), Settings(body_bytes=100_000, header_bytes=8_192)) as server:
        yield server


@pytest.fixture(scope="module")
def quick_server():
    with running(small_app(PredictQuery()), QUICK) as server:
        yield server


CLOSE = "Host: localhost\r\nConnection: close\r\n"


def test_requests_on_one_connection_are_answered_in_order(server):
    sent = b"".join(request(f"/{number}") for number in range(9)) + request("/last", headers=CLOSE)

    replies = server.ask(sent)

    assert [reply.body for reply in replies] == [
        b'{"path": "/%s"}' % str(path).encode() for path in [*range(9), "last"]
    ]
    assert [reply.headers.get("connection") for reply in replies] == [None] * 9 + ["close"]


def test_more_requests_than_may_wait_are_left_to_be_sent_again(server):
    replies = server.ask(b"".join(request(f"/{number}") for number in range(400)))

    assert 16 <= len(replies) < 400
    assert replies[-1].headers["connection"] == "close"


def test_what_waits_behind_a_request_is_counted_until_its_turn_or_its_end():
    asked, lifecycle = PredictQuery(), Lifecycle()
    with running(small_app(asked), lifecycle=lifecycle) as server:
        with server.connect() as client:
            send_all(client, request("/wait") + request("/one") + request("/two"))
            assert asked.began.wait(PATIENCE)
            waiting = [lifecycle.waiting]
            send_all(client, request("/three"))
            server.ask(request(headers=CLOSE))  # when it is answered, what came before has been read
            waiting.append(lifecycle.waiting)
            asked.may_answer.set()
            assert len(read_replies(client, 4)) == 4
            waiting.append(lifecycle.waiting)
            asked.may_answer.clear()
            asked.began.clear()
            send_all(client, request("/wait") + request("/one"))
            assert asked.began.wait(PATIENCE)
            waiting.append(lifecycle.waiting)
        asked.may_answer.set()

    assert [*waiting, lifecycle.waiting] == [2, 3, 0, 1, 0]


MALFORMED = {
    "both lengths": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "both lengths, turned": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    ),
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length that is no number": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
    "a length of 25 digits": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999999999\r\n\r\na",
    "bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF in headers": b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "bare CR in headers": b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    "chunks over HTTP/1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked is not the last coding": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"
    ),
    "negative chunk": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n",
    "chunk of 20 digits": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffff1\r\na\r\n0\r\n\r\n"
    ),
    "chunk without its line end": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naa0\r\n\r\n"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "a proxy's request": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "another host in the request line": b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a path that is no path": b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "a path of foreign letters": b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    "a body for another protocol": (
        b"POST / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 3\r\n\r\nabc"
    ),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_well_formed_is_refused_and_nothing_after_it_is_read(server, asked, sent):
    asked.paths.clear()

    replies = server.ask(sent + request("/smuggled"))

    assert [(reply.status, reply.code, reply.headers["connection"]) for reply in replies] == [
        (400, "bad-request", "close")
    ]
    assert "/smuggled" not in asked.paths


def test_a_bad_request_behind_a_good_one_is_refused_after_its_answer(server):
    replies = server.ask(request("/good") + MALFORMED["no Host"])

    assert [reply.status for reply in replies] == [200, 400]


def test_a_request_that_is_malformed_while_another_is_answered_is_refused_after_it():
    asked = PredictQuery()
    with running(small_app(asked)) as server, server.connect() as client:
        send_all(client, request("/wait"))
        assert asked.began.wait(PATIENCE)
        send_all(client, b"POST /second HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n-1\r\n")
        asked.may_answer.set()
        replies = read_replies(client)

    assert [reply.status for reply in replies] == [200, 400]
    assert asked.paths == ["/wait"]


def test_bytes_that_come_one_at_a_time_mean_the_same(server):
    good = request("/bytes", method="POST", body=b"image", headers=CLOSE)
    bad = MALFORMED["bare LF in headers"]

    assert [reply.status for reply in server.ask(*(bytes([byte]) for byte in good))] == [200]
    assert [reply.status for reply in server.ask(*(bytes([byte]) for byte in bad))] == [400]


def test_the_headers_of_an_answer_are_not_touched_but_for_its_last():
    replies = []
    with running(small_app(PredictQuery())) as server:
        replies += server.ask(request("/one") + request("/two", headers=CLOSE))

    assert [sorted(reply.headers) for reply in replies] == [
        ["content-length", "date"],
        ["connection", "content-length", "date"],
    ]


def test_an_application_that_fails_after_its_answer_costs_no_connection(caplog):
    async def app(scope, receive, send):
        if scope["type"] == "http":
            await whole_body(receive)
            await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})
            raise ValueError("on purpose")

    with running(app) as server:
        replies = server.ask(request("/one") + request("/two", headers=CLOSE))

    assert [(reply.status, reply.headers.get("connection")) for reply in replies] == [(500, None), (500, "close")]
    assert caplog.text.count("ValueError: on purpose") == 2


def test_the_application_gets_a_request_as_it_was_sent_but_for_what_it_need_not_know():
    seen = []

    async def app(scope, receive, send):
        if scope["type"] == "http":
            headers = [b"%s=%s" % header for header in scope["headers"]]
            seen.append((scope["method"], scope["raw_path"], scope["query_string"], headers, await whole_body(receive)))
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    with running(app) as server:
        replies = server.ask(
            b"PUT /a%20b?c=%64 HTTP/1.1\r\nHost: a\r\nX-Twice: 1\r\nx-twice:  2 3\r\nTransfer-Encoding: Chunked\r\n\r\n"
            b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX: y\r\n\r\n"
            b"GET /b HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"
        )
        replies += server.ask(b"POST /c HTTP/1.0\r\nExpect: 100-continue\r\nX:\r\nContent-Length: 3\r\n\r\nabc")

    twice = [b"x-twice=1", b"x-twice=2 3"]
    assert seen == [
        ("PUT", b"/a%20b", b"c=%64", [b"host=a", *twice, b"transfer-encoding=Chunked"], b"abcde"),
        ("GET", b"/b", b"", [b"host=a", b"connection=upgrade"], b""),
        ("POST", b"/c", b"", [b"x=", b"content-length=3"], b"abc"),
    ]
    assert [reply.headers.get("connection") for reply in replies] == [None, "close", "close"]


def test_a_header_among_the_trailers_is_not_read():
    seen = []

    async def app(scope, receive, send):
        while scope["type"] == "http" and (await receive()).get("more_body"):
            pass
        seen.append(scope.get("headers"))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    with running(app) as server, server.connect() as client:
        send_all(
            client,
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nAuthorization: x\r\n\r\n",
        )
        client.recv(100)

    assert (b"authorization", b"x") not in seen[-1]


def test_a_declared_body_over_the_limit_is_refused_before_it_is_sent(server, asked):
    asked.paths.clear()

    replies = server.ask(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100001\r\n\r\n")

    assert [(reply.status, reply.code) for reply in replies] == [(413, "body-too-large")]
    assert asked.paths == []


def test_a_client_that_sends_its_large_body_all_the_same_reads_why_it_was_refused(server):
    with server.connect() as client:
        send_all(client, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n")
        send_all(client, b"x" * 3_000_000)

        assert [reply.status for reply in read_replies(client)] == [413]


def test_a_chunked_body_is_refused_where_it_passes_the_limit():
    asked, chunk = PredictQuery(), b"2710\r\n" + b"x" * 10_000 + b"\r\n"

    with running(small_app(asked), Settings(body_bytes=100_000)) as server, server.connect() as client:
        send_all(client, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
        assert asked.began.wait(PATIENCE)
        send_all(client, chunk * 10)
        replies = read_replies(client)

    assert [(reply.status, reply.code) for reply in replies] == [(413, "body-too-large")]
    assert (asked.disconnects, asked.bodies) == (1, [])


def test_a_hundred_thousand_tiny_chunks_are_cut():
    with running(small_app(PredictQuery())) as server:
        replies = server.ask(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
        )

    assert [reply.status for reply in replies] == [400]


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 40_000 + b"\r\n",
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9_000 + b"\r\n\r\n",
    ],
    ids=["one header of 200 kB", "40,000 headers", "a path of 200 kB", "a little over the limit"],
)
def test_a_head_over_the_limit_is_refused(server, head):
    assert [(reply.status, reply.code) for reply in server.ask(head)] == [(431, "headers-too-large")]


def test_a_compressed_body_is_not_read(server):
    replies = server.ask(request(method="POST", body=b"x", headers="Host: a\r\nContent-Encoding: gzip\r\n"))

    assert [(reply.status, reply.headers["accept-encoding"]) for reply in replies] == [(415, "identity")]


def test_a_client_is_told_to_go_on_only_when_its_body_is_wanted(server):
    expecting = "Host: a\r\nConnection: close\r\nExpect: 100-continue\r\n"
    with server.connect() as client:
        send_all(client, request("/wanted", method="POST", body=b"x" * 10, headers=expecting)[:-10])
        assert [reply.status for reply in read_replies(client, 1)] == [100]
        send_all(client, b"x" * 10)
        assert [reply.status for reply in read_replies(client)] == [200]

    replies = server.ask(request("/early", method="POST", body=b"x" * 10, headers=expecting)[:-10])
    assert [(reply.status, reply.headers["connection"]) for reply in replies] == [(200, "close")]


def test_an_answer_before_the_body_was_read_is_the_last(server):
    with server.connect() as client:
        send_all(client, request("/early", method="POST", body=b"x" * 90_000)[:-80_000])
        assert [reply.headers["connection"] for reply in read_replies(client, 1)] == ["close"]


def test_a_client_that_closes_its_side_has_gone_and_the_application_is_told():
    began, gone = threading.Event(), threading.Event()

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await whole_body(receive)
            began.set()
            assert (await receive())["type"] == "http.disconnect"
            gone.set()

    with running(app) as server, server.connect() as client:
        send_all(client, request("/", method="POST", body=b"x" * 100_000))
        assert began.wait(PATIENCE)
        client.shutdown(socket.SHUT_WR)

        assert gone.wait(PATIENCE)
        assert read_replies(client) == []


@pytest.mark.parametrize("part", [b"G", b"GET / HTTP/1.1\r\nHost: a\r\nX:", b"\r\n"], ids=["method", "header", "blank"])
def test_headers_that_are_not_whole_in_time_are_cut(quick_server, part):
    assert [(reply.status, reply.code) for reply in quick_server.ask(part)] == [(408, "too-slow-request")]


def test_a_body_that_stands_still_is_cut(quick_server):
    replies = quick_server.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nabc")

    assert [(reply.status, reply.code) for reply in replies] == [(408, "too-slow-request")]


def test_connections_that_ask_nothing_are_closed_without_a_word(quick_server):
    assert quick_server.ask() == []
    assert [reply.status for reply in quick_server.ask(request())] == [200]


@pytest.mark.skipif(not hasattr(select, "poll"), reason="needs:poll")
def test_a_client_that_does_not_read_is_cut():
    with running(small_app(PredictQuery()), QUICK) as server, server.connect() as client:
        send_all(client, request("/large"))
        ended = select.poll()
        ended.register(client, select.POLLHUP)  # the server's end arrives without a byte being read

        assert ended.poll(1_000 * PATIENCE)


def test_connections_over_the_limit_are_told_so():
    with running(small_app(PredictQuery()), Settings(connections=2)) as server:
        with server.connect() as first, server.connect() as second:
            for client in (first, second):
                send_all(client, request())
                assert [reply.status for reply in read_replies(client, 1)] == [200]

            with server.connect() as third:
                replies = read_replies(third)

        assert [(reply.status, reply.headers["retry-after"]) for reply in replies] == [(503, "1")]


def test_bodies_over_the_memory_for_all_are_refused_until_the_others_are_answered():
    asked = PredictQuery()
    with running(small_app(asked), Settings(buffered_bytes=150_000)) as server, server.connect() as first:
        send_all(first, request("/wait", method="POST", body=b"x" * 100_000))
        assert asked.began.wait(5)

        refused = server.ask(request(method="POST", body=b"x" * 100_000))
        asked.may_answer.set()
        answered = read_replies(first, 1)
        after = server.ask(request(method="POST", body=b"x" * 100_000, headers=CLOSE))

    assert [(reply.status, reply.headers["retry-after"]) for reply in refused] == [(503, "1")]
    assert [reply.status for reply in answered + after] == [200, 200]
