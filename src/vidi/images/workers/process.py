"""The outside of a worker process: started when first needed, started again when it dies, killed when it hangs."""

import contextlib
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from vidi.errors import ImageError, ResourceError, VidiError
from vidi.images.reading import DecodeJob, ReadImage
from vidi.images.workers.wire import FAILURE, pack_work, receive, send, slot_bytes, unpack_answer

_TRIES = 3  # the machine may kill a worker for reasons of its own; the third death in a row is the file's fault
# The clock counts processor time; one that waits (a dead network disk) is stopped after that many times as long: first
# with all the images whose answers travel together, then alone.
_WALL_FACTOR_TOGETHER, _WALL_FACTOR = 1, 5
_COMMAND = "from vidi.images.workers.worker import main; main()"
# A worker decodes on one thread: libraries that would start more only take memory from the image.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Worker:
    """One worker process and the memory shared with it. Used by one thread at a time."""

    def __init__(self, job: DecodeJob, slots: int) -> None:
        self.job, self.slots = job, slots
        self._busy_since: float | None = None  # seconds of time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None
        self._memory = SharedMemory(slots * slot_bytes(job))
        self._was_too_slow = self._is_closed = False
        self._one_by_one = False  # answers travel together, until that took too long once
        self._waits_for_one = True

    def read(self, paths: Sequence[str]) -> list[ReadImage]:
        """The answers about at most `slots` paths, in order; a death of the process costs at most one of them.

        Raises:
            ResourceError: no process could be started.
            VidiError: the store or the measure failed.
        """
        done: list[ReadImage] = []
        deaths, died_at = 0, -1
        one_by_one = self._one_by_one or len(paths) == 1
        while len(done) < len(paths):
            try:
                self._ask(paths, done, one_by_one=one_by_one)
            except (EOFError, OSError) as error:
                if self._is_closed:
                    raise ResourceError("The decoding was stopped.", "Start it again.") from error
                code, is_slow = self._bury()
                if not one_by_one:  # answers were under way: nobody knows which image it died of
                    one_by_one, self._one_by_one = True, is_slow
                    continue
                deaths, died_at = (deaths + 1 if died_at == len(done) else 1), len(done)
                if is_slow or deaths == _TRIES:
                    refusal = self._too_slow() if is_slow else _died(code)
                    done.append(ReadImage(path=paths[len(done)], error=refusal))
            finally:
                self._busy_since = None
        return done

    def _ask(self, paths: Sequence[str], done: list[ReadImage], *, one_by_one: bool) -> None:
        source, answers = self._pipes()
        first = len(done)
        self._waits_for_one = one_by_one
        send(source, pack_work((list(paths[first:]), one_by_one)))
        step = slot_bytes(self.job)
        for slot, path in enumerate(paths[first:]):
            self._busy_since = time.monotonic()
            content = receive(answers)
            if content.startswith(FAILURE):
                raise VidiError(
                    f"A decoding process failed: {content.removeprefix(FAILURE).decode(errors='replace')}",
                    "This is a fault of the program, not of the image; please report it.",
                )
            done.append(unpack_answer(content, self._memory.room[slot * step : (slot + 1) * step], path))

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """The living process's input and output; started where there is none."""
        if self._process is None:
            paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _COMMAND],  # -P: never import what lies in the current folder
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": paths},
                pass_fds=self._memory.handles,
            )
            self._greet(self._process)
        source, answers = self._process.stdin, self._process.stdout
        if source is None or answers is None:  # pragma: no cover - pipes were asked for
            raise EOFError
        return source, answers

    def _greet(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin is None or process.stdout is None:  # pragma: no cover - pipes were asked for
            raise EOFError
        try:
            send(process.stdin, pack_work((self.job, self._memory.path, self.slots)))
            receive(process.stdout)
        except (EOFError, OSError) as error:
            self._bury()
            raise ResourceError(
                "A process for decoding images could not be started.",
                "Free some memory; what went wrong stands above.",
            ) from error

    def _bury(self) -> tuple[int, bool]:
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
        """End the process where its image has taken too long by the wall clock; called from another thread."""
        since, process = self._busy_since, self._process
        factor = _WALL_FACTOR if self._waits_for_one else _WALL_FACTOR_TOGETHER
        limit = factor * self.job.options.limits.seconds
        if since is not None and process is not None and time.monotonic() - since > limit:
            self._was_too_slow = True
            process.kill()

    def stop(self) -> None:
        """End the process; a `read` under way in another thread ends with an error."""
        self._is_closed = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process and give the shared memory back, when no `read` is under way."""
        self._is_closed = True
        self._bury()
        self._memory.close()

    def _too_slow(self) -> ImageError:
        seconds = self.job.options.limits.seconds
        return ImageError(
            "too-slow",
            f"Decoding it took more than {seconds:g} s of processor time.",
            "Make the image smaller, or raise `Limits.seconds`.",
        )


def _died(code: int) -> ImageError:
    ended = f"exit code {code}"
    with contextlib.suppress(ValueError):
        ended = signal.Signals(-code).name if code < 0 else ended
    return ImageError(
        "decoder-died",
        f"The decoding process ended on it ({ended}), {_TRIES} times.",
        "Leave the image out, or save it again with another program.",
    )


class SharedMemory:
    """Memory that a worker process can map by a path: nameless where the system offers that, else a temporary file."""

    def __init__(self, byte_count: int) -> None:
        self.handles: tuple[int, ...] = ()
        self._temporary: Path | None = None
        if hasattr(os, "memfd_create"):
            handle = os.memfd_create("vidi-decode")
            self.handles, self.path = (handle,), f"/proc/self/fd/{handle}"
        else:
            handle, self.path = tempfile.mkstemp(prefix="vidi-decode-")
            self._temporary = Path(self.path)
        self._handle = handle
        os.ftruncate(handle, byte_count)  # sparse: only pages that an image touches take memory
        self._map = mmap.mmap(handle, byte_count)
        self.room = memoryview(self._map)

    def close(self) -> None:
        """Give the memory back."""
        self.room.release()
        self._map.close()
        os.close(self._handle)
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
