"""The inside of a worker: files in shared memory become images there."""

import contextlib
import importlib
import mmap
import os
import signal
import sys
import threading
import time
from functools import lru_cache
from typing import IO

from vidi.images.decode import DecodeJob, ReadFile
from vidi.images.formats.registry import FORMATS
from vidi.images.workers.wire import (
    FAILURE,
    pack_answer,
    receive,
    send,
    slot_bytes,
    unpack_request,
    unpack_work,
)
from vidi.machine import limit_memory, tune_allocator

_KEPT = 16 << 20  # bytes of freed memory: enough for photographs of a megapixel
_MOST_JOBS = 64  # kept unpacked
_SPARE_BYTES = 64 << 20  # beside the decoding itself: stacks, allocator, Python's own objects
LOOK_SECONDS = 0.5  # between two looks whether the parent is there


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


def load_decoders() -> None:
    """Import Pillow's decoders, so that no image pays for it; any other comes with its first image."""
    for module in {kind.plugin[0] for kind in FORMATS.values() if kind.plugin[0].startswith("PIL.")}:
        importlib.import_module(module)
    importlib.import_module("PIL.ImageCms")
    # Ordinary images stay in kept memory, for which the system need not clear pages each time: a quarter of the
    # time of a small photograph. Large ones are given back, so that no image finds less room than another.
    tune_allocator(mapped_from=4 << 20, kept=_KEPT, ahead=8 << 20)


def offer_oneself() -> None:
    """Where the system is out of memory and must end a process, let it be this one, not the parent."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("500")


def set_clock(seconds: float) -> None:
    """End this process after this much of its own processor time, in seconds; 0 stops the clock."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def work(shared: str) -> None:
    """Serve one parent over standard input and output until it goes away, whatever signals both are sent.

    Args:
        shared: path of the memory shared with it.
    """
    ignore_endings()
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    answers = os.fdopen(os.dup(1), "wb")  # nobody else's from then on
    silence_libraries()
    load_decoders()
    with open(shared, "r+b") as memory:
        serve(sys.stdin.buffer, answers, memory)


def end_with_parent(parent: int) -> None:
    """End this process soon after the one that started it, whatever an image has it do."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def serve(source: IO[bytes], answers: IO[bytes], memory: IO[bytes]) -> None:
    """Answer about file after file, in a process that has its decoders, until the parent goes away."""
    unpack_job = lru_cache(_MOST_JOBS)(unpack_work)
    with contextlib.suppress(EOFError, BrokenPipeError):
        limits, lengths, read = unpack_work(receive(source))
        room = memoryview(mmap.mmap(memory.fileno(), sum(lengths)))
        memory.close()
        given, left = room[: lengths[0]], room[lengths[0] :]
        offer_oneself()
        limit_memory(limits.memory_bytes + _SPARE_BYTES)
        send(answers, b"ready")
        while True:
            byte_counts, packed = unpack_request(receive(source))
            job = unpack_job(packed)
            start, step = 0, slot_bytes(job)
            for slot, byte_count in enumerate(byte_counts):
                data = bytes(given[start : start + byte_count])
                answer = _answer(data, job, read, left[slot * step : (slot + 1) * step])
                # Together: this spares the parent a wake-up for each.
                send(answers, answer, at_once=slot == len(byte_counts) - 1)
                start += byte_count
                del data  # what is idle holds no file


def _answer(data: bytes, job: DecodeJob, read: ReadFile, room: memoryview) -> bytes:
    set_clock(job.options.limits.seconds)
    try:
        return pack_answer(read(data, job), room)
    except Exception as error:  # of the program or the measure, whoever wrote it: told, not printed
        return FAILURE + f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace")
    finally:
        set_clock(0)
