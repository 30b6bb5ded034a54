"""One JSON line for each request: what was asked, by which trace, and how it ended; never what was in an image."""

import json
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from vidi.model_file.values import Json

TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # `traceparent` of W3C Trace Context, version 00

Write = Callable[[str], object]


class RequestLog:
    """Writes the lines. JSON escapes what a terminal would take for a command."""

    def __init__(self, write: Write | None = None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """
        Args:
            write: takes each line; standard error by default.
            now: the clock.
        """
        self._write = write or sys.stderr.write
        self._now = now

    def event(self, event: str, facts: Mapping[str, Json]) -> None:
        """Write one line.

        Args:
            event: its kind, such as `request`.
            facts: what else stands in it.
        """
        line = {"time": self._now().isoformat(timespec="milliseconds"), "event": event, **facts}
        self._write(json.dumps(line, ensure_ascii=True) + "\n")


def trace_of(header: str) -> str | None:
    """A request's `traceparent`, where it is one.

    >>> trace_of("00-" + "1" * 32 + "-" + "2" * 16 + "-01") is not None, trace_of("x\\ny")
    (True, None)
    """
    return header if TRACE.fullmatch(header) else None
