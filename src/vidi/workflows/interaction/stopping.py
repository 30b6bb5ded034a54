"""Ctrl-C and other signals: the first asks for an orderly end, the second ends at once."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType
from typing import Protocol, TypeVar

from vidi.images.account import Account, Entry

STOPPING = "stopping in good order; Ctrl-C again stops at once"
NOT_REACHED = ("not-reached", "The command was interrupted before it.")
LOOK_SECONDS = 0.05  # between two looks at whether a signal came
SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in signal.Signals.__members__
]  # Windows has no SIGHUP


def tell_terminal(sentence: str) -> None:
    """Write a line to a terminal's standard error, past all buffers, as a signal's handler must."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or not there
        if sys.stderr.isatty():
            os.write(sys.stderr.fileno(), f"\n{sentence}\n".encode())


@contextlib.contextmanager
def stop_on_signal(tell: Callable[[str], None] = tell_terminal) -> Iterator[Callable[[], bool]]:
    """Return a function that tells whether the user asked to stop; a second signal raises KeyboardInterrupt.

    Only the main thread may listen to signals; elsewhere the answer is always no.

    Args:
        tell: receives the answer to the first Ctrl-C, from the signal's handler; the end of a step may be far away.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note(number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        if number == signal.SIGINT:
            tell(STOPPING)

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def event_on_signal(tell: Callable[[str], None] = tell_terminal) -> Iterator[threading.Event]:
    """Return an event that is set soon after the user asks to stop, for threads that wait for it.

    A signal's handler must not set it itself: the thread that it interrupts may hold the event's lock.
    """
    stop, is_over = threading.Event(), threading.Event()
    with stop_on_signal(tell) as should_stop:

        def look() -> None:
            while not is_over.wait(LOOK_SECONDS):
                if should_stop():
                    stop.set()
                    return

        looking = threading.Thread(target=look, name="vidi-stopping", daemon=True)
        looking.start()
        try:
            yield stop
        finally:
            is_over.set()
            looking.join()


class PathState(Protocol):
    """What is known about one path."""

    @property
    def path(self) -> str:
        """As the user named it."""
        ...


Item = TypeVar("Item", bound=PathState)


def until_stopped(
    items: Iterable[Item], should_stop: Callable[[], bool], *, paths: Sequence[str], account: Account
) -> Iterator[Item]:
    """Pass on the results of each path until the user asks to stop; the other paths are set aside.

    Args:
        items: in the order of the paths.
        paths: all that were to be reached, in order.
    """
    reached: set[str] = set()
    for one in items:
        path = one.path
        yield one
        del one  # it may hold an image, and the next takes its time
        reached.add(path)
        if should_stop():
            account.set_aside.extend(Entry(path, *NOT_REACHED) for path in paths if path not in reached)
            return
