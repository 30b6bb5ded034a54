"""Bodies of requests, read within their limits and as declared types; documents and problems as responses."""

import json
from collections import Counter
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from vidi.serving.problems import MEDIA_TYPE, Problem

# Reading holds up all other requests: so many values take up to 30 ms.
MOST_VALUES: Final = 300_000  # an image of 316 × 316 pixels as numbers
MOST_CONTAINERS: Final = 100_000  # objects and lists
SHORT_TEXT: Final = 65_536  # bytes; longer ones are not searched for doubled keys, which would take longer than reading
REMEDY: Final = "Correct the body; /openapi.json describes its form."

Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64, description="SHA-256 of the file.")]

T = TypeVar("T")


def read_json(body: bytes, kind: type[T]) -> T:
    """Read a JSON text as a value of a declared type, and nothing that only some readers take.

    Args:
        body: UTF-8 without a byte order mark; its length is bounded by the caller.
        kind: a struct of msgspec, or any other type that it reads.

    Raises:
        Problem: `bad-request`; it is not JSON, is nested too deep, holds too many values, or, where it is short, a key
            twice in one object. `invalid-input`; a value is not what is declared.

    >>> read_json(b'{"images": [1, 2]}', dict[str, list[int]])
    {'images': [1, 2]}
    """
    if body.count(b",") > MOST_VALUES or body.count(b"[") + body.count(b"{") > MOST_CONTAINERS:
        cause = f"The JSON holds over {MOST_VALUES:,} values, or over {MOST_CONTAINERS:,} lists and objects."
        raise Problem("bad-request", cause, "Send large tensors in binary form.")
    try:
        value = msgspec.json.decode(body, type=kind)
        if len(body) <= SHORT_TEXT:
            json.loads(body, object_pairs_hook=_check_keys, parse_int=str, parse_float=str)
    except msgspec.ValidationError as error:
        raise misfit(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem("bad-request", f"This is not JSON: {error}.", REMEDY) from error
    except RecursionError as error:
        raise Problem("bad-request", "The JSON is nested too deep.", REMEDY) from error
    return value


def misfit(cause: str, remedy: str = REMEDY) -> Problem:
    """The problem of a value that is not what is declared; `cause` ends without its full stop."""
    return Problem("invalid-input", f"{cause}.", remedy)


def _check_keys(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise Problem("bad-request", f"An object of the JSON holds the key {twice[:60]!r} twice.", REMEDY)


async def read_body(request: Request, *, most: int) -> bytes:
    """All of a request's body.

    Args:
        request: whose body has not been read.
        most: bytes that are taken.

    Raises:
        Problem: it is coded, or larger; a stated length is judged before anything is read.
    """
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise Problem("unsupported-media-type", f"A body coded as {coding[:60]!r} is not read.", "Send it as it is.")
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated[:19]) > most:
        raise too_large(most)
    parts, length = [], 0
    async for part in request.stream():
        length += len(part)
        if length > most:
            raise too_large(most)
        parts.append(part)
    return b"".join(parts)


def too_large(most: int) -> Problem:
    """The problem of a body over the limit."""
    return Problem("body-too-large", f"The body is over {most:,} bytes.", "Send fewer or smaller images.")


def json_response(document: object, *, status: int = 200, media_type: str = "application/json") -> Response:
    """A document as a response; NaN never stands in one."""
    return Response(json.dumps(document, allow_nan=False), status, media_type=media_type)


def problem_response(problem: Problem) -> Response:
    """A problem as a response."""
    response = json_response(problem.as_json(), status=problem.status, media_type=MEDIA_TYPE)
    response.headers.update(problem.headers)
    return response
