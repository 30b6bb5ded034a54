"""The inside of a worker of the crew: finds files' bytes in shared memory, and leaves images there."""

import contextlib
import mmap
import signal
from functools import lru_cache

from vidi.images.limits import DecodeOptions
from vidi.images.reading import DecodeJob, OneFile, read_one
from vidi.images.workers.wire import BYTE_COUNT, pack_answer, receive, send, unpack_work
from vidi.images.workers.worker import failure, prepare_decoding, set_clock, take_over_streams

_MOST_WISHES = 64  # kept unpacked


def main() -> None:
    """Serve one parent until it goes away, whatever signals the group of both is sent."""
    for name in ("SIGTERM", "SIGHUP"):  # the parent gets them too, and what it has accepted it wants answered
        if name in signal.Signals.__members__:
            signal.signal(signal.Signals[name], signal.SIG_IGN)
    source, answers = take_over_streams()
    unpack_wish = lru_cache(_MOST_WISHES)(unpack_work)
    with contextlib.suppress(EOFError, BrokenPipeError):
        options, shared, lengths = unpack_work(receive(source))
        with open(shared, "r+b") as file:
            room = memoryview(mmap.mmap(file.fileno(), sum(lengths)))
        given, left = room[: lengths[0]], room[lengths[0] :]
        prepare_decoding(options.limits)
        send(answers, b"ready")
        while True:
            wanted = receive(source)
            (byte_count,) = BYTE_COUNT.unpack_from(wanted)
            framing, whole_for = unpack_wish(wanted[BYTE_COUNT.size :])
            data = bytes(given[:byte_count])
            job = DecodeJob(store=OneFile(data), framing=framing, whole_for=whole_for, options=options)
            send(answers, _answer(job, options, left))


def _answer(job: DecodeJob, options: DecodeOptions, room: memoryview) -> bytes:
    set_clock(options.limits.seconds)
    try:
        return pack_answer(read_one("", job), room)
    except Exception as error:  # a fault of the program: told, not printed
        return failure(error)
    finally:
        set_clock(0)
