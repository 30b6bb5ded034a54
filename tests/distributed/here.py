"""Shards done in this process, for tests that need no cluster."""

import pytest

from vidi.distributed import cluster
from vidi.distributed.shards import Shard, Work


class Here:
    """Does what it is given at once."""

    def __init__(self, work: Work) -> None:
        self._work, self.done = work, 0

    def room(self) -> int:
        return 1

    def start(self, task: Shard) -> Shard:
        return task

    def wait(self, running: list[Shard], seconds: float) -> list[Shard]:
        return running[:1]

    def result(self, running: Shard) -> bytes:
        self.done += 1
        return self._work(running.store, running.paths)

    def cancel(self, running: Shard) -> None:
        pass


def work_here(monkeypatch: pytest.MonkeyPatch) -> list[Here]:
    """Have the work of `--ray` done in this process; the list fills with what does it."""
    made: list[Here] = []

    def shards(_connect: object, make: object, *given: object) -> Here:
        made.append(Here(make(*given)))
        return made[-1]

    monkeypatch.setattr(cluster, "RayShards", shards)
    return made
