"""Whether a server is stopping, and how many requests wait that no application has seen."""

from collections.abc import Callable


class Lifecycle:
    """Written by the server and its signals, read by `/readyz` and by every connection. Safe to use from any thread."""

    def __init__(self) -> None:
        self.waiting = 0  # requests behind another one of their connection; the server's connections count them
        self._stops = 0
        self._hear: Callable[[int], None] | None = None

    @property
    def is_stopping(self) -> bool:
        """True from the moment the server is asked to stop: readiness is over, accepted requests are still answered."""
        return self._stops > 0

    def stop(self) -> None:
        """Ask the server to stop: the first time it answers what it accepted, the second time it ends at once."""
        self._stops += 1
        if self._hear is not None:
            self._hear(self._stops)

    def heard_by(self, hear: Callable[[int], None]) -> None:
        """Have `hear` called at each call of `stop`, with its number; at once where one came before."""
        self._hear = hear
        if self._stops:
            hear(self._stops)
