"""Other processes, as tests see them: whether they end, and what they are sent."""

import os
import select
import signal
import socket
from collections.abc import Sequence

import pytest

PATIENCE = 60  # seconds for a program


def open_handles(pids: Sequence[int]) -> list[int]:
    """A handle of each process, which stays that process's own when it has ended and its number is another's."""
    if not hasattr(os, "pidfd_open"):
        pytest.skip("hardware:pidfd")
    return [os.pidfd_open(pid) for pid in pids]


def all_end(handles: Sequence[int], seconds: float = 20.0) -> bool:
    """Whether the processes behind these handles end in that time; closes the handles."""
    try:
        for handle in handles:
            look = select.poll()
            look.register(handle, select.POLLIN)
            if not look.poll(1000 * seconds):
                return False
        return True
    finally:
        for handle in handles:
            os.close(handle)


def end_now(pid: int) -> None:
    """Kill a process, and wait until it is dead, buried or not."""
    handles = open_handles([pid])
    os.kill(pid, signal.SIGKILL)
    assert all_end(handles)


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
