"""Whether the server takes requests or is stopping: the application reads it, the server and its signals set it."""

import threading
from collections.abc import Callable


class Lifecycle:
    """The way of one server from start to stop. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops = 0
        self._hear: Callable[[int], None] | None = None

    @property
    def stopping(self) -> bool:
        """True from the moment the server is asked to stop: readiness is over, accepted requests are still answered."""
        return self._stops > 0

    def stop(self) -> None:
        """Ask the server to stop: the first time it answers what it accepted, the second time it ends at once."""
        with self._lock:
            self._stops += 1
            stops, hear = self._stops, self._hear
        if hear is not None:
            hear(stops)

    def heard_by(self, hear: Callable[[int], None]) -> None:
        """Have a server told of each call of `stop`, with its number; also of one that came before."""
        with self._lock:
            self._hear = hear
            stops = self._stops
        if stops:
            hear(stops)
