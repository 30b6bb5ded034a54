"""Work in shards: each is done once, by any worker's process, and its result lies in a file of its own."""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Protocol

from vidi.errors import ResourceError, UsageError
from vidi.files import escape_path, remove_leftovers, write_atomic
from vidi.images.store import ImageStore, stamp_within

DECIDING: Final = ("vidi", "ray", "numpy", "pillow", "onnxruntime")  # packages whose versions decide the last bits

Work = Callable[[ImageStore, Sequence[str]], bytes]  # what is done with some paths of a store


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What all shards of a command have in common."""

    folder: str  # what relative paths are relative to
    versions: tuple[tuple[str, str], ...]  # of the computer that started the work, by package
    make: Callable[..., Work]  # a function of a module that gives the work
    given: tuple[Any, ...]  # references to its arguments


def do_shard(job: Job, stores: Sequence[Any], paths: Sequence[str]) -> bytes:
    """Do a shard; a task of Ray. What a job needs is made once in each process.

    Args:
        job: which work.
        stores: a reference to the store.
        paths: names within it.

    Raises:
        ResourceError: this computer's versions are not those of the one that started the work.
        VidiError: the work failed.
    """
    return _work_of(job)(_fetched(stores[0]), paths)


@lru_cache(maxsize=1)
def _work_of(job: Job) -> Work:
    require_versions(platform.node(), installed_versions(), dict(job.versions))
    with contextlib.suppress(OSError):  # another computer may not have it: absolute paths need none
        os.chdir(job.folder)
    return job.make(*import_module("ray").get(list(job.given)))


@lru_cache(maxsize=1)
def _fetched(store: Any) -> ImageStore:
    found: ImageStore = import_module("ray").get(store)
    return found


def installed_versions() -> dict[str, str]:
    """The versions that decide the answers, by package; empty where one is not installed."""
    found = {}
    for name in DECIDING:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def require_versions(node: str, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Refuse a node whose versions are not those of the computer that started the work.

    Raises:
        ResourceError: they differ; the node and the packages are named.
    """
    differing = [
        f"{name} {found.get(name) or 'none'} instead of {said or 'none'}"
        for name, said in wanted.items()
        if found.get(name) != said
    ]
    if differing:
        raise ResourceError(
            f"the node {node} has {', '.join(differing)}: its answers could differ",
            "Install the same versions on every node.",
        )


PLAN: Final = "plan.json"
MOST_ATTEMPTS: Final = 4  # at one shard
LOOK_SECONDS: Final = 1.0  # between two looks at the clock
AHEAD: Final = 4  # shards for each core that are begun before an earlier one is done
IMAGES_IN_SHARD: Final = 256


class ShardLostError(Exception):
    """Every worker that did a shard was lost, or its computer."""


class ShardWork(Protocol):
    """Does shards elsewhere; Ray, or a test. What is running is whatever it likes."""

    def room(self) -> int:
        """How many shards can be done at once."""

    def start(self, task: Any) -> Any:
        """Have a shard done; by another worker, where the first one is lost."""

    def wait(self, running: Sequence[Any], seconds: float) -> list[Any]:
        """Those that are done; waits for one at most this long."""

    def result(self, running: Any) -> bytes:
        """What came out.

        Raises:
            ShardLostError: its workers were lost.
            VidiError: the work itself failed, as it would anywhere.
        """

    def cancel(self, running: Any) -> None:
        """Give up a shard, whatever its worker does."""


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
                    "Delete it, or give the same model, images and options again.",
                )
        elif folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{escape_path(folder)} holds other things than shards", "Write to another place.")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomic(place, plan)
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
        write_atomic(path, data)
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


