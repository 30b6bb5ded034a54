"""Which addresses are read; light, since every prediction from a cold start asks it."""

import re

from vidi.errors import UsageError
from vidi.files import escape_path

FETCHED = ("s3", "gs")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def is_remote(text: str) -> bool:
    """Whether a text is an address on a store that is read over the network.

    >>> is_remote("s3://bucket/photos"), is_remote("file:///home/photos"), is_remote("photos")
    (True, False, False)
    """
    return _scheme(text) in FETCHED


def local_form(text: str) -> str:
    """The path that a `file://` address names; every other text as it is.

    >>> local_form("file:///home/my%20photos"), local_form("photos")
    ('/home/my photos', 'photos')
    """
    if _scheme(text) != "file":
        return text
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise UsageError(
            f"{escape_path(text)} names a file on another computer", "Write file:/// and the path, with three slashes."
        )
    return url2pathname(parts.path)


def refuse_url(text: str) -> None:
    """Refuse addresses that are not read.

    Raises:
        UsageError: the text is a URL of another kind than `s3://`, `gs://` and `file://`.
    """
    scheme = _scheme(text)
    if scheme and scheme not in (*FETCHED, "file"):
        raise UsageError(
            f"{escape_path(text)} is a URL that vidi does not read",
            "Download it yourself and name the file; s3://, gs:// and file:// are read.",
        )


def _scheme(text: str) -> str:
    found = _ADDRESS.match(text)
    return found.group(1).lower() if found else ""
