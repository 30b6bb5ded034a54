"""A worker of the pool: given paths, it reads them from the store itself."""

import time
from collections.abc import Sequence

from vidi.errors import ResourceError
from vidi.images.reading import DecodeJob, ReadImage
from vidi.images.workers.memory import SharedMemory
from vidi.images.workers.process import WorkerProcess, died, too_slow
from vidi.images.workers.running import Running, spawn
from vidi.images.workers.wire import pack_work, slot_bytes, unpack_answer

_TRIES = 3  # the machine may kill a worker for reasons of its own; the third death in a row is the file's fault
# The clock counts processor time; one that waits (a dead network disk) is stopped after that many times as long: first
# with all the images whose answers travel together, then alone.
_WALL_FACTOR_TOGETHER, _WALL_FACTOR = 1, 5


class PathWorker:
    """One worker process and the memory shared with it. Used by one thread at a time."""

    def __init__(self, job: DecodeJob, slots: int) -> None:
        self.job, self.slots = job, slots
        self._memory = SharedMemory(slots * slot_bytes(job))
        self._process = WorkerProcess(self._launch, pack_work((job, slots)))
        self._is_closed = False
        self._one_by_one = False  # answers travel together, until that took too long once

    def read(self, paths: Sequence[str]) -> list[ReadImage]:
        """The answers about at most `slots` paths, in order; a death of the process costs at most one of them.

        Raises:
            ResourceError: no process could be started.
            VidiError: the store or the measure failed.
        """
        done: list[ReadImage] = []
        deaths, died_at = 0, -1
        one_by_one = self._one_by_one or len(paths) == 1
        while len(done) < len(paths):
            try:
                self._ask(paths, done, one_by_one=one_by_one)
            except (EOFError, OSError) as error:
                if self._is_closed:
                    raise ResourceError("The decoding was stopped.", "Start it again.") from error
                code, is_slow = self._process.bury()
                if not one_by_one:  # answers were under way: nobody knows which image it died of
                    one_by_one, self._one_by_one = True, is_slow
                    continue
                deaths, died_at = (deaths + 1 if died_at == len(done) else 1), len(done)
                if is_slow or deaths == _TRIES:
                    refusal = too_slow(self.job.options.limits) if is_slow else died(code, _TRIES)
                    done.append(ReadImage(path=paths[len(done)], error=refusal))
            finally:
                self._process.due = None
        return done

    def _launch(self) -> Running:
        return spawn("vidi.images.workers.inside.path_worker", self._memory.path, handles=self._memory.handles)

    def _ask(self, paths: Sequence[str], done: list[ReadImage], *, one_by_one: bool) -> None:
        if not self._process.is_running:
            self._process.start()
            self._process.await_ready()
        first = len(done)
        self._process.send(pack_work((list(paths[first:]), one_by_one)))
        step = slot_bytes(self.job)
        seconds = (_WALL_FACTOR if one_by_one else _WALL_FACTOR_TOGETHER) * self.job.options.limits.seconds
        for slot, path in enumerate(paths[first:]):
            self._process.due = time.monotonic() + seconds
            content = self._process.receive()
            done.append(unpack_answer(content, self._memory.room[slot * step : (slot + 1) * step], path))
            if self.job.framing is None:  # whole images may be large, and the next one small
                self._memory.give_back(slot * step, (slot + 1) * step)

    def check_clock(self) -> None:
        """End the process where its image has taken too long by the wall clock; called from another thread."""
        self._process.check_clock()

    def stop(self) -> None:
        """End the process; a `read` under way in another thread ends with an error."""
        self._is_closed = True
        self._process.kill()

    def close(self) -> None:
        """End the process and give the shared memory back, when no `read` is under way."""
        self._is_closed = True
        self._process.bury()
        self._memory.close()
