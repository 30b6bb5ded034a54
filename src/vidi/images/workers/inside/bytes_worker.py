"""The inside of a worker of the crew: finds files' bytes in shared memory, and leaves images there."""

import contextlib
import mmap
from functools import lru_cache
from typing import IO

from vidi.images.reading import DecodeJob, OneFile, ReadFile
from vidi.images.workers.inside.preparing import (
    failure,
    ignore_endings,
    limit_decoding,
    load_decoders,
    offer_oneself,
    set_clock,
    take_over_streams,
)
from vidi.images.workers.wire import BYTE_COUNT, pack_answer, receive, send, unpack_work

KEPT = 16 << 20  # bytes of freed memory: enough for photographs of a megapixel
_MOST_WISHES = 64  # kept unpacked


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
    unpack_wish = lru_cache(_MOST_WISHES)(unpack_work)
    with contextlib.suppress(EOFError, BrokenPipeError):
        options, lengths, read = unpack_work(receive(source))
        room = memoryview(mmap.mmap(memory.fileno(), sum(lengths)))
        memory.close()
        given, left = room[: lengths[0]], room[lengths[0] :]
        offer_oneself()
        limit_decoding(options.limits)
        send(answers, b"ready")
        while True:
            wanted = receive(source)
            (byte_count,) = BYTE_COUNT.unpack_from(wanted)
            framing, whole_for = unpack_wish(wanted[BYTE_COUNT.size :])
            file = OneFile(bytes(given[:byte_count]))
            job = DecodeJob(store=file, framing=framing, whole_for=whole_for, options=options)
            send(answers, _answer(job, read, left))
            del file, job  # what is idle holds no file


def _answer(job: DecodeJob, read: ReadFile, room: memoryview) -> bytes:
    set_clock(job.options.limits.seconds)
    try:
        return pack_answer(read("", job), room)
    except Exception as error:  # a fault of the program: told, not printed
        return failure(error)
    finally:
        set_clock(0)