def do_shards(
    work: ShardWork,
    tasks: Sequence[Any],
    results: ShardFolder,
    *,
    patience: float,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[int]:
    """Yield each shard's number, in order, once its result is in its file.

    Args:
        work: does the shards; asked for room once one is not there.
        tasks: the shards.
        results: so far.
        patience: seconds without any result, after which what is running is given to other workers.
        say: receives messages.
        clock: steady seconds.

    Raises:
        ResourceError: a shard was lost with its workers too often.
        VidiError: the work failed.
    """
    waiting = deque(number for number in range(len(tasks)) if not results.has(number))
    undone, running, moved = set(waiting), dict[Any, int](), clock()
    try:
        for number in range(len(tasks)):
            attempts = 0
            while number in undone:
                ahead = number + AHEAD * max(1, work.room()) if waiting else 0
                while waiting and waiting[0] < ahead:
                    begun = waiting.popleft()
                    running[work.start(tasks[begun])] = begun
                    moved = clock()
                for one in work.wait(list(running), LOOK_SECONDS):
                    results.put(running[one], _result(work, one, running[one]))
                    undone.remove(running.pop(one))
                    moved = clock()
                if running and clock() - moved > patience:
                    attempts += 1
                    late = f"no answer for {patience:g} s"
                    if attempts == MOST_ATTEMPTS:
                        raise _lost(number, late)
                    say(f"{late}; the images are given to other workers")
                    waiting.extendleft(sorted(running.values(), reverse=True))
                    _cancel(work, running)
            yield number
    finally:
        _cancel(work, running)


def results_of(
    work: ShardWork,
    tasks: Sequence["Shard"],
    folder: Path,
    *,
    facts: Mapping[str, object],
    patience: float,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[bytes]:
    """The results of shards of paths, in order; arguments and errors are those of `do_shards` and `ShardFolder`.

    Args:
        work: does the shards.
        tasks: the shards.
        folder: of the results so far.
        facts: what decides the results, besides the paths.
        patience: seconds without any result.
        say: receives messages.
        clock: steady seconds.
    """
    plan = plan_of({**facts, "paths": digest_of_texts([path for task in tasks for path in task.paths])})
    results = ShardFolder(folder, plan, identity=lambda number: tasks[number].identity())
    for number in do_shards(work, tasks, results, patience=patience, say=say, clock=clock):
        yield results.get(number)


@contextlib.contextmanager
def results_folder(kept: Path | None) -> Iterator[Path]:
    """A folder of results until all are taken: a temporary one, or the one that a stopped command is to go on with."""
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="vidi-shards-") as place:
            yield Path(place)
    else:
        yield kept
        shutil.rmtree(kept, ignore_errors=True)


def _result(work: ShardWork, running: Any, number: int) -> bytes:
    try:
        return work.result(running)
    except ShardLostError as error:
        raise _lost(number, str(error)) from error


def _lost(number: int, why: str) -> ResourceError:
    return ResourceError(
        f"shard {number} was tried {MOST_ATTEMPTS} times: {why}",
        "Look at Ray's logs. Finished shards are kept beside --output; the same command goes on.",
    )


def _cancel(work: ShardWork, running: dict[Any, int]) -> None:
    for one in running:
        work.cancel(one)
    running.clear()


def plan_of(facts: Mapping[str, object]) -> str:
    """What shards are of, as text that is equal for equal work."""
    return json.dumps(dict(facts), sort_keys=True, indent=1) + "\n"


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """Paths of one store, for one worker."""

    store: ImageStore
    paths: Sequence[str]

    def identity(self) -> str:
        """Sixteen hex digits that change with the paths, and with size or time of a file where the store knows them."""
        stamps = [stamp_within(self.store, path) for path in self.paths]
        return digest_of_texts([*self.paths, *stamps])[:16]


def split_paths(store: ImageStore, paths: Sequence[str], *, most: int) -> list[Shard]:
    """Cut the paths of a store into shards.

    >>> from vidi.images.store import BytesStore
    >>> [shard.paths for shard in split_paths(BytesStore({}), ["a", "b", "c"], most=2)]
    [['a', 'b'], ['c']]
    """
    return [Shard(store, paths[start : start + most]) for start in range(0, len(paths), most)]


def digest_of_texts(texts: Sequence[str]) -> str:
    """SHA-256 of a list of texts, 64 hex digits."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()
