"""Events that are sent: signed, again where it helps, to no other address."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from vidi.errors import UsageError
from vidi.workflows.watching.webhook import Webhook, parse_webhook, read_secret, signed_headers


@contextmanager
def receiver(answers: list[int]) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A server that answers each request with the next status; gives its address and what came."""
    came: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.append((dict(self.headers), body))
            status = answers[min(len(came), len(answers)) - 1]
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://localhost:{server.server_address[1]}/events", came
        finally:
            server.shutdown()
            thread.join()


def sent(answers: list[int]) -> tuple[list[tuple[dict[str, str], bytes]], list[str], int]:
    """What a receiver got of one event, what was said, and how many events were lost."""
    said: list[str] = []
    with receiver(answers) as (address, came):
        done = threading.Event()
        webhook = Webhook(parse_webhook(address), None, say=said.append, first_pause=0.01)
        with webhook:
            webhook.notify(event_notice())
            while len(came) < len(answers) and not done.wait(0.01):
                pass
    return came, said, webhook.lost


def event_notice() -> Any:
    class Notice:
        def as_json(self) -> dict[str, str]:
            return {"event": "new"}

    return Notice()


@pytest.mark.fault
def test_what_fails_for_a_while_is_sent_again_as_the_same_message():
    came, said, lost = sent([500, 429, 200])

    assert len(came) == 3
    assert len({headers["webhook-id"] for headers, _ in came}) == 1
    assert lost == 0
    assert len(said) == 1


@pytest.mark.fault
@pytest.mark.parametrize(("status", "word"), [(302, "redirect"), (410, "410")])
def test_a_redirect_or_a_refusal_is_final(status, word):
    came, said, lost = sent([status])

    assert len(came) == 1
    assert lost == 1
    assert word in said[0]


@pytest.mark.fault
def test_a_host_is_looked_up_once(monkeypatch):
    with receiver([200]) as (address, came):
        found = parse_webhook(address)
        original = socket.getaddrinfo

        def numbers_alone(host: str, *rest: Any, **named: Any) -> Any:
            return pytest.fail("looked up again") if host == "localhost" else original(host, *rest, **named)

        monkeypatch.setattr("socket.getaddrinfo", numbers_alone)
        with Webhook(found, None, say=pytest.fail) as webhook:
            webhook.notify(event_notice())

    assert len(came) == 1
    assert came[0][0]["Host"].startswith("localhost")


def test_a_signature_is_the_one_of_the_published_example():
    # Standard Webhooks 1.0, the test vector of its reference libraries.
    secret = read_secret({"VIDI_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
    headers = signed_headers(b'{"test": 2432232314}', key="msg_p5jXN8AQM9LWM0D4loKWxJek", at=1614265330, secret=secret)

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_!"])
def test_a_secret_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="secret"):
        read_secret({"VIDI_WEBHOOK_SECRET": text})
