"""The outside of a worker process: started when first needed, started again when it dies, killed when it hangs."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import IO

from vidi.errors import ImageError, ResourceError, VidiError
from vidi.images.limits import Limits
from vidi.images.workers.memory import SharedMemory
from vidi.images.workers.wire import FAILURE, receive, send

# A worker decodes on one thread: libraries that would start more only take memory from the image.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class WorkerProcess:
    """One worker process, or none yet. Used by one thread at a time, but for `check_clock`, `is_alive` and `kill`."""

    def __init__(self, main: str, greeting: bytes, memory: SharedMemory, *, own_group: bool = False) -> None:
        """Store what a process will be started with.

        Args:
            main: the module whose `main` it runs.
            greeting: the first message; the process answers it when it is ready.
            memory: what it shares.
            own_group: signals to this process's group, such as Ctrl-C, do not reach it.
        """
        self._command = f"from {main} import main; main()"
        self._greeting, self._memory, self._own_group = greeting, memory, own_group
        self._process: subprocess.Popen[bytes] | None = None
        self._was_too_slow = False
        self.due: float | None = None  # when it is killed, in seconds of time.monotonic(); None: it may take its time

    def start(self) -> None:
        """Start a process where there is none, without waiting until it is ready.

        Raises:
            ResourceError: the system refuses.
        """
        if self._process is not None:
            return
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", self._command],  # -P: never import what lies in the current folder
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": paths},
                pass_fds=self._memory.handles,
                start_new_session=self._own_group,
            )
            send(self._pipes(self._process)[0], self._greeting)
        except (EOFError, OSError) as error:
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
        self.bury()
        return ResourceError(
            "A process for decoding images could not be started.",
            "Free some memory; what went wrong stands above.",
        )

    @property
    def is_running(self) -> bool:
        """Whether a process was started and not yet buried."""
        return self._process is not None

    @property
    def is_alive(self) -> bool:
        """Whether there is a process that has not ended."""
        process = self._process
        return process is not None and process.poll() is None

    def send(self, content: bytes) -> None:
        """Send the process one message."""
        if self._process is None:
            raise EOFError
        send(self._pipes(self._process)[0], content)

    def receive(self) -> bytes:
        """The next message of the process.

        Raises:
            EOFError: it has ended.
            VidiError: something other than the image failed in it.
        """
        if self._process is None:
            raise EOFError
        content = receive(self._pipes(self._process)[1])
        if content.startswith(FAILURE):
            raise VidiError(
                f"A decoding process failed: {content.removeprefix(FAILURE).decode(errors='replace')}",
                "This is a fault of the program, not of the image; please report it.",
            )
        return content

    @staticmethod
    def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
        if process.stdin is None or process.stdout is None:  # pragma: no cover - pipes were asked for
            raise EOFError
        return process.stdin, process.stdout

    def bury(self) -> tuple[int, bool]:
        """The exit code of the dead process, and whether a clock ended it."""
        if self._process is None:
            return 0, False
        self._process.kill()
        code = self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._process = None
        is_slow = self._was_too_slow or (os.name == "posix" and code == -signal.SIGPROF)
        self._was_too_slow = False
        return code, is_slow

    def check_clock(self) -> None:
        """End the process where its work is overdue by the wall clock; called from another thread."""
        due, process = self.due, self._process
        if due is not None and process is not None and time.monotonic() > due:
            self._was_too_slow = True
            process.kill()

    def kill(self) -> None:
        """End the process; who waits for its answer gets an EOFError."""
        process = self._process
        if process is not None:
            process.kill()


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
