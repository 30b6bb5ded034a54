"""The inside of a worker: finds files' bytes in shared memory, and leaves images there."""

import contextlib
import mmap
from functools import lru_cache
from typing import IO

from vidi.images.reading import DecodeJob, ReadFile
from vidi.images.workers.inside.preparing import (
    failure,
    ignore_endings,
    limit_decoding,
    load_decoders,
    offer_oneself,
    set_clock,
    take_over_streams,
)
from vidi.images.workers.wire import pack_answer, receive, send, slot_bytes, unpack_request, unpack_work

KEPT = 16 << 20  # bytes of freed memory: enough for photographs of a megapixel
_MOST_JOBS = 64  # kept unpacked


def main(shared: str) -> None:
    """Serve one parent over standard input and output until it goes away, whatever signals both are sent.

    Args:
        shared: path of the memory shared with it.
    """
    ignore_endings()
    source, answers = take_over_streams()
    load_decoders(kept=KEPT)
    with open(shared, "r+b") as memory:
        serve(source, answers, memory)


def serve(source: IO[bytes], answers: IO[bytes], memory: IO[bytes]) -> None:
    """Answer about file after file, in a process that has its decoders, until the parent goes away."""
    unpack_job = lru_cache(_MOST_JOBS)(unpack_work)
    with contextlib.suppress(EOFError, BrokenPipeError):
        limits, lengths, read = unpack_work(receive(source))
        room = memoryview(mmap.mmap(memory.fileno(), sum(lengths)))
        memory.close()
        given, left = room[: lengths[0]], room[lengths[0] :]
        offer_oneself()
        limit_decoding(limits)
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
        return failure(error)
    finally:
        set_clock(0)
