"""The server begins clearly and stops without losing a request."""

import contextlib
import hashlib
import socket
import ssl
import sys
from datetime import UTC, datetime

import pytest

from tests.serving.protocol.running import PredictQuery, read_replies, request, running, send_all, small_app
from vidi.errors import UsageError
from vidi.serving.auth.certificate import own_certificate
from vidi.serving.protocol.listen import Listen, open_sockets, stop_new_connections, tls_context
from vidi.serving.protocol.server import run_server
from vidi.serving.settings import Settings


def test_a_port_that_is_taken_is_named_with_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(UsageError, match=rf"127.0.0.1, port {port}: another program listens there.\n.*--port 0"):
            run_server(small_app(PredictQuery()), Settings(), listen=Listen(port=port))


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_named(host):
    with pytest.raises(UsageError, match=f"{host}, port 0: the server cannot listen there"):
        open_sockets(Listen(host=host, port=0))


def test_every_address_of_a_name_gets_the_same_port():
    sockets = open_sockets(Listen(host="localhost", port=0))
    ports = {one.getsockname()[1] for one in sockets}
    for one in sockets:
        one.close()

    assert len(ports) == 1
    assert ports != {0}


def test_a_certificate_that_cannot_be_read_is_named(tmp_path):
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")

    with pytest.raises(UsageError, match=r"missing.pem: cannot be read"):
        tls_context(Listen(certificate=tmp_path / "missing.pem"))
    with pytest.raises(UsageError, match=r"bad.pem: there is no usable certificate and key"):
        tls_context(Listen(certificate=bad))


def test_an_application_that_cannot_start_says_so_itself():
    async def app(scope, receive, send):
        await receive()
        raise UsageError("The model is missing.", "Train one.")

    with pytest.raises(UsageError, match="The model is missing"):
        run_server(app, Settings(), listen=Listen(port=0))


def test_the_stop_is_seen_by_the_application_and_what_was_accepted_is_answered():
    asked = PredictQuery()
    with running(small_app(asked)) as server, server.connect() as busy, server.connect() as idle:
        send_all(idle, request("/before"))
        before = read_replies(idle, 1)
        send_all(busy, request("/wait"))
        assert asked.began.wait(5)

        server.lifecycle.stop()
        send_all(idle, request("/last"))
        after = read_replies(idle)
        asked.may_answer.set()
        answered = read_replies(busy)

    assert server.lifecycle.is_stopping
    assert [reply.headers.get("connection") for reply in before] == [None]
    assert [(reply.status, reply.headers["connection"]) for reply in after] == [(200, "close")]
    assert [(reply.status, reply.headers["connection"]) for reply in answered] == [(200, "close")]


def test_a_second_stop_ends_what_is_not_answered():
    asked = PredictQuery()

    def stop_twice():
        with running(small_app(asked)) as server, server.connect() as client:
            send_all(client, request("/wait"))
            assert asked.began.wait(5)
            server.lifecycle.stop()
            server.lifecycle.stop()
            assert read_replies(client) == []
            asked.may_answer.set()

    with pytest.raises(KeyboardInterrupt):
        stop_twice()


def test_a_slow_head_does_not_hold_up_the_stop():
    with running(small_app(PredictQuery()), Settings(stop_seconds=1)) as server, server.connect() as client:
        send_all(client, request() + b"GET / HTTP/1.1\r\nHost: a")
        assert [reply.status for reply in read_replies(client, 1)] == [200]
        server.lifecycle.stop()

        assert [reply.status for reply in read_replies(client)] == [408]


def test_a_request_that_takes_longer_than_the_stop_is_cut():
    asked = PredictQuery()
    with running(small_app(asked), Settings(stop_seconds=0.1)) as server, server.connect() as client:
        send_all(client, request("/wait"))
        assert asked.began.wait(5)

        server.lifecycle.stop()

        assert read_replies(client) == []
        asked.may_answer.set()


@pytest.mark.skipif(sys.platform != "linux", reason="needs:linux")
def test_a_port_that_takes_no_new_connections_still_gives_out_the_old():
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()):
        if not stop_new_connections(listening):
            pytest.skip("needs:socket filters")

        with pytest.raises(TimeoutError):
            socket.create_connection(listening.getsockname(), timeout=0.05)
        accepted, _ = listening.accept()
        accepted.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return own_certificate(tmp_path_factory.mktemp("own"), ["127.0.0.1", "localhost"], datetime.now(UTC))


def over_tls(server, certificate):
    context = ssl.create_default_context(cafile=certificate.path)
    return context.wrap_socket(server.connect(), server_hostname="localhost")


def test_an_encrypted_server_is_reached_by_whoever_trusts_its_certificate(certificate):
    with running(small_app(PredictQuery()), certificate=certificate.path) as server:
        with over_tls(server, certificate) as client:
            shown = hashlib.sha256(client.getpeercert(binary_form=True)).digest().hex(":").upper()
            send_all(client, request("/one") + request("/two", headers="Host: a\r\nConnection: close\r\n"))
            replies = read_replies(client)
        with over_tls(server, certificate) as client:
            send_all(client, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n")
            refused = read_replies(client, 1)

    assert shown == certificate.fingerprint
    assert server.listening.urls == [f"https://127.0.0.1:{server.port}"]
    assert [reply.status for reply in replies] == [200, 200]
    assert [reply.status for reply in refused] == [413]


def test_clients_that_do_not_finish_the_handshake_are_cut_and_count_as_connections(certificate):
    settings = Settings(header_seconds=0.2, connections=2)
    with running(small_app(PredictQuery()), settings, certificate=certificate.path) as server:
        with server.connect() as silent, server.connect() as plain, server.connect() as third:
            send_all(plain, request())
            assert third.recv(1) == b""  # closed at once
            assert read_all(silent) == b""
            read_all(plain)
        with over_tls(server, certificate) as client:
            send_all(client, request())
            assert [reply.status for reply in read_replies(client, 1)] == [200]


def read_all(client):
    data = b""
    with contextlib.suppress(ConnectionError):
        while more := client.recv(1_000):
            data += more
    return data


def test_answers_are_sent_without_waiting_for_more():
    for one in open_sockets(Listen(port=0)):
        with one, socket.create_connection(one.getsockname()):
            accepted, _ = one.accept()
            accepted.close()
            assert accepted.proto == socket.IPPROTO_TCP  # what asyncio looks at before it sets TCP_NODELAY
