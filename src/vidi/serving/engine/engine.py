"""The threads that answer requests, the processes that decode for them, and the way from encoded files to answers.

A thread has an image decoded in a process of the pool and runs the session on it itself, so as many images are under
way as there are threads, each always in one of its two places, and nothing waits between them. Threads take from
requests in turn: one that asks much does not hold up the others. A request is the task that asks.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ImageError
from vidi.images.decode import ReadImage, read_header
from vidi.images.limits import DecodeOptions
from vidi.images.statistics import ImageStatistics, read_statistics
from vidi.images.workers.decode_pool import DecodePool
from vidi.machine import core_count
from vidi.prediction.engines import batch_size
from vidi.serving.engine.models import ServedModel
from vidi.serving.problems import Problem

Done = TypeVar("Done")
Item = TypeVar("Item")

THREADS_FOR_EACH_WORKER: Final = 1


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """An item that no thread has taken yet."""

    kind: object
    item: Any
    work: Callable[[Sequence[Any]], Sequence[Any]]
    most: int
    future: "asyncio.Future[Any]"


Requests = dict["asyncio.Task[Any] | None", deque[_Waiting]]  # what each waits for; the first is the next to be served


class AnswerEngine:
    """Runs work in threads. Its methods belong to the event loop's thread, but `is_alone` may be asked anywhere."""

    def __init__(self, pool: DecodePool, *, threads: int) -> None:
        self.pool = pool
        self.threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="vidi-answer")
        self._under_way = 0  # waiting or running
        self._awaited: set[asyncio.Future[Any]] = set()
        self._requests: Requests = {}
        self._lock = threading.Lock()
        self.searching = asyncio.Semaphore(1)  # a search for boxes takes much memory: one at a time

    @classmethod
    def of(cls, options: DecodeOptions, *, workers: int | None) -> "AnswerEngine":
        """An engine for this computer: a thread and a decoding process for each core.

        Args:
            workers: threads and processes; None: one for each core.
        """
        count = workers or core_count()
        return cls(DecodePool(count, options=options), threads=count * THREADS_FOR_EACH_WORKER)

    def is_alone(self) -> bool:
        """Whether one piece of work is under way and no other waits: then it may use all cores."""
        return self._under_way <= 1

    async def do(self, work: Callable[[], Done]) -> Done:
        """The result of some work in a thread."""
        return (await self.do_each([work]))[0]

    async def do_each(self, works: Sequence[Callable[[], Done]]) -> list[Done]:
        """The results of some pieces of work, each in a thread, in order.

        Where the task that asks is cancelled, what no thread has begun is dropped, and the rest is waited for.
        """
        return await self._done([self._wait(_Waiting(None, work, _call, 1, self._future())) for work in works])

    async def do_together(
        self, kind: object, item: Item, work: Callable[[Sequence[Item]], Sequence[Done]], *, most: int
    ) -> Done:
        """The result of some work on one item; while many wait, one thread works on several of a kind in one call.

        Args:
            kind: of the item; equal for items that can be worked on together.
            work: gives a result for each item, in order.
            most: items for one call.
        """
        done: list[Done] = await self._done([self._wait(_Waiting(kind, item, work, most, self._future()))])
        return done[0]

    def _future(self) -> "asyncio.Future[Any]":
        """One future for each piece of work: the two that `run_in_executor` links cost as much as reading a request."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._under_way += 1
        self._awaited.add(future)
        future.add_done_callback(self._did)
        return future

    def _wait(self, one: _Waiting) -> "asyncio.Future[Any]":
        """Put some work behind all else that its request waits for."""
        with self._lock:
            self._requests.setdefault(asyncio.current_task(), deque()).append(one)
        self._executor.submit(self._work_off, asyncio.get_running_loop())
        return one.future

    async def _done(self, futures: "Sequence[asyncio.Future[Done]]") -> list[Done]:
        try:
            await asyncio.wait(futures)
        except asyncio.CancelledError:
            with self._lock:
                dropped = self._requests.pop(asyncio.current_task(), ())
            for one in dropped:
                one.future.cancel()
            await asyncio.wait(futures)
            raise
        return [future.result() for future in futures]

    def _work_off(self, loop: asyncio.AbstractEventLoop) -> None:
        """Work on what is next, and on more of its kind where every other thread still finds something."""
        taken = self._take()  # nothing where an earlier call took it along, or where it was dropped
        if len(taken) > 1:
            with contextlib.suppress(Exception):  # whose fault it was shows when each is worked on alone
                results = taken[0].work([one.item for one in taken])
                for one, result in zip(taken, results, strict=True):
                    _run(partial(_same, result), one.future, loop)
                return
        for one in taken:
            _run(partial(_first, one.work, one.item), one.future, loop)

    def _take(self) -> list[_Waiting]:
        with self._lock:
            taken = [self._next()] if self._requests else []
            while taken and len(taken) < taken[0].most and len(self._requests) >= self.threads:
                if next(iter(self._requests.values()))[0].kind != taken[0].kind:
                    break
                taken.append(self._next())
            return taken

    def _next(self) -> _Waiting:
        """What the request whose turn it is waits for; its others have their turn behind all other requests."""
        request = next(iter(self._requests))
        line = self._requests.pop(request)
        one = line.popleft()
        if line:
            self._requests[request] = line
        return one

    def _did(self, future: "asyncio.Future[Any]") -> None:
        self._awaited.discard(future)
        self._under_way -= 1
        if not future.cancelled():
            future.exception()  # it is taken here where nobody waits for it any more

    def start(self) -> None:
        """Start the decoding processes, and wait until they stand."""
        self.pool.start()

    def stop(self) -> None:
        """End threads and processes; what waits is not begun."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        for future in list(self._awaited):
            future.cancel()
        self.pool.stop()


