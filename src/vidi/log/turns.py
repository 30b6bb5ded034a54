"""Turns: the threads of a process write one after the other, in the order in which they asked."""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from typing import Final

from vidi.log.errors import LogUnavailableError


class Turns:
    """A lock that is fair. SQLite lets whoever asks again at once go first, so one busy writer would starve another.

    >>> turns = Turns()
    >>> with turns.taken(seconds=1):
    ...     pass
    """

    def __init__(self) -> None:
        self._changed: Final = threading.Condition()
        self._line: deque[object] = deque()  # who is at work, then who waits

    @contextlib.contextmanager
    def taken(self, *, seconds: float) -> Iterator[None]:
        """A turn, for the block.

        Args:
            seconds: that others are waited for.

        Raises:
            LogUnavailableError: the turn did not come.
        """
        ticket = object()
        with self._changed:
            self._line.append(ticket)
            if not self._changed.wait_for(lambda: self._line[0] is ticket, seconds):
                self._line.remove(ticket)
                raise LogUnavailableError("locked", "others write to the log for too long", "Try again later.")
        try:
            yield
        finally:
            with self._changed:
                self._line.popleft()
                self._changed.notify_all()
