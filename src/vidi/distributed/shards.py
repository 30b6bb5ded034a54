"""Work in shards: each is done once, by any worker, and its result lies in a file of its own."""

import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from vidi.errors import ResourceError, UsageError
from vidi.files import escape_path, remove_leftovers, write_whole

PLAN: Final = "plan.json"
MOST_ATTEMPTS: Final = 4  # at one shard
LOOK_SECONDS: Final = 1.0  # between two looks at the clock
AHEAD: Final = 64  # shards that may be done before an earlier one is


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


class ShardFolder:
    """The results so far, a file for each shard; a stopped command goes on with them."""

    def __init__(self, folder: Path, plan: str) -> None:
        """Open a folder.

        Args:
            folder: made where it is not there.
            plan: what the shards are of; a folder of another plan is refused.

        Raises:
            UsageError: the folder holds the shards of other work, or other things.
            ResourceError: it cannot be written.
        """
        self.folder = folder
        place = folder / PLAN
        if place.exists():
            if place.read_text("utf-8") != plan:
                raise UsageError(
                    f"{escape_path(folder)} holds the shards of another prediction",
                    "Name a new folder, or give the same model, images and options again.",
                )
        elif folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{escape_path(folder)} holds other things than shards", "Name a new folder.")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(place, plan)
        remove_leftovers(folder)

    def path(self, number: int) -> Path:
        """The file of a shard."""
        return self.folder / f"shard-{number:08}.jsonl"

    def has(self, number: int) -> bool:
        """Whether a shard is done."""
        return self.path(number).exists()

    def put(self, number: int, data: bytes) -> None:
        """Write a shard's result whole, under its name."""
        write_whole(self.path(number), data)

    def get(self, number: int) -> bytes:
        """A shard's result."""
        try:
            return self.path(number).read_bytes()
        except OSError as error:
            raise ResourceError(
                f"{escape_path(self.path(number))} cannot be read: {os.strerror(error.errno or 0)}",
                "Predict again; shards that are there are not computed again.",
            ) from error


@dataclass(slots=True)
class _HandedOut:
    """A shard that a worker has."""

    number: int
    worker: Any
    until: float  # by the clock


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
    _idle: list[Any] = field(default_factory=list)
    _running: dict[Any, _HandedOut] = field(default_factory=dict)
    _attempts: dict[int, int] = field(default_factory=dict)

    def run(self) -> Iterator[int]:
        """Yield each shard's number, in order, once its result lies in its file.

        Raises:
            ResourceError: a shard was lost with its worker too often.
        """
        waiting = deque(number for number in range(len(self.tasks)) if not self.store.has(number))
        following = 0
        try:
            while following < len(self.tasks):
                while following < len(self.tasks) and self.store.has(following):
                    yield following
                    following += 1
                self._hand_out(waiting, before=following + AHEAD)
                if self._running:
                    self._take_in(waiting)
        finally:
            for worker in [*self._idle, *(one.worker for one in self._running.values())]:
                self.workers.end(worker)

    def _hand_out(self, waiting: deque[int], *, before: int) -> None:
        while waiting and waiting[0] < before:
            if not self._idle:
                if self._running and len(self._running) >= self.workers.room():
                    return
                self._idle.append(self.workers.start())
            number, worker = waiting.popleft(), self._idle.pop()
            running = self.workers.submit(worker, self.tasks[number])
            self._running[running] = _HandedOut(number, worker, self.clock() + self.patience)

    def _take_in(self, waiting: deque[int]) -> None:
        for running in self.workers.wait(list(self._running), LOOK_SECONDS):
            attempt = self._running.pop(running)
            try:
                data = self.workers.result(running)
            except WorkerLostError as error:
                self._give_back(attempt, waiting, f"a worker is lost ({error})")
            else:
                self.store.put(attempt.number, data)
                self._idle.append(attempt.worker)
        now = self.clock()
        for running, attempt in list(self._running.items()):
            if now > attempt.until:
                del self._running[running]
                self.workers.end(attempt.worker)
                self._give_back(attempt, waiting, f"a worker gave no answer for {self.patience:g} s")

    def _give_back(self, attempt: _HandedOut, waiting: deque[int], why: str) -> None:
        self.lost += 1
        count = self._attempts[attempt.number] = self._attempts.get(attempt.number, 0) + 1
        if count >= MOST_ATTEMPTS:
            raise ResourceError(
                f"shard {attempt.number} was tried {count} times: {why}",
                "Look at Ray's logs. Finished shards are kept where --shards names a folder; the same command goes on.",
            )
        self.say(f"{why}; its images are given to another one")
        waiting.appendleft(attempt.number)


def plan_of(facts: dict[str, object]) -> str:
    """What shards are of, as text that is equal for equal work."""
    return json.dumps(facts, sort_keys=True, indent=1) + "\n"
