"""One JSON line for each request: what was asked, by which trace, and how it ended; never what was in an image."""

import contextlib
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TextIO

from vidi.background import Background
from vidi.model_file.values import Json
from vidi.serving.problems import Problem

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

    def refused(self, problem: Problem, client: str) -> None:
        """Write what was refused before the application saw it."""
        self.event("refused", {"client": client, "status": problem.status, "code": problem.code})


class LineWriter:
    """Writes lines in a thread of its own, so that a reader who pauses, or is gone, holds up no answer."""

    def __init__(self, stream: TextIO, *, most: int = MOST_WAITING) -> None:
        """
        Args:
            stream: where the lines go.
            most: lines that wait; further ones are left out, and their number is written when there is room again.
        """
        self._stream = stream
        self._left_out = 0
        self._lines = Background[str](
            self._print, name="vidi-log", most_waiting=most, most_together=most, last_seconds=LAST_SECONDS
        )

    def __enter__(self) -> Self:
        self._lines.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write what waits, if that takes no more than a second."""
        self._lines.__exit__(kind, error, traceback)

    def write(self, line: str) -> None:
        """Take a line; returns at once."""
        if self._left_out:
            counted = json.dumps({"event": "lines-left-out", "count": self._left_out}) + "\n"
            if self._lines.put(counted):
                self._left_out = 0
        if not self._lines.put(line):
            self._left_out += 1

    def _print(self, lines: Sequence[str]) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads: answers go on
            for line in lines:
                self._stream.write(line)
            self._stream.flush()


def trace_of(header: str) -> str | None:
    """A request's `traceparent`, where it is one.

    >>> trace_of("00-" + "1" * 32 + "-" + "2" * 16 + "-01") is not None, trace_of("x\\ny")
    (True, None)
    """
    return header if TRACE.fullmatch(header) else None
