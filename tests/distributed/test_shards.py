"""Shards are done once, in order, whatever happens to the workers."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidi.distributed.shards import AT_ONCE, MOST_ATTEMPTS, ShardFolder, ShardRun, WorkerLostError, plan_of
from vidi.distributed.tasks import Shard
from vidi.errors import ResourceError, UsageError
from vidi.images.scan import FolderStore

PATIENCE = 10.0


class Simulated:
    """Workers whose fate at each task is known before: `ok`, `lost` or `hangs`."""

    def __init__(self, fates: list[str], *, room: int = 2) -> None:
        self.fates, self._room = fates, room
        self.now = 0.0
        self.started = self.ended = self.done = 0
        self.most_at_once = 0
        self._running: dict[int, tuple[str, int, int]] = {}  # fate, task, worker
        self._count = 0

    def room(self) -> int:
        return self._room

    def start(self) -> int:
        self.started += 1
        return self.started

    def submit(self, worker: int, task: int) -> int:
        self._count += 1
        self._running[self._count] = (self.fates.pop() if self.fates else "ok", task, worker)
        self.most_at_once = max(self.most_at_once, len(self._running))
        return self._count

    def wait(self, running: list[int], seconds: float) -> list[int]:
        done = [one for one in running if self._running[one][0] != "hangs"][-1:]  # the last first: out of order
        self.now += 0.0 if done else seconds
        if not done:
            self.now += PATIENCE
        return done

    def result(self, running: int) -> bytes:
        fate, task, _ = self._running.pop(running)
        if fate == "lost":
            raise WorkerLostError("killed")
        self.done += 1
        return f"result {task}".encode()

    def end(self, worker: int) -> None:
        self.ended += 1
        self._running = {number: one for number, one in self._running.items() if one[2] != worker}


def shard_run(workers: Any, count: int, folder: Path, said: list[str] | None = None) -> ShardRun:
    store = ShardFolder(folder, plan_of({"count": count}))
    say = (said if said is not None else []).append
    return ShardRun(workers, list(range(count)), store, PATIENCE, lambda: workers.now, say)


@pytest.mark.fault
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["ok", "ok", "ok", "lost", "hangs"]), max_size=40), st.integers(1, 4))
def test_every_shard_is_done_and_given_once_and_in_order(tmp_path_factory, fates, room):
    workers = Simulated(fates, room=room)
    run = shard_run(workers, 12, tmp_path_factory.mktemp("shards") / "s")
    try:
        given_numbers = [(number, run.store.get(number)) for number in run.run()]
    except ResourceError:
        assert run.lost >= MOST_ATTEMPTS
        return

    assert given_numbers == [(number, f"result {number}".encode()) for number in range(12)]
    assert workers.done == 12
    assert workers.most_at_once <= room * AT_ONCE


@pytest.mark.fault
def test_a_lost_worker_is_told_and_replaced(tmp_path: Path):
    said: list[str] = []
    workers = Simulated(["lost", "hangs"])

    assert list(shard_run(workers, 5, tmp_path / "s", said).run()) == list(range(5))
    assert len(said) == 2
    assert any("a worker is lost (killed)" in line for line in said)
    assert any("no answer for 10 s" in line for line in said)


@pytest.mark.fault
def test_what_loses_every_worker_is_an_error_and_nothing_done_is_lost(tmp_path: Path):
    workers = Simulated(["lost"] * 50, room=1)
    with pytest.raises(ResourceError, match="shard 0 was tried 4 times"):
        list(shard_run(workers, 3, tmp_path / "s").run())


@pytest.mark.fault
def test_a_stopped_run_goes_on_with_what_is_there(tmp_path: Path):
    first = shard_run(Simulated([]), 6, tmp_path / "s")
    stopped = first.run()
    assert [next(stopped) for _ in range(2)] == [0, 1]
    stopped.close()
    done = sum(first.store.has(number) for number in range(6))

    workers = Simulated([])
    assert list(shard_run(workers, 6, tmp_path / "s").run()) == list(range(6))
    assert workers.done == 6 - done


@pytest.mark.fault
def test_another_plan_or_another_folder_is_refused(tmp_path: Path):
    ShardFolder(tmp_path / "s", plan_of({"model": 1}))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")

    with pytest.raises(UsageError, match="other work"):
        ShardFolder(tmp_path / "s", plan_of({"model": 2}))
    with pytest.raises(UsageError, match="other things"):
        ShardFolder(tmp_path / "other", plan_of({"model": 1}))


def test_a_result_of_other_images_is_not_taken_and_then_replaced(tmp_path: Path):
    first = ShardFolder(tmp_path / "s", plan_of({}), identity=lambda number: f"a{number}")
    first.put(0, b"old")
    first.put(1, b"old")

    second = ShardFolder(tmp_path / "s", plan_of({}), identity=lambda number: ["b0", "a1"][number])
    assert [second.has(number) for number in (0, 1)] == [False, True]
    second.put(0, b"new")

    assert second.get(0) == b"new"
    assert {path.name for path in second.folder.glob("shard-*")} == {"shard-00000000-b0", "shard-00000001-a1"}


def test_a_shard_is_another_one_when_a_file_is_changed(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"one")
    shard = Shard(FolderStore(tmp_path), ["a.png", "gone.png"])
    before = shard.identity()

    assert shard.identity() == before
    (tmp_path / "a.png").write_bytes(b"other")
    assert shard.identity() != before


def test_many_workers_are_all_busy(tmp_path: Path):
    workers = Simulated([], room=100)
    assert list(shard_run(workers, 230, tmp_path / "s").run()) == list(range(230))
    assert workers.started == 100
    assert workers.most_at_once == 200
