"""One JSON line for each request: what was asked, by which trace, and how it ended; never what was in an image."""

import contextlib
import json
import queue
import re
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TextIO

from vidi.model_file.values import Json

TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # `traceparent` of W3C Trace Context, version 00

MOST_WAITING = 10_000  # lines
LAST_SECONDS = 1.0  # for the lines that wait when the server ends

Write = Callable[[str], object]


class RequestLog:
    """Writes the lines. JSON escapes what a terminal would take for a command."""

    def __init__(self, write: Write | None = None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """
        Args:
            write: takes each line; standard output by default.
            now: the clock.
        """
        self._write = write or sys.stdout.write
        self._now = now

    def event(self, event: str, facts: Mapping[str, Json]) -> None:
        """Write one line.

        Args:
            event: its kind, such as `request`.
            facts: what else stands in it.
        """
        line = {"time": self._now().isoformat(timespec="milliseconds"), "event": event, **facts}
        self._write(json.dumps(line, ensure_ascii=True) + "\n")


class LineWriter:
    """Writes lines in a thread of its own, so that a reader who pauses, or is gone, holds up no answer."""

    def __init__(self, stream: TextIO, *, most: int = MOST_WAITING) -> None:
        """
        Args:
            stream: where the lines go.
            most: lines that wait; further ones are left out, and their number is written when there is room again.
        """
        self._stream = stream
        self._waiting: queue.Queue[str | None] = queue.Queue(most)
        self._left_out = 0
        self._thread = threading.Thread(target=self._drain, name="vidi-log", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write what waits, if that takes no more than a second."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=LAST_SECONDS)
        self._thread.join(LAST_SECONDS)

    def write(self, line: str) -> None:
        """Take a line; returns at once."""
        try:
            if self._left_out:
                self._waiting.put_nowait(json.dumps({"event": "lines-left-out", "count": self._left_out}) + "\n")
                self._left_out = 0
            self._waiting.put_nowait(line)
        except queue.Full:
            self._left_out += 1

    def _drain(self) -> None:
        while (line := self._waiting.get()) is not None:
            with contextlib.suppress(OSError, ValueError):  # nobody reads: answers go on
                self._stream.write(line)
                if self._waiting.empty():
                    self._stream.flush()


def trace_of(header: str) -> str | None:
    """A request's `traceparent`, where it is one.

    >>> trace_of("00-" + "1" * 32 + "-" + "2" * 16 + "-01") is not None, trace_of("x\\ny")
    (True, None)
    """
    return header if TRACE.fullmatch(header) else None
