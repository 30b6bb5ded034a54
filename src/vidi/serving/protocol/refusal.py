"""A refusal as it goes over the wire, where no application has a word: a whole response that closes the connection."""

import http
import json

from vidi.serving.problems import MEDIA_TYPE, Problem

RETRY_SECONDS = 1  # what `Retry-After` says of a limit that frees itself with the next answer


def refusal_response(problem: Problem, *, date: bytes = b"", has_body: bool = True) -> bytes:
    r"""The bytes of an HTTP/1.1 response that tells a problem and ends the connection.

    Args:
        problem: what is refused, and why.
        date: value of the header `Date`, left out when empty.
        has_body: False for the answer to a `HEAD` request.

    >>> refusal_response(Problem("too-slow-request", "It took 10 s.")).splitlines()[0]
    b'HTTP/1.1 408 Request Timeout'
    """
    document = json.dumps(problem.as_json(), ensure_ascii=False).encode()
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(document)),
        "cache-control": "no-store",
        "connection": "close",
        **problem.headers,
    }
    lines = [f"HTTP/1.1 {problem.status} {http.HTTPStatus(problem.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if date:
        lines.append(f"date: {date.decode('ascii')}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (document if has_body else b"")


def busy(cause: str) -> Problem:
    """The problem of a limit that is reached: 503 with `Retry-After`."""
    return Problem("busy", cause, "Send the request again later.", headers={"retry-after": str(RETRY_SECONDS)})
