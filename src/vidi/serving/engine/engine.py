"""The threads that answer requests, and the processes that decode for them.

A thread has an image decoded in a process of the crew and runs the session on it itself, so as many images are under
way as there are threads, each always in one of its two places, and nothing waits between them.
"""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

from vidi.images.limits import DecodeOptions
from vidi.images.workers.crew import DecodeCrew
from vidi.machine import core_count

Done = TypeVar("Done")

THREADS_FOR_EACH_WORKER: Final = 1


class AnswerEngine:
    """Runs work in threads. Its methods belong to the event loop's thread, but `is_alone` may be asked anywhere."""

    def __init__(self, crew: DecodeCrew, *, threads: int) -> None:
        self.crew = crew
        self.threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="vidi-answer")
        self._under_way = 0  # waiting or running
        self._awaited: set[asyncio.Future[Any]] = set()
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


def _settle(future: "asyncio.Future[Any]", done: Callable[[], None]) -> None:
    if not future.done():
        done()
