"""Shards are done once, in order, whatever happens to the workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidi.distributed.cluster import AHEAD, do_shards
from vidi.distributed.shards import MOST_ATTEMPTS, Shard, ShardFolder, ShardLostError, plan_of
from vidi.errors import ResourceError, UsageError
from vidi.images.store import FolderStore

PATIENCE = 10.0


class Simulated:
    """Workers whose fate at each shard is known before: `ok`, `lost` (for good) or `hangs`."""

    def __init__(self, fates: list[str], *, room: int = 2) -> None:
        self.fates, self._room = fates, room
        self.now = 0.0
        self.done = self.most_at_once = 0
        self.running: dict[int, tuple[str, int]] = {}  # fate, shard
        self._count = 0

    def room(self) -> int:
        return self._room

    def start(self, task: int) -> int:
        self._count += 1
        self.running[self._count] = (self.fates.pop() if self.fates else "ok", task)
        self.most_at_once = max(self.most_at_once, len(self.running))
        return self._count

    def wait(self, running: list[int], seconds: float) -> list[int]:
        done = [one for one in running if self.running[one][0] != "hangs"][-1:]  # the last first: out of order
        self.now += 0.0 if done else seconds + PATIENCE
        return done

    def result(self, running: int) -> bytes:
        fate, task = self.running.pop(running)
        if fate == "lost":
            raise ShardLostError("killed")
        self.done += 1
        return f"result {task}".encode()

    def cancel(self, running: int) -> None:
        self.running.pop(running, None)


def run(work: Simulated, count: int, folder: Path, said: list[str] | None = None) -> Iterator[int]:
    say = (said if said is not None else []).append
    return do_shards(work, range(count), folder_of(folder, count), patience=PATIENCE, say=say, clock=lambda: work.now)


def folder_of(folder: Path, count: int) -> ShardFolder:
    return ShardFolder(folder, plan_of({"count": count}))


@pytest.mark.fault
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["ok", "ok", "ok", "hangs"]), max_size=40), st.integers(1, 4))
def test_every_shard_is_done_and_given_once_and_in_order(tmp_path_factory, fates, room):
    work, folder = Simulated(fates, room=room), tmp_path_factory.mktemp("shards") / "s"
    hanging, said = fates.count("hangs"), list[str]()
    try:
        numbers = list(run(work, 12, folder, said))
    except ResourceError:
        assert hanging >= MOST_ATTEMPTS
        return

    assert numbers == list(range(12))
    assert [folder_of(folder, 12).get(number) for number in numbers] == [f"result {one}".encode() for one in numbers]
    assert work.done == 12
    assert work.most_at_once <= room * AHEAD
    assert len(said) <= hanging
    assert not work.running


@pytest.mark.fault
def test_shards_without_an_answer_are_told_and_given_to_other_workers(tmp_path: Path):
    said: list[str] = []

    assert list(run(Simulated(["hangs", "ok", "hangs"]), 5, tmp_path / "s", said)) == list(range(5))
    assert said == ["no answer for 10 s; the images are given to other workers"]


@pytest.mark.fault
@pytest.mark.parametrize(("fate", "why"), [("lost", "killed"), ("hangs", "no answer for 10 s")])
def test_what_loses_every_worker_is_an_error_and_nothing_done_is_lost(tmp_path: Path, fate: str, why: str):
    work = Simulated([*[fate] * 50, "ok"], room=1)
    with pytest.raises(ResourceError, match=f"shard [12] was tried 4 times: {why}"):
        list(run(work, 3, tmp_path / "s"))

    assert len(list((tmp_path / "s").glob("shard-*"))) == work.done
    assert not work.running


@pytest.mark.fault
def test_a_stopped_run_goes_on_with_what_is_there(tmp_path: Path):
    first = Simulated([])
    stopped = run(first, 6, tmp_path / "s")
    assert [next(stopped) for _ in range(2)] == [0, 1]
    stopped.close()
    done = sum(folder_of(tmp_path / "s", 6).has(number) for number in range(6))

    work = Simulated([])
    assert list(run(work, 6, tmp_path / "s")) == list(range(6))
    assert work.done == 6 - done
    assert not first.running


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
    work = Simulated([], room=100)
    assert list(run(work, 500, tmp_path / "s")) == list(range(500))
    assert work.most_at_once == 100 * AHEAD


def test_who_takes_the_rows_slowly_finds_no_worker_late(tmp_path: Path):
    work, said = Simulated([], room=1), list[str]()
    for _ in run(work, 12, tmp_path / "s", said):
        work.now += 10 * PATIENCE

    assert said == []
