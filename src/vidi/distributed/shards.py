"""Work in shards: each is done once, by any worker, and its result lies in a file of its own."""

import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

from vidi.errors import ResourceError, UsageError
from vidi.files import escape_path, remove_leftovers, write_whole

PLAN: Final = "plan.json"
MOST_ATTEMPTS: Final = 4  # at one shard
LOOK_SECONDS: Final = 1.0  # between two looks at the clock
AHEAD: Final = 64  # shards that may be done before an earlier one is, at least
AHEAD_OF_WORKER: Final = 4  # times the workers, where those are many
AT_ONCE: Final = 2  # shards that a worker has: it begins the next one while the driver takes the last one in


class WorkerLostError(Exception):
    """A worker, or the computer that it ran on, is gone."""


class ShardWorkers(Protocol):
    """What does the work; Ray, or a test. A worker, a task and what is running are whatever it likes."""

    def room(self) -> int:
        """How many workers there may be now."""

    def start(self) -> Any:
        """A new worker."""

    def submit(self, worker: Any, task: Any) -> Any:
        """Give a worker something to do."""

    def wait(self, running: Sequence[Any], seconds: float) -> list[Any]:
        """Those that are done, or lost; waits for one at most this long."""

    def result(self, running: Any) -> bytes:
        """What came out.

        Raises:
            WorkerLostError: the worker is gone.
            VidiError: the work itself failed, as it would for any worker.
        """

    def end(self, worker: Any) -> None:
        """End a worker, whatever it does."""


@dataclass(eq=False)
class WorkersWhenNeeded:
    """Workers that are made ready once there is something to do."""

    make_ready: Callable[[], ShardWorkers]

    @cached_property
    def _workers(self) -> ShardWorkers:
        return self.make_ready()

    def room(self) -> int:
        """As the workers say."""
        return self._workers.room()

    def start(self) -> Any:
        """A new worker."""
        return self._workers.start()

    def submit(self, worker: Any, task: Any) -> Any:
        """Give a worker something to do."""
        return self._workers.submit(worker, task)

    def wait(self, running: Sequence[Any], seconds: float) -> list[Any]:
        """Those that are done, or lost."""
        return self._workers.wait(running, seconds)

    def result(self, running: Any) -> bytes:
        """What came out.

        Raises:
            WorkerLostError: the worker is gone.
            VidiError: the work itself failed.
        """
        return self._workers.result(running)

    def end(self, worker: Any) -> None:
        """End a worker."""
        self._workers.end(worker)


