"""A stream over HTTP as a file for FFmpeg: bytes without an image are limited, and a read that hangs can be ended."""

import contextlib
import http.client
import socket
from typing import IO, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import (
    BaseHandler,
    HTTPBasicAuthHandler,
    HTTPDefaultErrorHandler,
    HTTPDigestAuthHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPPasswordMgrWithDefaultRealm,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from vidi.errors import DataError
from vidi.images.limits import MEGABYTE

MOST_IMAGE_BYTES: Final = 32 * MEGABYTE
URL_SIGNS: Final = "%/:?#[]@!$&'()*+,;=~"  # that stay as they are


class HttpStream:
    """The body of an answer. Its methods are for one thread, but for `interrupt`."""

    def __init__(self, answer: http.client.HTTPResponse, connection: socket.socket) -> None:
        """Store what is open; `connection` is a second handle of the answer's."""
        self._answer, self._connection, self._waiting_bytes = answer, connection, 0
        self.is_multipart = answer.headers.get_content_type() == "multipart/x-mixed-replace"

    def read(self, size: int) -> bytes:
        """What has come, at most `size` bytes; waits for the first of them.

        Raises:
            DataError: the connection fails, or too much came without an image.
        """
        try:
            data = self._answer.read1(size)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise DataError(f"it cannot be read further: {_in_words(error)}", "Check the camera.") from error
        self._waiting_bytes += len(data)
        if self._waiting_bytes > MOST_IMAGE_BYTES:
            raise DataError(
                f"one of its images has more than {MOST_IMAGE_BYTES // MEGABYTE} MB, or no end",
                "Set the camera to smaller images.",
            )
        return data

    def note_image(self) -> None:
        """An image is complete: the next one has the whole limit."""
        self._waiting_bytes = 0

    def interrupt(self) -> None:
        """End a read that waits, from any thread; all further ones fail."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        self._answer.close()


class _CloseRefusal(BaseHandler):
    """Closes an answer that asks for a password, before it is asked for again with one."""

    handler_order = 100  # before those that know the password

    def http_error_401(self, _request: Request, answer: IO[bytes], *_rest: object) -> None:
        answer.close()


def open_http(address: str, name: str, *, seconds: float) -> HttpStream:
    """Ask for a stream. Redirects are not followed, and certificates are checked.

    Args:
        address: may hold user and password.
        seconds: until a connection or a read that gives nothing is given up.

    Raises:
        DataError: there is no such stream.
    """
    parts = urlsplit(address)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    passwords = HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, bare, unquote(parts.username or ""), unquote(parts.password or ""))
    handlers: list[BaseHandler] = [
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(),
        HTTPErrorProcessor(),
        HTTPDefaultErrorHandler(),
    ]
    if parts.username is not None:
        handlers += [_CloseRefusal(), HTTPBasicAuthHandler(passwords), HTTPDigestAuthHandler(passwords)]
    opener = OpenerDirector()
    for handler in handlers:
        opener.add_handler(handler)
    request = Request(quote(bare, safe=URL_SIGNS), headers={"User-Agent": "vidi"})  # noqa: S310  # http or https
    try:
        answer = opener.open(request, timeout=seconds)
        connection = socket.fromfd(answer.fileno(), socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, HTTPError):
            error.close()
        raise DataError(f"{name} cannot be opened: {_in_words(error)}", "Check the address and the camera.") from error
    return HttpStream(answer, connection)


def _in_words(error: Exception) -> str:
    """What went wrong, without the address, which may hold a password."""
    if isinstance(error, HTTPError):
        known = {401: "user or password is missing or wrong", 404: "the server has no such page"}
        return known.get(error.code, f"the server answers with status {error.code}")
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return "nothing came in time"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror[:1].lower() + reason.strerror[1:]
    return (
        "the server's answer is not HTTP" if isinstance(reason, http.client.HTTPException) else "the connection failed"
    )
