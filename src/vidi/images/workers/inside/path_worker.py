"""The inside of a worker of the pool: reads paths, answers with images."""

import contextlib
import mmap
from typing import IO

from vidi.images.reading import DecodeJob, read_one
from vidi.images.workers.inside.preparing import failure, limit_decoding, load_decoders, set_clock, take_over_streams
from vidi.images.workers.wire import pack_answer, receive, send, slot_bytes, unpack_work

_KEPT = 64 << 20  # bytes


def main(shared: str) -> None:
    """Serve one parent over standard input and output until it goes away.

    Args:
        shared: path of the memory shared with it.
    """
    source, answers = take_over_streams()
    with contextlib.suppress(EOFError, BrokenPipeError):
        job, slots = unpack_work(receive(source))
        with open(shared, "r+b") as file:
            room = memoryview(mmap.mmap(file.fileno(), slots * slot_bytes(job)))
        load_decoders(kept=_KEPT)
        limit_decoding(job.options.limits)
        send(answers, b"ready")
        while True:
            paths, one_by_one = unpack_work(receive(source))
            _answer(paths, job, room, answers, one_by_one=one_by_one)


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
