"""The threads that answer requests, and the processes that decode for them.

A thread has an image decoded in a process of the crew and runs the session on it itself, so as many images are under
way as there are threads, each always in one of its two places, and nothing waits between them.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

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
        """The result of some work in a thread."""
        self._under_way += 1
        future = asyncio.get_running_loop().run_in_executor(self._executor, work)
        future.add_done_callback(self._did)
        return await future

    def _did(self, _: "asyncio.Future[Done]") -> None:
        self._under_way -= 1

    def start(self) -> None:
        """Start the decoding processes, and wait until they stand."""
        self.crew.start()

    def stop(self) -> None:
        """End threads and processes; what waits is not begun."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self.crew.stop()
