"""Standard streams that are closed, full, or read by nobody any more, and what a command does then."""

import contextlib
import os
import sys
import threading

NOBODY_READS = 141  # exit code: what a shell reports of a program that a closed pipe has ended


def open_closed_streams() -> None:
    """Give a command that was started with closed streams (`>&-`) empty ones.

    Else the first files that it opens would take their numbers, and be read and written as if they were the streams.
    """
    if sys.stdin is None:
        sys.stdin = os.fdopen(_nothing(), encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = os.fdopen(_nothing(), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(_nothing(), "w", encoding="utf-8")


def let_output_go() -> None:
    """Send what is still to be written nowhere: Python would fail on it once more at its end."""
    with contextlib.suppress(OSError, ValueError):  # standard output is no file of the system's
        number = sys.stdout.fileno()
        os.dup2(_nothing(), number)


def end_now_beside_readers(code: object) -> None:
    """End the process here where a thread is still inside FFmpeg: it would crash while the interpreter ends.

    Args:
        code: of a `SystemExit`.
    """
    if not any(thread.name == "vidi-stream" for thread in threading.enumerate()):
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _nothing() -> int:
    """A file that is empty and takes everything, under the lowest free number; worker processes inherit it."""
    number = os.open(os.devnull, os.O_RDWR)
    os.set_inheritable(number, True)
    return number
