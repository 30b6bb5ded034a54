"""Many images read and decoded at once, in order: by worker processes, or by threads where that is safe."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self, TypeVar

from vidi.errors import ImageError, ResourceError
from vidi.images.decode import DecodeJob, Measure, ReadImage, name_read, read_unless, too_much_memory
from vidi.images.formats.header import Header
from vidi.images.store import ImageStore
from vidi.machine import core_count

if TYPE_CHECKING:
    from vidi.images.workers.decode_pool import DecodePool

__all__ = ["DecodeJob", "Measure", "ReadImage", "read_and_finish", "read_images"]

Done = TypeVar("Done")

_CHUNK = 8  # paths that a thread takes at once
_AHEAD = 3  # chunks under way for each thread
# Times `Limits.seconds` that one file may keep a worker: nobody waits for a single file, and the machine may be busy.
_WALL_FACTOR = 5.0


def read_images(
    store: ImageStore,
    paths: Sequence[str],
    job: DecodeJob,
    *,
    workers: int | None = None,
    isolated: bool = True,
    in_advance: bool = True,
) -> Iterator[ReadImage]:
    """Every file of a store, decoded in parallel and given in the order of the paths; none is left out.

    Args:
        store: where the bytes come from; safe to call from several threads at once.
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
    files = _Files(store, job, workers=count, isolated=isolated)
    ahead = count * (1 if whole else _AHEAD) if in_advance else 0
    for answers in _in_order(files, _cut(paths, length), files.read, threads=count, ahead=ahead):
        yield from answers


def read_and_finish(
    store: ImageStore,
    paths: Sequence[str],
    job: DecodeJob,
    finish: Callable[[list[ReadImage]], Done],
    *,
    together: int,
    workers: int | None = None,
) -> Iterator[Done]:
    """Framed images decoded in threads, some at a time, and finished in the very thread that decoded them.

    What follows decoding then finds its images in that core's cache, and no thread waits for another.

    Args:
        store: where the bytes come from; safe to call from several threads at once.
        finish: what to do with each list of answers; safe to call from several threads at once.
        together: how many paths make one list; fewer where every thread would not get one.
        workers: threads; as many as this process has cores where None.

    Returns:
        What `finish` gave, in the order of the paths.
    """
    count = max(1, min(workers or core_count(), len(paths)))
    length = min(together, -(-len(paths) // count) or 1)
    files = _Files(store, job, workers=count, isolated=False)
    return _in_order(
        files, _cut(paths, length), lambda chunk: finish(files.read(chunk)), threads=count, ahead=count * _AHEAD
    )


def _cut(paths: Sequence[str], length: int) -> list[Sequence[str]]:
    return [paths[start : start + length] for start in range(0, len(paths), length)]


def _in_order(
    files: "_Files",
    chunks: Sequence[Sequence[str]],
    work: Callable[[Sequence[str]], Done],
    *,
    threads: int,
    ahead: int,
) -> Iterator[Done]:
    waiting: deque[Future[Done]] = deque()
    with files, ThreadPoolExecutor(threads, thread_name_prefix="vidi-decode") as executor:
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
                files.stop()


class _Files:
    """The files of a store, and the worker processes for those that no thread should decode."""

    def __init__(self, store: ImageStore, job: DecodeJob, *, workers: int, isolated: bool) -> None:
        self.store, self.job, self.workers, self.isolated = store, job, workers, isolated
        self._pool: DecodePool | None = None  # started when it is first needed
        self._lock = threading.Lock()
        self._is_stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def read(self, paths: Sequence[str]) -> list[ReadImage]:
        """The answers about some paths, in order; called by the pool's threads."""
        found: list[ReadImage | None] = []
        for_pool: list[tuple[int, bytes]] = []  # place of the path, bytes of the file
        room = self.job.options.limits.file_bytes  # in this process's memory at once, or one file
        for place, path in enumerate(paths):
            try:
                data = self.store.read(path)
            except ImageError as error:
                found.append(ReadImage(error=error))
                continue
            except MemoryError:
                found.append(ReadImage(error=too_much_memory()))
                continue
            found.append(None if self.isolated else read_unless(data, self.job, self._is_for_worker))
            if found[place] is None:
                if sum(len(one) for _, one in for_pool) + len(data) > room:
                    self._hand_over(for_pool, found)
                for_pool.append((place, data))
        self._hand_over(for_pool, found)
        return [name_read(read, path) for read, path in zip(found, paths, strict=True) if read is not None]

    def _hand_over(self, for_pool: list[tuple[int, bytes]], found: list[ReadImage | None]) -> None:
        """Have the pool decode what waits for it."""
        if for_pool:
            reads = self._started().decode_each([data for _, data in for_pool], self.job)
            for (place, _), read in zip(for_pool, reads, strict=True):
                found[place] = read
            for_pool.clear()

    def _is_for_worker(self, header: Header) -> bool:
        """TIFF: its C library prints to the terminal, and its warnings would have to wait for each other."""
        return header.pixel_count > self.job.options.limits.thread_pixels or header.format == "TIFF"

    def _started(self) -> "DecodePool":
        """The pool, which stands."""
        with self._lock:
            if self._is_stopped:
                raise ResourceError("The decoding was stopped.", "Start it again.")
            if self._pool is None:
                from vidi.images.workers.decode_pool import DecodePool  # threads alone need no subprocess

                pool = DecodePool(self.workers, options=self.job.options, wall_factor=_WALL_FACTOR)
                pool.start()
                self._pool = pool
            return self._pool

    def stop(self) -> None:
        """End all processes at once; a `read` under way in another thread ends with an error."""
        with self._lock:
            self._is_stopped = True
            if self._pool is not None:
                self._pool.stop()
