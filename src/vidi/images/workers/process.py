"""The outside of a worker: a process that is started, talked to, timed and ended, and the memory shared with it."""

import contextlib
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vidi.errors import ImageError, ResourceError, VidiError
from vidi.images.decode import DecodeJob, ReadImage
from vidi.images.limits import Limits
from vidi.images.workers.wire import (
    FAILURE,
    pack_request,
    pack_work,
    receive,
    send,
    slot_bytes,
    unpack_answer,
)

_KEPT = 1 << 20  # bytes of shared memory that need not be given back after a large file or image
_pack_job = lru_cache(64)(pack_work)

# A worker decodes on one thread: libraries that would start more only take memory from the image.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


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

    def give_back(self, start: int, stop: int) -> None:
        """Return these whole pages to the system, where it can be asked to; they hold zeros afterwards."""
        if hasattr(mmap, "MADV_REMOVE") and stop > start:
            self._map.madvise(mmap.MADV_REMOVE, start, stop - start)

    def close(self) -> None:
        """Give the memory back."""
        self.room.release()
        self._map.close()
        os.close(self._handle)
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)


def spawn(memory: SharedMemory) -> subprocess.Popen[bytes]:
    """Start a worker that shares this memory; it finds what this process finds.

    It has a group of its own: signals to this process's group, such as Ctrl-C, do not reach it.

    Raises:
        OSError: the system refuses.
    """
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    return subprocess.Popen(
        # -P: never import what lies in the current folder
        [sys.executable, "-P", "-c", f"from vidi.images.workers.inside import work; work({memory.path!r})"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": paths},
        pass_fds=memory.handles,
        start_new_session=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a process ended."""

    code: int  # its exit code, or the number of the signal that ended it, negated
    is_slow: bool  # a clock ended it


class Worker:
    """One worker: a process, or none yet, and the memory through which files go to it and images come back.

    Used by one thread at a time, but for `check_clock`, `is_alive` and `kill`.
    """

    def __init__(self, lengths: tuple[int, int], greeting: bytes) -> None:
        """Make the memory, and store what a process will be started with.

        Args:
            lengths: bytes of memory for files and for images, whole pages.
            greeting: the first message; the process answers it when it is ready.
        """
        self._given, self._left = lengths
        self._greeting = greeting
        self._memory = SharedMemory(self._given + self._left)
        self._lock = threading.RLock()  # held while the memory is used, and the process made or taken away
        self._is_closed = False
        self._running: subprocess.Popen[bytes] | None = None
        self._was_too_slow = False
        self._due: float | None = None  # when it is killed, in seconds of time.monotonic(); None: it may take its time

    def start(self) -> None:
        """Start a process where there is none, without waiting until it is ready.

        Raises:
            ResourceError: the system refuses.
        """
        if self._running is not None:
            return
        try:
            self._running = spawn(self._memory)
            self._send(self._greeting)
        except OSError as error:
            raise self._no_start() from error

    def await_ready(self) -> None:
        """Wait until the process that was started is ready.

        Raises:
            ResourceError: it ended before that.
        """
        try:
            self._receive()
        except (EOFError, OSError) as error:
            raise self._no_start() from error

    def _no_start(self) -> ResourceError:
        self.reap()
        return ResourceError(
            "A process for decoding images could not be started.",
            "Free some memory; what went wrong stands above.",
        )

    def renew(self) -> None:
        """Another process in the place of the dead one.

        Raises:
            VidiError: it could not be started.
        """
        with self._lock:
            if not self._is_closed:
                self.reap()
                self.start()
                self.await_ready()

    @property
    def pid(self) -> int | None:
        """The process's number, where there is one."""
        running = self._running
        return None if running is None else running.pid

    @property
    def is_alive(self) -> bool:
        """Whether there is a process that has not ended."""
        running = self._running
        return running is not None and running.poll() is None

    def ask(self, files: Sequence[bytes | memoryview], job: DecodeJob, due: float, done: list[ReadImage]) -> None:
        """Add the answers about some files to `done`; `due` is when the process is killed, of time.monotonic().

        Raises:
            EOFError, OSError: the process has ended.
            VidiError: the program failed on one of them.
        """
        with self._lock:
            if self._is_closed:
                raise EOFError
            room, start = self._memory.room, 0
            for data in files:
                room[start : start + len(data)] = data
                start += len(data)
            self._due = due
            try:
                self._send(pack_request([len(data) for data in files], _pack_job(job)))
                self._receive_images(len(files), slot_bytes(job), done)
            finally:
                self._due = None
            used = sum(read.image.nbytes for read in done if read.image is not None)
            if start > _KEPT or used > _KEPT:
                self._memory.give_back(_KEPT, self._given)
                self._memory.give_back(self._given + _KEPT, self._given + self._left)

    def _receive_images(self, count: int, step: int, done: list[ReadImage]) -> None:
        failure: VidiError | None = None
        for slot in range(count):
            start = self._given + slot * step
            try:
                content = self._receive()
            except VidiError as error:  # raised when all that follows is read: it belongs to this request
                failure = failure or error
            else:
                done.append(unpack_answer(content, self._memory.room[start : start + step]))
        if failure is not None:
            raise failure

    def _send(self, content: bytes) -> None:
        if self._running is None or self._running.stdin is None:
            raise EOFError
        send(self._running.stdin, content)

    def _receive(self) -> bytes:
        """The next message of the process; EOFError or OSError where it has ended."""
        if self._running is None or self._running.stdout is None:
            raise EOFError
        content = receive(self._running.stdout)
        if content.startswith(FAILURE):
            raise VidiError(
                f"A decoding process failed: {content.removeprefix(FAILURE).decode(errors='replace')}",
                "This is a fault of the program, not of the image; please report it.",
            )
        return content

    def reap(self) -> End:
        """End the process if it has not ended, wait for its end and close its streams; how it ended."""
        with self._lock:
            running, self._running = self._running, None
            if running is None:
                return End(code=0, is_slow=False)
            running.kill()
            for stream in (running.stdin, running.stdout):
                with contextlib.suppress(OSError):  # the other end is gone, with what was never sent
                    if stream is not None:
                        stream.close()
            code = running.wait()
            is_slow = self._was_too_slow or (os.name == "posix" and code == -signal.SIGPROF)
            self._was_too_slow = False
            return End(code=code, is_slow=is_slow)

    def close(self) -> None:
        """End the process and give the memory back."""
        with self._lock:
            self._is_closed = True
            self.reap()
            self._memory.close()

    def check_clock(self) -> None:
        """End the process where its work is overdue by the wall clock; called from another thread."""
        due, running = self._due, self._running
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