def _run(work: Callable[[], Done], future: "asyncio.Future[Done]", loop: asyncio.AbstractEventLoop) -> None:
    """Do some work in the thread that calls this, and hand its result to the event loop's thread."""
    try:
        done = partial(future.set_result, work())
    except BaseException as error:  # it is raised where it is awaited
        done = partial(future.set_exception, error)
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
        loop.call_soon_threadsafe(_settle, future, done)


def _call(works: Sequence[Callable[[], Done]]) -> list[Done]:
    return [work() for work in works]


def _first(work: Callable[[Sequence[Item]], Sequence[Done]], item: Item) -> Done:
    return work([item])[0]


def _same(result: Done) -> Done:
    return result


def _settle(future: "asyncio.Future[Any]", done: Callable[[], None]) -> None:
    if not future.done():
        done()


MOST_PIXELS: Final = 256_000_000  # of all images of one request: 16 photographs of 16 megapixels, or 12 s of PNG
PIXELS_TOGETHER: Final = 8_000_000  # decoded in one piece of work, half a second at most, unless one image has more
# Two requests' files run together while many wait: 5 % less time for each with EfficientNet-Lite0; more would not help.
IN_PAIRS: Final = 2

Rows = dict[str, NDArray[np.float32]]  # output → its row for one image


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classified:
    """What the network gave for one file, or why the file could not be used."""

    read: ReadImage  # without the image
    rows: Rows  # empty where the file could not be used
    statistics: ImageStatistics | None = None  # where they were asked for

    @property
    def error(self) -> ImageError | None:
        """Reason why the file could not be used."""
        return self.read.error


async def classify_files(
    engine: AnswerEngine,
    served: ServedModel,
    files: Sequence[bytes],
    outputs: Sequence[str],
    *,
    statistics: bool = False,
) -> list[Classified]:
    """What the network gives for each file, in order; a file that cannot be used costs only its own answer.

    Args:
        files: the bytes of encoded images.

    Raises:
        Problem: the images have too many pixels together.
    """
    work = partial(_classify, engine, served, outputs=outputs, statistics=statistics)
    if len(files) == 1:
        most = min(IN_PAIRS, batch_size(served.metadata.framing))
        return [await engine.do_together((served, statistics, *outputs), files[0], work, most=most)]
    pixels = await count_pixels(engine, files)
    parts = _parts(files, pixels, most=_together(len(files), served, engine))
    answers = await engine.do_each([partial(work, part) for part in parts])
    return [one for answer in answers for one in answer]


async def count_pixels(engine: AnswerEngine, files: Sequence[bytes]) -> list[int]:
    """The pixels of each file, from its header; 0 where that cannot be read: nothing of it will be decoded.

    Raises:
        Problem: there are too many in one request.
    """
    pixels = await engine.do(lambda: [_pixels(data, engine.pool.options) for data in files])
    if sum(pixels) > MOST_PIXELS:
        raise Problem(
            "invalid-input",
            f"The images of the request have {sum(pixels):,} pixels; at most {MOST_PIXELS:,} are taken together.",
            "Send fewer or smaller images in one request.",
        )
    return pixels


def _pixels(data: bytes, options: DecodeOptions) -> int:
    try:
        return read_header(data, options).pixel_count
    except ImageError:
        return 0


def _parts(files: Sequence[bytes], pixels: Sequence[int], *, most: int) -> list[list[bytes]]:
    """Files in pieces of work: at most `most` in one, and few where they are large, for others wait meanwhile."""
    parts: list[list[bytes]] = []
    room = 0
    for data, count in zip(files, pixels, strict=True):
        if not parts or len(parts[-1]) == most or count > room:
            parts.append([])
            room = PIXELS_TOGETHER
        parts[-1].append(data)
        room -= count
    return parts


async def classify_arrays(
    engine: AnswerEngine, served: ServedModel, images: NDArray[np.uint8], outputs: Sequence[str]
) -> Rows:
    """What the network gives for framed images (batch, height, width, 3) uint8, by output."""
    together = _together(len(images), served, engine)
    parts = [images[start : start + together] for start in range(0, len(images), together)]

    answers = await engine.do_each([partial(_run_graph, engine, served, part, outputs) for part in parts])
    return {name: np.concatenate([answer[name] for answer in answers]) for name in outputs}


def _together(count: int, served: ServedModel, engine: AnswerEngine) -> int:
    """Images for each piece of work: no more than run well together, no fewer than all threads get some of."""
    return max(1, min(batch_size(served.metadata.framing), -(-count // engine.threads)))


def _run_graph(engine: AnswerEngine, served: ServedModel, images: NDArray[np.uint8], outputs: Sequence[str]) -> Rows:
    return served.predictor_for(is_alone=engine.is_alone()).run(images, outputs)


def _classify(
    engine: AnswerEngine, served: ServedModel, files: Sequence[bytes], *, outputs: Sequence[str], statistics: bool
) -> list[Classified]:
    framing = served.metadata.framing
    reads = [engine.pool.decode(data, framing=framing) for data in files]
    images = [read.image for read in reads if read.image is not None]
    given = _run_graph(engine, served, np.stack(images), outputs) if images else {}
    numbers = iter(range(len(images)))
    return [
        Classified(
            read=read,
            rows={} if read.image is None else _row(given, next(numbers)),
            statistics=read_statistics(read, framing) if statistics else None,
        )
        for read in reads
    ]


def _row(given: Rows, index: int) -> Rows:
    return {name: values[index] for name, values in given.items()}
