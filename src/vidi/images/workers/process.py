"""The outside of a worker process: started when first needed, started again when it dies, killed when it hangs."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from vidi.errors import ImageError, ResourceError, VidiError
from vidi.images.limits import Limits
from vidi.images.workers.running import Running
from vidi.images.workers.wire import FAILURE, receive, send


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a process ended."""

    code: int  # its exit code, or the number of the signal that ended it, negated
    is_slow: bool  # a clock ended it


class WorkerProcess:
    """One worker process, or none yet. Used by one thread at a time, but for `check_clock`, `is_alive` and `kill`."""

    def __init__(self, launch: Callable[[], Running], greeting: bytes) -> None:
        """Store what a process will be started with.

        Args:
            launch: starts one, or raises OSError.
            greeting: the first message; the process answers it when it is ready.
        """
        self._launch, self._greeting = launch, greeting
        self._running: Running | None = None
        self._was_too_slow = False
        self.due: float | None = None  # when it is killed, in seconds of time.monotonic(); None: it may take its time

    def start(self) -> None:
        """Start a process where there is none, without waiting until it is ready.

        Raises:
            ResourceError: the system refuses.
        """
        if self._running is not None:
            return
        try:
            self._running = self._launch()
            send(self._running.source, self._greeting)
        except OSError as error:
            raise self._no_start() from error

    def await_ready(self) -> None:
        """Wait until the process that was started is ready.

        Raises:
            ResourceError: it ended before that.
        """
        try:
            self.receive()
        except (EOFError, OSError) as error:
            raise self._no_start() from error

    def _no_start(self) -> ResourceError:
        self.reap()
        return ResourceError(
            "A process for decoding images could not be started.",
            "Free some memory; what went wrong stands above.",
        )

    @property
    def pid(self) -> int | None:
        """The process's number, where there is one."""
        running = self._running
        return None if running is None else running.pid

    @property
    def is_running(self) -> bool:
        """Whether a process was started and not yet buried."""
        return self._running is not None

    @property
    def is_alive(self) -> bool:
        """Whether there is a process that has not ended."""
        running = self._running
        return running is not None and not running.has_ended()

    def send(self, content: bytes) -> None:
        """Send the process one message.

        Raises:
            EOFError, OSError: it has ended.
        """
        if self._running is None:
            raise EOFError
        send(self._running.source, content)

    def receive(self) -> bytes:
        """The next message of the process.

        Raises:
            EOFError, OSError: it has ended.
            VidiError: something other than the image failed in it.
        """
        if self._running is None:
            raise EOFError
        content = receive(self._running.answers)
        if content.startswith(FAILURE):
            raise VidiError(
                f"A decoding process failed: {content.removeprefix(FAILURE).decode(errors='replace')}",
                "This is a fault of the program, not of the image; please report it.",
            )
        return content

    def reap(self) -> End:
        """End the process if it has not ended; how it did."""
        running, self._running = self._running, None
        if running is None:
            return End(code=0, is_slow=False)
        code = running.reap()
        is_slow = self._was_too_slow or (os.name == "posix" and code == -signal.SIGPROF)
        self._was_too_slow = False
        return End(code=code, is_slow=is_slow)

    def check_clock(self) -> None:
        """End the process where its work is overdue by the wall clock; called from another thread."""
        due, running = self.due, self._running
        if due is not None and running is not None and time.monotonic() > due:
            self._was_too_slow = True
            running.kill()

    def kill(self) -> None:
        """End the process; who waits for its answer gets an EOFError."""
        running = self._running
        if running is not None:
            running.kill()


def too_slow(limits: Limits) -> ImageError:
    """The refusal of an image that a clock has stopped."""
    return ImageError(
        "too-slow",
        f"Decoding it took more than {limits.seconds:g} s of processor time.",
        "Make the image smaller, or raise `Limits.seconds`.",
    )


def died(code: int, tries: int) -> ImageError:
    """The refusal of an image on which that many processes in a row have ended, the last one with this exit code."""
    ended = f"exit code {code}"
    with contextlib.suppress(ValueError):
        ended = signal.Signals(-code).name if code < 0 else ended
    return ImageError(
        "decoder-died",
        f"The decoding process ended on it ({ended}), {tries} times.",
        "Leave the image out, or save it again with another program.",
    )
