"""Signals that end a command: each becomes a KeyboardInterrupt that no other package swallows."""

import contextlib
import signal
import threading
from types import FrameType

WAIT_SECONDS = 0.05  # between two looks at whether that work has ended
# Code whose callers catch whatever it raises: Python's own import, and what safetensors calls for each tensor.
SWALLOWED = ("<frozen importlib", "torch/storage.py", r"torch\storage.py")


def interrupt(number: int, frame: FrameType | None) -> None:
    """End the command; where other packages would catch what is raised now, as soon as they have done their work.

    Raises:
        KeyboardInterrupt: unless it would be lost.
    """
    while frame is not None:
        if any(part in frame.f_code.co_filename for part in SWALLOWED):
            again = threading.Timer(WAIT_SECONDS, _send, [number])
            again.daemon = True
            again.start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _send(number: int) -> None:
    """Send the main thread a signal, which ends what it waits for where the system knows that."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)


def end_on_signals() -> None:
    """Let SIGTERM end a command as Ctrl-C does, so that nothing half written stays."""
    with contextlib.suppress(ValueError):  # not in the main thread: somebody else owns the signals
        signal.signal(signal.SIGTERM, interrupt)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background ignores it
            signal.signal(signal.SIGINT, interrupt)
