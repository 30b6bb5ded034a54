"""What every worker process does first: streams, decoders, limits, a clock."""

import contextlib
import importlib
import os
import signal
import sys
from typing import IO

from vidi.images.formats.registry import FORMATS
from vidi.images.limits import Limits
from vidi.images.workers.wire import FAILURE
from vidi.machine import limit_memory, tune_allocator

_SPARE_BYTES = 64 << 20  # beside the decoding itself: stacks, allocator, Python's own objects


def take_over_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The two pipes to the parent, which from then on are nobody else's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and decides
    answers = os.fdopen(os.dup(1), "wb")
    silence_libraries()
    return sys.stdin.buffer, answers


def silence_libraries() -> None:
    """What C libraries print goes nowhere; what Python prints as errors goes to the terminal still."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def ignore_endings() -> None:
    """Let no signal but SIGKILL end this process: the parent gets them too, and what it accepted it wants answered."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if name in signal.Signals.__members__:
            signal.signal(signal.Signals[name], signal.SIG_IGN)


def load_decoders(*, kept: int) -> None:
    """Import every decoder, so that no image pays for it.

    Args:
        kept: bytes of freed memory that this process keeps for the next image.
    """
    for kind in FORMATS.values():
        importlib.import_module(kind.plugin[0])
    importlib.import_module("PIL.ImageCms")
    # Ordinary images stay in kept memory, for which the system need not clear pages each time: a quarter of the
    # time of a small photograph. Large ones are given back, so that no image finds less room than another.
    tune_allocator(mapped_from=4 << 20, kept=kept, ahead=8 << 20)


def limit_decoding(limits: Limits) -> None:
    """Let this process grow by what one decoding may take and no more, where the system can."""
    limit_memory(limits.memory_bytes + _SPARE_BYTES)


def offer_oneself() -> None:
    """Where the system is out of memory and must end a process, let it be this one, not the parent."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("500")


def set_clock(seconds: float) -> None:
    """End this process after this much of its own processor time, in seconds; 0 stops the clock."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def failure(error: Exception) -> bytes:
    """What is sent in an answer's place."""
    return FAILURE + f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace")
