"""The head of a request, checked before its body is read. The parser has refused what is not HTTP at all."""

from collections.abc import Sequence

from vidi.serving.problems import Problem
from vidi.serving.settings import Settings

VERSIONS = frozenset({"1.0", "1.1"})

Headers = Sequence[tuple[bytes, bytes]]  # names in lower case


def check_head(method: str, target: bytes, version: str, headers: Headers, settings: Settings) -> None:
    """Refuse a request that its head alone rules out.

    Args:
        method: of the request, in capitals.
        target: of the request line, as it was sent.
        version: of HTTP, such as `1.1`.
        headers: in the order they were sent, names in lower case.
        settings: of the server; `body_bytes` is compared with the declared length.

    Raises:
        Problem: what rules it out.
    """
    if version not in VERSIONS:
        raise _malformed(f"The request is of HTTP version {version}.", "Use HTTP/1.1.")
    if method == "CONNECT":
        raise _malformed("The method is CONNECT, which is for proxies.", "Use GET or POST.")
    _check_host(target, version, values_of(b"host", headers))
    _check_body(version, headers, settings)


def values_of(name: bytes, headers: Headers) -> list[bytes]:
    """Every value that is sent for a header, in order.

    >>> values_of(b"host", [(b"host", b"a"), (b"accept", b"*/*")])
    [b'a']
    """
    return [value for header, value in headers if header == name]


def _check_host(target: bytes, version: str, hosts: list[bytes]) -> None:
    if len(hosts) > 1:
        raise _malformed(f"The request has {len(hosts)} Host headers.", "Send one.")
    if not hosts and version == "1.1":
        raise _malformed("The request has no Host header.", "HTTP/1.1 requires one.")
    if target.startswith(b"/"):
        return
    # A target with a host of its own would pass by the list of hosts, unless both are the same.
    authority = target.partition(b"://")[2].partition(b"/")[0]
    if not authority or [authority.lower()] != [host.lower() for host in hosts]:
        raise _malformed("The request line has no path that begins with `/`.", "Send the path alone.")


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


def _malformed(cause: str, remedy: str) -> Problem:
    return Problem("bad-request", cause, remedy)