class ShardFolder:
    """The results so far, a file for each shard; a stopped command goes on with them."""

    def __init__(self, folder: Path, plan: str, *, identity: Callable[[int], str] | None = None) -> None:
        """Open a folder.

        Args:
            folder: made where it is not there.
            plan: what the shards are of; a folder of another plan is refused.
            identity: what a shard's images are now; a result of others is not taken. Asked once for each shard.

        Raises:
            UsageError: the folder holds the shards of other work, or other things.
            ResourceError: it cannot be written.
        """
        self.folder = folder
        place = folder / PLAN
        if place.exists():
            if place.read_text("utf-8") != plan:
                raise UsageError(
                    f"{escape_path(folder)} holds the shards of other work",
                    "Name a new folder, or give the same model, images and options again.",
                )
        elif folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{escape_path(folder)} holds other things than shards", "Name a new folder.")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(place, plan)
        remove_leftovers(folder)
        self._identity = identity
        self._names: dict[int, str] = {}
        self._earlier: dict[int, list[Path]] = {}
        for found in folder.glob("shard-*"):
            self._earlier.setdefault(int(found.name.split("-")[1]), []).append(found)

    def path(self, number: int) -> Path:
        """The file of a shard."""
        if number not in self._names:
            identity = "" if self._identity is None else f"-{self._identity(number)}"
            self._names[number] = f"shard-{number:08}{identity}"
        return self.folder / self._names[number]

    def has(self, number: int) -> bool:
        """Whether a shard is done."""
        return self.path(number).exists()

    def put(self, number: int, data: bytes) -> None:
        """Write a shard's result whole, under its name, in the place of one of what the images were before."""
        path = self.path(number)
        write_whole(path, data)
        for earlier in self._earlier.pop(number, ()):
            if earlier != path:
                earlier.unlink(missing_ok=True)

    def get(self, number: int) -> bytes:
        """A shard's result."""
        try:
            return self.path(number).read_bytes()
        except OSError as error:
            raise ResourceError(
                f"{escape_path(self.path(number))} cannot be read: {os.strerror(error.errno or 0)}",
                "Give the same command again; shards that are there are not computed again.",
            ) from error


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker, and what it has to do, in the order in which it does it."""

    handle: Any
    running: deque[Any] = field(default_factory=deque)
    until: float = 0.0  # by the clock: when the first of them is late


@dataclass(slots=True)
class ShardRun:
    """Does all shards, and gives their numbers in order as they are done."""

    workers: ShardWorkers
    tasks: Sequence[Any]
    store: ShardFolder
    patience: float  # seconds for one shard, after which its worker is replaced
    clock: Callable[[], float]
    say: Callable[[str], None]
    lost: int = 0  # workers
    _free: deque[_Worker] = field(default_factory=deque)  # that have less to do than they may, the idlest first
    _running: dict[Any, tuple[int, _Worker]] = field(default_factory=dict)  # shard and worker
    _all: set[_Worker] = field(default_factory=set)
    _attempts: dict[int, int] = field(default_factory=dict)

    def run(self) -> Iterator[int]:
        """Yield each shard's number, in order, once its result lies in its file.

        Raises:
            ResourceError: a shard was lost with its worker too often.
        """
        waiting = deque(number for number in range(len(self.tasks)) if not self.store.has(number))
        undone, following = set(waiting), 0
        try:
            while following < len(self.tasks):
                while following < len(self.tasks) and following not in undone:
                    yield following
                    following += 1
                room = self.workers.room() if waiting else 0
                self._hand_out(waiting, room, before=following + max(AHEAD, AHEAD_OF_WORKER * room))
                if self._running:
                    undone -= set(self._take_in(waiting))
        finally:
            for worker in self._all:
                self.workers.end(worker.handle)

    def _hand_out(self, waiting: deque[int], room: int, *, before: int) -> None:
        while waiting and waiting[0] < before:
            if len(self._all) < max(1, room) and not (self._free and not self._free[0].running):
                self._all.add(worker := _Worker(self.workers.start()))
                self._free.appendleft(worker)
            if not self._free:
                return
            worker, number = self._free.popleft(), waiting.popleft()
            running = self.workers.submit(worker.handle, self.tasks[number])
            self._running[running] = (number, worker)
            if not worker.running:
                worker.until = self.clock() + self.patience
            worker.running.append(running)
            if len(worker.running) < AT_ONCE:
                self._free.append(worker)

    def _take_in(self, waiting: deque[int]) -> Iterator[int]:
        """Yield the shards that are done."""
        for running in self.workers.wait(list(self._running), LOOK_SECONDS):
            if running not in self._running:  # given back with its worker
                continue
            number, worker = self._running[running]
            try:
                data = self.workers.result(running)
            except WorkerLostError as error:
                self._give_back(worker, waiting, f"a worker is lost ({error})")
                continue
            self.store.put(number, data)
            del self._running[running]
            worker.running.remove(running)
            worker.until = self.clock() + self.patience
            if worker in self._free:
                self._free.remove(worker)
            self._free.append(worker) if worker.running else self._free.appendleft(worker)
            yield number
        now = self.clock()
        for worker in [one for one in self._all if one.running and now > one.until]:
            self._give_back(worker, waiting, f"a worker gave no answer for {self.patience:g} s")

    def _give_back(self, worker: _Worker, waiting: deque[int], why: str) -> None:
        """Let others do what a worker had to do; the first of it counts as tried."""
        self.lost += 1
        self._all.remove(worker)
        self.workers.end(worker.handle)  # a lost one too: it may only have lost its result
        if worker in self._free:
            self._free.remove(worker)
        numbers = [self._running.pop(running)[0] for running in worker.running]
        count = self._attempts[numbers[0]] = self._attempts.get(numbers[0], 0) + 1
        if count >= MOST_ATTEMPTS:
            raise ResourceError(
                f"shard {numbers[0]} was tried {count} times: {why}",
                "Look at Ray's logs. Finished shards are kept where --shards names a folder; the same command goes on.",
            )
        self.say(f"{why}; its images are given to another one")
        waiting.extendleft(reversed(numbers))


def plan_of(facts: dict[str, object]) -> str:
    """What shards are of, as text that is equal for equal work."""
    return json.dumps(facts, sort_keys=True, indent=1) + "\n"
