"""The inside of a worker process: reads paths, answers with images, within a memory limit and a clock."""

import contextlib
import importlib
import mmap
import os
import signal
import sys
from typing import IO

from vidi.images.formats.registry import FORMATS
from vidi.images.limits import Limits
from vidi.images.reading import DecodeJob, read_one
from vidi.images.workers.wire import FAILURE, pack_answer, receive, send, slot_bytes, unpack_work
from vidi.machine import tune_allocator

_SPARE_BYTES = 64 << 20  # beside the decoding itself: stacks, allocator, Python's own objects


def main() -> None:
    """Serve one parent over standard input and output until it goes away."""
    source, answers = take_over_streams()
    with contextlib.suppress(EOFError, BrokenPipeError):
        job, shared, slots = unpack_work(receive(source))
        with open(shared, "r+b") as file:
            room = memoryview(mmap.mmap(file.fileno(), slots * slot_bytes(job)))
        prepare_decoding(job.options.limits)
        send(answers, b"ready")
        while True:
            paths, one_by_one = unpack_work(receive(source))
            _answer(paths, job, room, answers, one_by_one=one_by_one)


def take_over_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The two pipes to the parent; what C libraries print goes nowhere, what Python prints still to the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and decides
    answers = os.fdopen(os.dup(1), "wb")
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return sys.stdin.buffer, answers


def prepare_decoding(limits: Limits) -> None:
    """Import every decoder, so that no image pays for it, then limit the memory."""
    for kind in FORMATS.values():
        importlib.import_module(kind.plugin[0])
    importlib.import_module("PIL.ImageCms")
    # Ordinary images stay in kept memory, for which the system need not clear pages each time: a quarter of the
    # time of a small photograph. Large ones are given back, so that no image finds less room than another.
    tune_allocator(mapped_from=4 << 20, kept=64 << 20, ahead=8 << 20)
    limit_memory(limits)


def limit_memory(limits: Limits) -> None:
    """Let this process grow by what one decoding may take and no more, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[0]) * mmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_AS, (now + limits.memory_bytes + _SPARE_BYTES,) * 2)


def _answer(paths: list[str], job: DecodeJob, room: memoryview, answers: IO[bytes], *, one_by_one: bool) -> None:
    """Answer about each path; the answers travel together, which spares the parent a wake-up for each, or one by one.

    What a dead process had not sent is asked again: one by one, so that it is known which image it died of.
    """
    step = slot_bytes(job)
    for slot, path in enumerate(paths):
        set_clock(job.options.limits.seconds)
        try:
            answer = pack_answer(read_one(path, job), room[slot * step : (slot + 1) * step])
        except Exception as error:  # of the store or the measure, whoever wrote them: told, not printed
            answer = failure(error)
        set_clock(0)
        send(answers, answer, at_once=one_by_one or slot == len(paths) - 1)


def failure(error: Exception) -> bytes:
    """What is sent in an answer's place."""
    return FAILURE + f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace")


def set_clock(seconds: float) -> None:
    """End this process after this much of its own processor time, in seconds; 0 stops the clock."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
