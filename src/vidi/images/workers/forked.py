"""Workers forked from one process that has loaded the decoders; on Linux."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from typing import IO

from vidi.images.workers.memory import SharedMemory
from vidi.images.workers.running import close_quietly, start_python
from vidi.images.workers.wire import BURY, FORK, KILL, ORDER, REFUSED

_PATIENCE = 30.0  # seconds; for the fork server to load the decoders, on a machine that is busy
_MODULE = "vidi.images.workers.inside.fork_server"


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
            self._process = start_python(_MODULE, str(number), handles=(number,), own_group=True, is_piped=False)
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
