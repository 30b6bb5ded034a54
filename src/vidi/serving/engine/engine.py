"""The threads that answer requests, and the processes that decode for them.

A thread has an image decoded in a process of the crew and runs the session on it itself, so as many images are under
way as there are threads, each always in one of its two places, and nothing waits between them.
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

from vidi.images.limits import DecodeOptions
from vidi.images.workers.crew import DecodeCrew
from vidi.machine import core_count

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


class AnswerEngine:
    """Runs work in threads. Its methods belong to the event loop's thread, but `is_alone` may be asked anywhere."""

    def __init__(self, crew: DecodeCrew, *, threads: int) -> None:
        self.crew = crew
        self.threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="vidi-answer")
        self._under_way = 0  # waiting or running
        self._awaited: set[asyncio.Future[Any]] = set()
        self._line: deque[_Waiting] = deque()
        self._lock = threading.Lock()
        self.searching = asyncio.Semaphore(1)  # a search for boxes takes much memory: one at a time

    @classmethod
    def of(cls, options: DecodeOptions, *, workers: int | None) -> "AnswerEngine":
        """An engine for this computer: a thread and a decoding process for each core.

        Args:
            options: limits and rules of decoding.
            workers: threads and processes; None: one for each core.
        """
        count = workers or core_count()
        return cls(DecodeCrew(count, options=options), threads=count * THREADS_FOR_EACH_WORKER)

    def is_alone(self) -> bool:
        """Whether one piece of work is under way and no other waits: then it may use all cores."""
        return self._under_way <= 1

    async def do(self, work: Callable[[], Done]) -> Done:
        """The result of some work in a thread.

        The two futures that `run_in_executor` links by callbacks cost as much as reading the request: one is enough.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Done] = loop.create_future()
        self._under_way += 1
        self._awaited.add(future)
        future.add_done_callback(self._did)
        self._executor.submit(_run, work, future, loop)
        return await future

    async def do_together(
        self, kind: object, item: Item, work: Callable[[Sequence[Item]], Sequence[Done]], *, most: int
    ) -> Done:
        """The result of some work on one item; while many wait, one thread works on several of a kind in one call.

        Args:
            kind: of the item; equal for items that can be worked on together.
            item: what the work is about.
            work: gives a result for each item, in order.
            most: items for one call.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Done] = loop.create_future()
        self._under_way += 1
        self._awaited.add(future)
        future.add_done_callback(self._did)
        self._line.append(_Waiting(kind, item, work, most, future))
        self._executor.submit(self._work_off, loop)
        return await future

    def _work_off(self, loop: asyncio.AbstractEventLoop) -> None:
        """Work on who waits longest, and on others of his kind where every other thread still finds one."""
        taken = self._take()
        if not taken:  # an earlier call took it along
            return
        work = taken[0].work
        try:
            results = work([one.item for one in taken])
        except Exception as error:
            if len(taken) == 1:
                _run(partial(_raise, error), taken[0].future, loop)
                return
            for one in taken:  # whose fault it was shows when each is worked on alone
                _run(partial(_first, work, one.item), one.future, loop)
            return
        for one, result in zip(taken, results, strict=True):
            _run(partial(_same, result), one.future, loop)

    def _take(self) -> "list[_Waiting]":
        with self._lock:
            taken = [self._line.popleft()] if self._line else []
            while taken and len(taken) < taken[0].most and len(self._line) >= self.threads:
                if self._line[0].kind != taken[0].kind:
                    break
                taken.append(self._line.popleft())
            return taken

    def _did(self, future: "asyncio.Future[Any]") -> None:
        self._awaited.discard(future)
        self._under_way -= 1

    def start(self) -> None:
        """Start the decoding processes, and wait until they stand."""
        self.crew.start()

    def stop(self) -> None:
        """End threads and processes; what waits is not begun."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        for future in list(self._awaited):
            future.cancel()
        self.crew.stop()


def _run(work: Callable[[], Done], future: "asyncio.Future[Done]", loop: asyncio.AbstractEventLoop) -> None:
    """Do some work in the thread that calls this, and hand its result to the event loop's thread."""
    try:
        done = partial(future.set_result, work())
    except BaseException as error:  # it is raised where it is awaited
        done = partial(future.set_exception, error)
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
        loop.call_soon_threadsafe(_settle, future, done)


def _first(work: Callable[[Sequence[Item]], Sequence[Done]], item: Item) -> Done:
    return work([item])[0]


def _same(result: Done) -> Done:
    return result


def _raise(error: Exception) -> None:
    raise error


def _settle(future: "asyncio.Future[Any]", done: Callable[[], None]) -> None:
    if not future.done():
        done()
