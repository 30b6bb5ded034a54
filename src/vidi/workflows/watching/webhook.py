"""Sends events to an address that the user named, signed, as Standard Webhooks (standardwebhooks.com) describe it."""

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from vidi.background import Background
from vidi.errors import ResourceError, UsageError
from vidi.files import escape_path, secret_in
from vidi.log.records import new_key
from vidi.workflows.watching.session import Notice

SECRET: Final = "VIDI_WEBHOOK_SECRET"  # noqa: S105 - the variable's name
ENCODED: Final = "whsec_"  # begins a secret that is written in base64
PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
MOST_WAITING: Final = 1_000  # events
TIMEOUT_SECONDS: Final = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds before another attempt; doubled from one to the next
MOST_ATTEMPTS: Final = 10  # about five minutes
LAST_SECONDS: Final = 15.0  # for what waits at the end
OK, LATER = range(200, 300), (408, 425, 429)  # status codes: taken; to be tried again, as all from 500 on are
MOVED, BROKEN = range(300, 400), 500

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAddress:
    """Where events are sent. Its host is looked up once: a name that changes its address later changes nothing."""

    scheme: str
    host: str
    port: int
    target: str  # path and query
    addresses: tuple[str, ...]  # of the host

    @property
    def name(self) -> str:
        """The address for people: without what follows `?`, which may be a secret."""
        return escape_path(f"{self.scheme}://{self.host}:{self.port}{self.target.partition('?')[0]}")


def parse_webhook(text: str) -> WebhookAddress:
    """The address that a user named.

    Raises:
        UsageError: it is none, or holds a user or password.
        ResourceError: its host has no address.
    """
    remedy = "Give an address such as https://example.org/events; a secret goes into VIDI_WEBHOOK_SECRET or its file."
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in PORTS or not host or not text.isascii() or not text.isprintable() or " " in text:
        raise UsageError("the webhook is no http:// or https:// address", remedy)
    if parts.username is not None or parts.password is not None:
        raise UsageError("the webhook's address holds a user or a password", remedy)
    port = port or PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ResourceError(
            f"the webhook's host {escape_path(host)} has no address: {error.strerror}",
            "Check the name and the network.",
        ) from error
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    addresses = tuple(dict.fromkeys(str(one[4][0]) for one in found))
    return WebhookAddress(scheme=parts.scheme, host=host, port=port, target=target, addresses=addresses)


def read_secret(environment: Mapping[str, str]) -> bytes | None:
    """The secret that events are signed with; None where there is none.

    Raises:
        UsageError: it is empty, or begins as base64 and is none; or its file cannot be read.
    """
    text = secret_in(environment, SECRET)
    if text is None:
        return None
    text = text.strip()
    try:
        secret = base64.b64decode(text[len(ENCODED) :], validate=True) if text.startswith(ENCODED) else text.encode()
    except binascii.Error as error:
        raise UsageError("the webhook's secret begins with whsec_ but is no base64", "Copy it again.") from error
    if not secret:
        raise UsageError("the webhook's secret is empty", f"Write it into the file, or leave {SECRET}_FILE out.")
    return secret


def signed_headers(body: bytes, *, key: str, at: float, secret: bytes | None) -> dict[str, str]:
    """The headers of one attempt: the receiver can tell who sent it, when, and whether it came before.

    Args:
        body: of the message.
        key: the message's own, the same at each attempt.
        at: of the attempt, seconds since 1970, UTC.
        secret: shared with the receiver; None leaves the signature out.
    """
    headers = {
        "content-type": "application/json",
        "user-agent": "vidi-watch",
        "webhook-id": key,
        "webhook-timestamp": str(int(at)),
    }
    if secret is not None:
        signed = b".".join([key.encode(), headers["webhook-timestamp"].encode(), body])
        digest = hmac.digest(secret, signed, hashlib.sha256)
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


def send(address: WebhookAddress, body: bytes, headers: Mapping[str, str], *, timeout: float = TIMEOUT_SECONDS) -> int:
    """Send one message, and return the status of the answer; a redirect is not followed.

    Raises:
        OSError: no address of the host answers.
        http.client.HTTPException: what answers is no HTTP server.
    """
    connection = _Pinned(address, timeout)
    try:
        connection.request("POST", address.target, body, dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """A connection to the addresses that were looked up at the beginning, whatever the name stands for now."""

    def __init__(self, address: WebhookAddress, timeout: float) -> None:
        super().__init__(address.host, address.port, timeout=timeout)
        self._pinned = address

    def connect(self) -> None:
        """Connect to the first address that answers."""
        failed: OSError | None = None
        for one in self._pinned.addresses:
            try:
                self.sock = socket.create_connection((one, self.port), self.timeout)
                break
            except OSError as error:
                failed = error
        else:
            raise failed or OSError("the host has no address")
        if self._pinned.scheme == "https":
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


class Webhook:
    """Sends events in their order, in a thread of its own. A context: leaving it waits a while for what is left."""

    def __init__(
        self,
        address: WebhookAddress,
        secret: bytes | None,
        *,
        say: Say,
        first_pause: float = FIRST_PAUSE,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            address: where they go.
            secret: they are signed with; None: they are not signed.
            say: receives what goes wrong.
            first_pause: seconds before a second attempt.
            now: seconds since 1970, UTC.
        """
        self._address, self._secret, self._say, self._now = address, secret, say, now
        self._first_pause = first_pause
        self._closing = threading.Event()
        self.lost = 0  # events that were not taken
        self._waiting = Background[tuple[str, bytes]](
            self._deliver,
            name="vidi-webhook",
            most_waiting=MOST_WAITING,
            most_together=1,
            last_seconds=LAST_SECONDS,
        )

    def __enter__(self) -> Self:
        self._waiting.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Send what waits, each once more."""
        self._closing.set()
        self._waiting.__exit__(kind, error, traceback)
        if self.lost:
            self._say(f"webhook: {self.lost:,} events did not reach {self._address.name}")

    def notify(self, notice: Notice) -> None:
        """Hand an event over; returns at once."""
        body = json.dumps(notice.as_json(), ensure_ascii=True).encode()
        if not self._waiting.put((new_key(), body)):
            self.lost += 1

    def _deliver(self, messages: Sequence[tuple[str, bytes]]) -> None:
        ((key, body),) = messages
        pause, why = self._first_pause, ""
        for attempt in range(MOST_ATTEMPTS):
            if attempt and self._closing.wait(pause):
                break
            pause = min(LONGEST_PAUSE, 2 * pause) if attempt else pause
            why, is_final = self._attempt(key, body)
            if not why:
                return
            if attempt == 0:
                self._say(f"webhook: {self._address.name} {why}; {'given up' if is_final else 'it is tried again'}")
            if is_final:
                break
        self.lost += 1

    def _attempt(self, key: str, body: bytes) -> tuple[str, bool]:
        """What went wrong, empty where nothing did, and whether another attempt is useless."""
        headers = signed_headers(body, key=key, at=self._now(), secret=self._secret)
        try:
            status = send(self._address, body, headers)
        except (OSError, http.client.HTTPException) as error:
            return f"does not answer ({escape_path(str(error) or type(error).__name__)})", False
        if status in OK:
            return "", True
        if status in MOVED:
            return f"answers {status}, a redirect, which is not followed", True
        return f"answers {status}", status < BROKEN and status not in LATER
