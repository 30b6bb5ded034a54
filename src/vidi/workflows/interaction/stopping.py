"""Ctrl-C and its relatives: the first asks for an orderly end, the second ends at once."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in signal.Signals.__members__
]  # Windows has no SIGHUP


@contextlib.contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """A question to ask between steps: has the user asked for an end? A second signal raises KeyboardInterrupt.

    Only the main thread may listen to signals; elsewhere the answer is always no.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note(_number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
