"""A process that runs: how it is talked to and ended, and how one is started from nothing."""

import contextlib
import os
import subprocess
import sys
from typing import IO, Protocol

# A worker decodes on one thread: libraries that would start more only take memory from the image.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Running(Protocol):
    """A process that was started, until it is buried."""

    pid: int
    source: IO[bytes]  # what it reads
    answers: IO[bytes]  # what it writes

    def has_ended(self) -> bool:
        """Whether it is dead; asks and does not wait."""
        ...

    def kill(self) -> None:
        """End it now; safe from any thread, also when it is dead."""
        ...

    def reap(self) -> int:
        """End it, wait for its end and close its streams.

        Returns:
            Its exit code, or the number of the signal that ended it, negated.
        """
        ...


class Spawned:
    """A Python process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], source: IO[bytes], answers: IO[bytes]) -> None:
        self.source, self.answers = source, answers
        self.pid, self._process = process.pid, process

    def has_ended(self) -> bool:
        """Whether it is dead."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    def reap(self) -> int:
        """End it, wait for its end and close its streams."""
        self._process.kill()
        close_quietly(self.source, self.answers)
        return self._process.wait()


def spawn(module: str, shared: str, *, handles: tuple[int, ...] = (), own_group: bool = False) -> Spawned:
    """Start a Python process that runs the `main` of a module.

    Args:
        module: its full name.
        shared: path of the memory shared with it.
        handles: open files that it inherits under the same numbers.
        own_group: signals to this process's group, such as Ctrl-C, do not reach it.

    Raises:
        OSError: the system refuses.
    """
    process = start_python(module, shared, handles=handles, own_group=own_group, is_piped=True)
    if process.stdin is None or process.stdout is None:  # pragma: no cover - pipes were asked for
        raise OSError("the process has no pipes")
    return Spawned(process, process.stdin, process.stdout)


def start_python(
    module: str, argument: str, *, handles: tuple[int, ...], own_group: bool, is_piped: bool
) -> subprocess.Popen[bytes]:
    """A Python process that runs the `main` of a module with one argument; it finds what this process finds."""
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    stream = subprocess.PIPE if is_piped else subprocess.DEVNULL
    return subprocess.Popen(
        # -P: never import what lies in the current folder
        [sys.executable, "-P", "-c", f"from {module} import main; main({argument!r})"],
        stdin=stream,
        stdout=stream,
        env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": paths},
        pass_fds=handles,
        start_new_session=own_group,
    )


def close_quietly(*streams: IO[bytes]) -> None:
    """Close streams whose other end may be gone, with what was never sent."""
    for stream in streams:
        with contextlib.suppress(OSError):
            stream.close()
