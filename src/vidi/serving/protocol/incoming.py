"""Requests as they come in: parsed without leniency, checked by their heads, counted, and rewritten for uvicorn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import httptools

from vidi.serving.problems import Problem
from vidi.serving.settings import Settings

VERSIONS = frozenset({"1.0", "1.1"})

Headers = Sequence[tuple[bytes, bytes]]  # names in lower case


@dataclass(slots=True, eq=False)
class Request:
    """One request, as far as it has come."""

    method: str = ""
    target: bytes = b""
    version: str = ""  # of HTTP
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)  # written for uvicorn, and not yet handed on
    body_size: int = 0  # bytes that have come
    held: int = 0  # bytes of the body that count in the memory of all
    since: float = 0.0  # when its head was whole, in seconds of the loop's clock
    has_head: bool = False
    is_whole: bool = False
    asks_to_close: bool = False  # behind its answer
    has_begun: bool = False  # the application has it
    has_started: bool = False  # its answer has begun
    is_over: bool = False  # its answer is complete

    def write_head(self) -> None:
        """Write the head for uvicorn: without what would make it wait, or change its protocol."""
        # RFC 9110, 10.1.1 and 7.8: clients of HTTP/1.0 do not know the answer to Expect; Upgrade may be ignored.
        left_out = {b"upgrade", b"expect"} if self.version == "1.0" else {b"upgrade"}
        lines = [b"%s %s HTTP/%s" % (self.method.encode(), self.target, self.version.encode())]
        lines += [b"%s: %s" % header for header in self.headers if header[0] not in left_out]
        self.parts.append(b"\r\n".join([*lines, b"", b""]))

    def write_body(self, body: bytes) -> None:
        """Write a part of the body, or its end where there is none, in the framing that the head names."""
        if self._is_chunked():
            self.parts.append(b"%x\r\n%s\r\n" % (len(body), body))
        elif body:
            self.parts.append(body)

    def has_body(self) -> bool:
        """Whether a body follows the head."""
        return self._is_chunked() or any(int(length) for length in values_of(b"content-length", self.headers))

    def _is_chunked(self) -> bool:
        return bool(values_of(b"transfer-encoding", self.headers))


class RequestHandler(Protocol):
    """What becomes of requests that come in."""

    def may_begin(self) -> bool:
        """Whether one more request is read; otherwise nothing more is."""

    def take_head(self, request: Request) -> None:
        """A head is whole, and allowed."""

    def take_body(self, request: Request, body: bytes) -> None:
        """A part of the body has come."""

    def take_end(self, request: Request) -> None:
        """The request is whole."""


class Incoming:
    """The bytes of one connection. The parser has none of llhttp's leniencies, and calls the methods named `on_…`."""

    def __init__(self, taker: RequestHandler, settings: Settings) -> None:
        self.taker, self.settings = taker, settings
        self.parser = httptools.HttpRequestParser(self)
        self.request = Request()  # the latest
        self.head_size = 0  # bytes of its request line and headers
        self.framing_size = 0  # bytes of what is no body: blank lines, sizes of chunks, trailers
        self.is_boundary = False  # whether a head or a body began or ended in the piece that is parsed

    def parse(self, piece: memoryview) -> None:
        """Parse some bytes, of at most a few ten thousand.

        Raises:
            Problem: they cannot be read on.
        """
        self.is_boundary, body_size = False, self.request.body_size
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            pass  # answered as if no other protocol was asked for
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if isinstance(cause, _EnoughError):
                return
            raise cause if isinstance(cause, Problem) else _malformed(_not_http(cause)) from error
        except httptools.HttpParserError as error:
            raise _malformed(_not_http(error)) from error
        if not self.is_boundary:
            self.framing_size += len(piece) - (self.request.body_size - body_size)
            self._check_framing()

    def on_message_begin(self) -> None:
        """Begin a request, unless too many wait already."""
        if not self.taker.may_begin():
            raise _EnoughError
        self.request, self.head_size = Request(), 0
        self._begin_part()

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        self._count_head(len(url))
        self.request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header; a trailer after the chunks is passed over."""
        if not self.request.has_head:
            self._count_head(len(name) + len(value) + 4)  # `: ` and the end of the line
            self.request.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Refuse a request by its head, or hand it on."""
        request = self.request
        request.method, request.version = self.parser.get_method().decode("ascii"), self.parser.get_http_version()
        _check_head(request, self.settings)
        if self.parser.should_upgrade() and request.has_body():  # which the parser leaves to the other protocol
            raise _malformed("The request has a body and asks for another protocol.", "Leave out the header Upgrade.")
        request.has_head = True
        request.write_head()
        self._begin_part()
        self.taker.take_head(request)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, as long as it fits."""
        self.request.body_size += len(body)
        if self.request.body_size > self.settings.body_bytes and not self.request.is_over:
            raise too_large(self.request.body_size, self.settings)
        self.taker.take_body(self.request, body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        request, parser = self.request, self.parser
        request.asks_to_close = request.version == "1.0" or parser.should_upgrade() or not parser.should_keep_alive()
        request.is_whole = True
        request.write_body(b"")
        self._begin_part()
        self.taker.take_end(request)

    def _begin_part(self) -> None:
        self.is_boundary, self.framing_size = True, 0

    def _count_head(self, count: int) -> None:
        self.head_size += count
        if self.head_size > self.settings.header_bytes:
            raise _too_large_head(self.settings)

    def _check_framing(self) -> None:
        request, limit = self.request, self.settings.header_bytes
        if request.has_head and not request.is_whole:
            if self.framing_size > limit + request.body_size // 8:
                raise _malformed("The chunks of the body are too small.", "Send chunks of 1 kB or more.")
        elif self.framing_size > limit:
            raise _too_large_head(self.settings)


class _EnoughError(Exception):
    """Nothing more of this connection is parsed."""


def _check_head(request: Request, settings: Settings) -> None:
    """Refuse a request that its head alone rules out. The parser has refused what is not HTTP at all."""
    if request.version not in VERSIONS:
        raise _malformed(f"The request is of HTTP version {request.version}.", "Use HTTP/1.1.")
    if request.method == "CONNECT":
        raise _malformed("The method is CONNECT, which is for proxies.", "Use GET or POST.")
    _check_target(request)
    _check_body(request.version, request.headers, settings)


def values_of(name: bytes, headers: Headers) -> list[bytes]:
    """Every value that is sent for a header, in order.

    >>> values_of(b"host", [(b"host", b"a"), (b"accept", b"*/*")])
    [b'a']
    """
    return [value for header, value in headers if header == name]


def _check_target(request: Request) -> None:
    hosts = values_of(b"host", request.headers)
    if len(hosts) > 1:
        raise _malformed(f"The request has {len(hosts)} Host headers.", "Send one.")
    if not hosts and request.version == "1.1":
        raise _malformed("The request has no Host header.", "HTTP/1.1 requires one.")
    # A target with a host of its own would pass by the list of hosts, unless both are the same.
    authority = request.target.partition(b"://")[2].partition(b"/")[0]
    if not request.target.startswith(b"/") and (
        not authority or [authority.lower()] != [host.lower() for host in hosts]
    ):
        raise _malformed("The request line has no path that begins with `/`.", "Send the path alone.")
    path = httptools.parse_url(request.target).path
    if path is None or not path.isascii():
        raise _malformed("The path is not of ASCII letters.", "Write other letters as `%` and two digits.")


def _check_body(version: str, headers: Headers, settings: Settings) -> None:
    codings, lengths = values_of(b"transfer-encoding", headers), values_of(b"content-length", headers)
    if codings and (lengths or version == "1.0"):
        raise _malformed("The length of the body is told in two ways.", "Send Content-Length or chunks, not both.")
    if len(lengths) > 1 or not all(length.isdigit() for length in lengths):
        raise _malformed("The Content-Length is not one whole number.", "Send the number of bytes of the body.")
    if codings and [coding.strip().lower() for coding in codings] != [b"chunked"]:
        raise Problem("not-implemented", "The Transfer-Encoding is not `chunked`.", "Send the body as it is.")
    if lengths and int(lengths[0]) > settings.body_bytes:
        raise too_large(int(lengths[0]), settings)
    if any(coding.strip().lower() not in (b"", b"identity") for coding in values_of(b"content-encoding", headers)):
        # RFC 9110, 15.5.16: the header tells which coding would have been read.
        raise Problem(
            "unsupported-media-type",
            "The body is compressed (Content-Encoding); compressed bodies are not read.",
            "Send the body as it is: images are compressed already.",
            headers={"accept-encoding": "identity"},
        )


def too_large(size: int, settings: Settings) -> Problem:
    """The problem of a body of `size` bytes or more."""
    return Problem(
        "body-too-large",
        f"The body has {size:,} bytes or more; the limit is {settings.body_bytes:,}.",
        "Send fewer or smaller images in one request.",
    )


def _too_large_head(settings: Settings) -> Problem:
    cause = f"The head has more than {settings.header_bytes:,} bytes."
    return Problem("headers-too-large", cause, "Send fewer or shorter headers.")


def _malformed(cause: str, remedy: str = "Check the program that sends it.") -> Problem:
    return Problem("bad-request", cause, remedy)


def _not_http(error: BaseException | None) -> str:
    return f"The request is not HTTP/1.1: {error}."


class Lifecycle:
    """Written by the server and its signals, read by `/readyz` and by every connection. Safe to use from any thread."""

    def __init__(self) -> None:
        self.waiting = 0  # requests behind another one of their connection; the server's connections count them
        self._stops = 0
        self._hear: Callable[[int], None] | None = None

    @property
    def is_stopping(self) -> bool:
        """True from the moment the server is asked to stop: readiness is over, accepted requests are still answered."""
        return self._stops > 0

    def stop(self) -> None:
        """Ask the server to stop: the first time it answers what it accepted, the second time it ends at once."""
        self._stops += 1
        if self._hear is not None:
            self._hear(self._stops)

    def heard_by(self, hear: Callable[[int], None]) -> None:
        """Have `hear` called at each call of `stop`, with its number; at once where one came before."""
        self._hear = hear
        if self._stops:
            hear(self._stops)
