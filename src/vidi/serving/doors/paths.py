"""Paths that try to be another path."""

from urllib.parse import unquote_to_bytes

REFUSED_SIGNS = frozenset(b"\\") | frozenset(range(32)) | {127}


def is_plain_path(raw: bytes) -> bool:
    r"""Whether a path means the same to every program that reads it.

    Refused are empty segments, `.` and `..`, control signs and backslashes, each also percent-encoded (once or twice),
    an encoded slash, and a percent sign that encodes nothing.

    Args:
        raw: path of a request line, percent-encoded, without the query.

    >>> is_plain_path(b"/v2/models/flowers-1.0"), is_plain_path(b"/a/%2e%2e/b"), is_plain_path(b"//a")
    (True, False, False)
    """
    if not raw.startswith(b"/"):
        return False
    once = unquote_to_bytes(raw)
    twice = unquote_to_bytes(once)
    if once != twice or once.count(b"/") != raw.count(b"/") or REFUSED_SIGNS & set(once):
        return False
    try:
        once.decode("utf-8")
    except UnicodeDecodeError:
        return False
    segments = once[1:].split(b"/")
    return b"%" not in once and all(part not in (b".", b"..") for part in segments) and b"" not in segments[:-1]
