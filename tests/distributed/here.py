"""A worker in this process, for tests that need no cluster."""

from vidi.distributed.tasks import Shard
from vidi.distributed.worker import Work


class Here:
    """Does what it is given at once."""

    def __init__(self, work: Work) -> None:
        self._work, self.done = work, 0

    def room(self) -> int:
        return 1

    def start(self) -> Work:
        return self._work

    def submit(self, worker: Work, task: Shard) -> Shard:
        return task

    def wait(self, running: list[Shard], seconds: float) -> list[Shard]:
        return running[:1]

    def result(self, running: Shard) -> bytes:
        self.done += 1
        return self._work(running.store, running.paths)

    def end(self, worker: Work) -> None:
        pass
