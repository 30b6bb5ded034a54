"""The outside of a worker: a process started or forked, talked to, timed and ended, and the memory shared with it."""

import contextlib
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from vidi.errors import ImageError, ResourceError, VidiError
from vidi.images.limits import Limits
from vidi.images.workers.wire import BURY, FAILURE, FORK, KILL, ORDER, REFUSED, receive, send

# A worker decodes on one thread: libraries that would start more only take memory from the image.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_PATIENCE = 30.0  # seconds; for the fork server to load the decoders, on a machine that is busy


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


def spawn(memory: SharedMemory) -> Spawned:
    """Start a worker from nothing that shares this memory.

    Raises:
        OSError: the system refuses.
    """
    process = start_python("work", memory.path, handles=memory.handles, is_piped=True)
    if process.stdin is None or process.stdout is None:  # pragma: no cover - pipes were asked for
        raise OSError("the process has no pipes")
    return Spawned(process, process.stdin, process.stdout)


def start_python(main: str, argument: str, *, handles: tuple[int, ...], is_piped: bool) -> subprocess.Popen[bytes]:
    """A Python process that runs a function of `inside` with one argument; it finds what this process finds.

    It has a group of its own: signals to this process's group, such as Ctrl-C, do not reach it.

    Args:
        handles: open files that it inherits under the same numbers.
        is_piped: over standard input and output it is talked to.

    Raises:
        OSError: the system refuses.
    """
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    stream = subprocess.PIPE if is_piped else subprocess.DEVNULL
    return subprocess.Popen(
        # -P: never import what lies in the current folder
        [sys.executable, "-P", "-c", f"from vidi.images.workers.inside import {main}; {main}({argument!r})"],
        stdin=stream,
        stdout=stream,
        env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": paths},
        pass_fds=handles,
        start_new_session=True,
    )


def close_quietly(*streams: IO[bytes]) -> None:
    """Close streams whose other end may be gone, with what was never sent."""
    for stream in streams:
        with contextlib.suppress(OSError):
            stream.close()


def can_fork() -> bool:
    """Whether this system forks, hands open files to other processes, and ends children with their parent."""
    return sys.platform == "linux" and hasattr(os, "fork") and hasattr(os, "memfd_create")


class ForkServer:
    """The process that forks, started when first needed and again when it has died. Safe to use from several threads.

    It is the parent of its workers: their numbers stay theirs until it buries them, and they end when it ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None

    def fork(self, memory: SharedMemory) -> "Forked":
        """A new worker that shares this memory.

        Raises:
            OSError: the fork server cannot be started, or the system refuses another process.
        """
        there, source, answers, back = _two_pipes()
        sink, stream = os.fdopen(source, "wb"), os.fdopen(answers, "rb")
        try:
            orders, pid = self._fork((there, back, *memory.handles))
            if pid == REFUSED:
                raise BlockingIOError("no more processes are allowed")
        except OSError:
            close_quietly(sink, stream)
            raise
        finally:
            os.close(there)
            os.close(back)
        return Forked(self, orders, pid, sink, stream)

    def kill(self, worker: "Forked") -> None:
        """End a worker now, without waiting."""
        with contextlib.suppress(OSError), self._lock:
            if not worker.is_buried and worker.orders is self._orders:
                _exchange(worker.orders, KILL, worker.pid)

    def reap(self, worker: "Forked") -> int:
        """End a worker and wait for its end; its exit code."""
        with contextlib.suppress(OSError), self._lock:
            if not worker.is_buried and worker.orders is self._orders:
                worker.is_buried = True
                return _exchange(worker.orders, BURY, worker.pid)
        return -int(signal.SIGKILL) if os.name == "posix" else 1  # that end all had with the fork server's own

    @property
    def pid(self) -> int | None:
        """Its process's number, where it runs."""
        process = self._process
        return None if process is None else process.pid

    def close(self) -> None:
        """End it and all its workers."""
        with self._lock:
            self._end()

    def _fork(self, handles: tuple[int, ...]) -> "tuple[socket.socket, int]":
        """The socket to the fork server, and the number of the new process."""
        with self._lock:
            if self._orders is not None:
                with contextlib.suppress(OSError):
                    return self._orders, _exchange(self._orders, FORK, 0, handles)
            self._end()
            orders = self._start()
            return orders, _exchange(orders, FORK, 0, handles)

    def _start(self) -> socket.socket:
        here, there = socket.socketpair()
        here.settimeout(_PATIENCE)
        self._orders = here
        with there:
            number = there.fileno()
            self._process = start_python("fork_workers", str(number), handles=(number,), is_piped=False)
        _receive(here)
        return here

    def _end(self) -> None:
        if self._orders is not None:
            self._orders.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._orders = self._process = None


class Forked:
    """A worker of the fork server."""

    def __init__(
        self, server: ForkServer, orders: socket.socket, pid: int, source: IO[bytes], answers: IO[bytes]
    ) -> None:
        self.source, self.answers, self.pid, self.orders = source, answers, pid, orders
        self.is_buried = False  # then its number may be another's
        self._server = server

    def has_ended(self) -> bool:
        """Whether it is dead: then nobody holds the other end of its pipe."""
        if not hasattr(select, "poll"):
            return False
        try:
            look = select.poll()
            look.register(self.answers, 0)
            return bool(look.poll(0))
        except ValueError:  # buried
            return True

    def kill(self) -> None:
        """End it now."""
        self._server.kill(self)

    def reap(self) -> int:
        """End it, wait for its end and close its streams."""
        code = self._server.reap(self)
        with contextlib.suppress(OSError):
            while self.answers.read(1 << 16):  # until it has let go of everything, its shared memory too
                pass
        close_quietly(self.source, self.answers)
        return code


def _two_pipes() -> tuple[int, int, int, int]:
    """The ends to read and to write of one pipe, then of another; both, or none where the system refuses."""
    first = os.pipe()
    try:
        return *first, *os.pipe()
    except OSError:
        for handle in first:
            os.close(handle)
        raise


def _exchange(orders: socket.socket, what: int, pid: int, handles: tuple[int, ...] = ()) -> int:
    socket.send_fds(orders, [ORDER.pack(what, pid)], handles)
    return pid if what == KILL else _receive(orders)


def _receive(orders: socket.socket) -> int:
    content = orders.recv(ORDER.size, socket.MSG_WAITALL)
    if len(content) < ORDER.size:
        raise ConnectionResetError
    number: int = ORDER.unpack(content)[1]
    return number


Running: TypeAlias = Spawned | Forked  # a process that was started, until it is reaped


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
