"""A process that has loaded the decoders and only forks: its workers stand in milliseconds and share what it loaded."""

import contextlib
import ctypes
import gc
import os
import signal
import socket
import sys
from typing import NoReturn

from vidi.images.workers.inside.bytes_worker import KEPT, serve
from vidi.images.workers.inside.preparing import ignore_endings, load_decoders, silence_libraries
from vidi.images.workers.wire import BURY, FORK, KILL, ORDER, READY, REFUSED

_PR_SET_PDEATHSIG = 1  # prctl.h: the signal that a process is sent when its parent ends


def main(handle: str) -> None:
    """Follow one parent's orders until it goes away; all workers then end, whatever they are doing.

    Args:
        handle: number of the socket to the parent.
    """
    ignore_endings()
    orders = socket.socket(fileno=int(handle))
    silence_libraries()
    load_decoders(kept=KEPT)
    gc.collect()
    gc.freeze()  # else collecting garbage in a worker would copy what all share
    with contextlib.suppress(EOFError, OSError):
        orders.sendall(ORDER.pack(READY, os.getpid()))
        while True:
            _follow(orders)


def _follow(orders: socket.socket) -> None:
    content, handles, _, _ = socket.recv_fds(orders, ORDER.size, 3)
    if len(content) < ORDER.size:
        raise EOFError
    what, pid = ORDER.unpack(content)
    if what == FORK:
        orders.sendall(ORDER.pack(FORK, _fork(orders, handles)))
    if what in (KILL, BURY):  # no other process can have the number of one that is not buried
        with contextlib.suppress(ProcessLookupError, AttributeError):  # AttributeError: no such system
            os.killpg(pid, signal.SIGKILL)
    if what == BURY:
        orders.sendall(ORDER.pack(BURY, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))


def _fork(orders: socket.socket, handles: list[int]) -> int:
    """The number of a new worker, which alone has these handles then; `REFUSED` where the system allows no more."""
    pid, server = REFUSED, os.getpid()
    with contextlib.suppress(OSError, AttributeError):  # too many processes; AttributeError: no such system
        pid = os.fork()
        if not pid:
            _work(orders, handles, server)
        os.setpgid(pid, pid)  # a group of its own, by which it is ended
    for each in handles:
        os.close(each)
    return pid


def _work(orders: socket.socket, handles: list[int], server: int) -> NoReturn:
    """Be a worker, and never return to what the fork server does."""
    try:
        orders.close()
        if "SIGKILL" in signal.Signals.__members__:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() == server:
            source, answers, memory = handles
            with os.fdopen(source, "rb") as asked, os.fdopen(answers, "wb") as told:
                serve(asked, told, os.fdopen(memory, "r+b"))
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)
