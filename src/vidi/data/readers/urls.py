"""Data are never fetched because they were named; light, since every prediction from a cold start asks it."""

import re

from vidi.errors import UsageError
from vidi.files import escape_path

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def refuse_url(text: str) -> None:
    """Nothing is ever fetched because it was named as data.

    Raises:
        UsageError: the text is a URL.
    """
    if _URL.match(text):
        raise UsageError(
            f"{escape_path(text)} is a URL, and vidi fetches nothing by itself",
            "Download it yourself and name the file, or use `vidi fetch NAME` for a known set.",
        )
