"""Many images read and decoded at once, in order: by worker processes, or by threads where that is safe."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from vidi.images.formats.header import Header
from vidi.images.reading import DecodeJob, Measure, ReadImage, read_unless
from vidi.machine import core_count

if TYPE_CHECKING:
    from vidi.images.workers.paths import PathWorker

__all__ = ["DecodeJob", "Measure", "ReadImage", "read_and_finish", "read_images"]

Done = TypeVar("Done")

_CHUNK = 8  # paths given to a worker at once: it need not wait for each answer to be fetched
_AHEAD = 3  # chunks under way for each worker
_CLOCK_SECONDS = 1.0  # how often hanging workers are looked for


def read_images(
    job: DecodeJob,
    paths: Sequence[str],
    *,
    workers: int | None = None,
    isolated: bool = True,
    in_advance: bool = True,
) -> Iterator[ReadImage]:
    """Every file of a store, decoded in parallel and given in the order of the paths; none is left out.

    Args:
        job: where the bytes come from, and what is done with them; can be pickled.
        paths: names within the store.
        workers: processes or threads; one per core by default.
        isolated: decode in worker processes with a memory limit and a clock. False: in threads, which start at
            once; images over `Limits.thread_pixels` and TIFF then still go to worker processes.
        in_advance: go on reading while the caller works. False: read an image when it is asked for, so that a caller
            who takes long over whole images holds one of them.

    Raises:
        ResourceError: no worker process could be started.
    """
    count = max(1, min(workers or core_count(), len(paths)))
    # Whole images are large: only one for each worker is under way.
    whole = job.framing is None and job.measure is None
    length = 1 if whole else min(_CHUNK, -(-len(paths) // count) or 1)
    chunks = [paths[start : start + length] for start in range(0, len(paths), length)]
    with _Crew(job, length, isolated=isolated) as crew:
        ahead = count * (1 if whole else _AHEAD) if in_advance else 0
        for answers in _in_order(crew, chunks, crew.read, threads=count, ahead=ahead):
            yield from answers


def read_and_finish(
    job: DecodeJob,
    paths: Sequence[str],
    finish: Callable[[list[ReadImage]], Done],
    *,
    together: int,
    workers: int | None,
) -> Iterator[Done]:
    """Framed images decoded in threads, some at a time, and finished in the very thread that decoded them.

    What follows decoding then finds its images in that core's cache, and no thread waits for another.

    Args:
        job: the store, and a framing.
        paths: names within the store.
        finish: what to do with each list of answers; safe to call from several threads at once.
        together: how many paths make one list; fewer where every thread would not get one.
        workers: threads; as many as this process has cores where None.

    Returns:
        What `finish` gave, in the order of the paths.
    """
    count = max(1, min(workers or core_count(), len(paths)))
    length = min(together, -(-len(paths) // count) or 1)
    chunks = [paths[start : start + length] for start in range(0, len(paths), length)]
    with _Crew(job, 1, isolated=False) as crew:
        yield from _in_order(crew, chunks, lambda chunk: finish(crew.read(chunk)), threads=count, ahead=count * _AHEAD)


def _in_order(
    crew: "_Crew",
    chunks: Sequence[Sequence[str]],
    work: Callable[[Sequence[str]], Done],
    *,
    threads: int,
    ahead: int,
) -> Iterator[Done]:
    waiting: deque[Future[Done]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="vidi-decode") as executor:
        try:
            for chunk in chunks:
                waiting.append(executor.submit(work, chunk))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # also when the caller stops early: nothing goes on behind its back
            for future in waiting:
                future.cancel()
            if waiting:
                crew.stop()


class _Crew:
    """The worker processes of one pool, one for each thread that needs one, and the clock that watches them."""

    def __init__(self, job: DecodeJob, slots: int, *, isolated: bool) -> None:
        self.job, self.slots, self.isolated = job, slots, isolated
        self._own = threading.local()
        self._workers: list[PathWorker] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._clock: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        for worker in self._workers:
            worker.close()
        if self._clock is not None:
            self._clock.join()

    def read(self, paths: Sequence[str]) -> list[ReadImage]:
        """The answers about some paths, in order; called by the pool's threads."""
        if self.isolated:
            return self._worker().read(paths)
        answers = (read_unless(path, self.job, self._is_for_worker) for path in paths)
        return [
            answer if answer is not None else self._worker().read([path])[0]
            for path, answer in zip(paths, answers, strict=True)
        ]

    def _is_for_worker(self, header: Header) -> bool:
        """TIFF: its C library prints to the terminal, and its warnings would have to wait for each other."""
        return header.pixel_count > self.job.options.limits.thread_pixels or header.format == "TIFF"

    def _worker(self) -> "PathWorker":
        """This thread's own worker."""
        worker: PathWorker | None = vars(self._own).get("worker")
        if worker is None:
            from vidi.images.workers import paths  # threads alone need no subprocess

            worker = self._own.worker = paths.PathWorker(self.job, self.slots)
            with self._lock:
                self._workers.append(worker)
                if self._clock is None:
                    self._clock = threading.Thread(target=self._watch, name="vidi-clock", daemon=True)
                    self._clock.start()
        return worker

    def _watch(self) -> None:
        while not self._ended.wait(_CLOCK_SECONDS):
            with self._lock:
                workers = list(self._workers)
            for worker in workers:
                worker.check_clock()

    def stop(self) -> None:
        """End all processes at once."""
        with self._lock:
            for worker in self._workers:
                worker.stop()
