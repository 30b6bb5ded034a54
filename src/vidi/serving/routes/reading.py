"""A request's body, read within its limits; and a problem as a response."""

import json

from starlette.requests import Request
from starlette.responses import Response

from vidi.serving.problems import MEDIA_TYPE, Problem


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
