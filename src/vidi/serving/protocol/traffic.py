"""What all connections of one server share: its limits, its life, and the memory that bodies take."""

from collections.abc import Callable
from dataclasses import dataclass, field

from vidi.serving.lifecycle import Lifecycle
from vidi.serving.problems import Problem
from vidi.serving.settings import Settings


def _keep_quiet(problem: Problem, client: str) -> None:
    """The default of `Traffic.tell_refusal`."""


@dataclass(slots=True, kw_only=True)
class Traffic:
    """The counters of one server. Used by its event loop's thread alone."""

    settings: Settings
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    tell_refusal: Callable[[Problem, str], None] = _keep_quiet  # called with a refusal below ASGI and the client
    connections: int = 0  # accepted and not yet ended, with those whose encryption is being agreed on
    buffered: int = 0  # bytes of bodies that are being received or answered

    def take(self, count: int) -> bool:
        """Reserve memory for bytes of a body; False where the limit of all bodies would be passed."""
        if self.buffered + count > self.settings.buffered_bytes:
            return False
        self.buffered += count
        return True

    def give_back(self, count: int) -> None:
        """Free what `take` reserved."""
        self.buffered -= count
