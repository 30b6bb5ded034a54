"""Shards of paths on a Ray cluster, or on this computer's cores."""

import contextlib
import logging
import math
import os
import platform
import re
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from vidi.distributed.shards import (
    MOST_ATTEMPTS,
    Job,
    Shard,
    ShardFolder,
    ShardLostError,
    Work,
    digest_of_texts,
    do_shard,
    installed_versions,
    plan_of,
    require_versions,
)
from vidi.errors import ResourceError, VidiError, from_extra
from vidi.files import escape_path
from vidi.machine import core_count
from vidi.numbers import count_of

LOCAL: Final = "local"
ONE_CORE: Final = "1"
KNOCK_SECONDS: Final = 10.0  # for the head's port; Ray itself tries for minutes
VERSION_SECONDS: Final = 120.0  # for a node to start a process
WAIT_SECONDS: Final = 1.0  # for a shard, between two looks at the clock
AHEAD: Final = 4  # shards for each core that are begun before an earlier one is done
LOOK_SECONDS: Final = 5.0  # between two looks at the cluster
GRACE_SECONDS: Final = 20.0  # for the command to end by itself when the head is gone; a call of Ray may never return


class HeadLostError(ResourceError):
    """The head of the cluster is gone, and the cluster with it."""


class RayShards:
    """Shards by Ray's tasks, one core each: Ray gives a shard to another worker where the first one is lost."""

    def __init__(self, connect: Callable[[], Any], make: Callable[..., Work], *given: Any) -> None:
        """
        Args:
            make: a function of a module that gives the work; called once in each worker.
            given: its arguments; each is sent once to each node.
        """
        self._connect, self._make, self._given = connect, make, given
        self._stores: dict[int, Any] = {}
        self._looked = -math.inf
        self._room = 1

    @cached_property
    def _ray(self) -> Any:
        return self._connect()

    @cached_property
    def _job(self) -> Any:
        versions = tuple(installed_versions().items())
        given = tuple(self._ray.put(one) for one in self._given)
        return self._ray.put(Job(folder=os.getcwd(), versions=versions, make=self._make, given=given))

    @cached_property
    def _task(self) -> Any:
        own = {"env_vars": {"VIDI_CORES": ONE_CORE}}
        return self._ray.remote(num_cpus=1, max_retries=MOST_ATTEMPTS - 1, runtime_env=own)(do_shard)

    def room(self) -> int:
        """As many shards as there are cores; asked every few seconds.

        Raises:
            ResourceError: the cluster's head is gone.
        """
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._check_head()
            self._room = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
            self._looked = time.monotonic()
        return self._room

    def start(self, task: Shard) -> Any:
        """Have a shard done, once a core is free."""
        number = id(task.store)  # which lives as long as its shards
        if number not in self._stores:
            self._stores[number] = self._ray.put(task.store)
        return self._task.remote(self._job, [self._stores[number]], task.paths)

    def wait(self, running: Sequence[Any], seconds: float) -> list[Any]:
        """Those that are done; waits for the first of them.

        Raises:
            ResourceError: none is, and the cluster's head is gone.
        """
        first, others = self._ray.wait(list(running), num_returns=1, timeout=seconds)
        if not first:
            self._check_head()
            return []
        more = self._ray.wait(others, num_returns=len(others), timeout=0)[0] if others else []
        return [*first, *more]

    def result(self, running: Any) -> bytes:
        """What came out.

        Raises:
            ShardLostError: its workers or their computers were lost.
            VidiError: the work failed, or the cluster's head is gone.
        """
        errors = self._ray.exceptions
        try:
            data: bytes = self._ray.get(running)
        except errors.RayTaskError as error:
            raise failure_of(error) from error
        except errors.RayError as error:
            self._check_head()
            raise ShardLostError(type(error).__name__) from error
        return data

    def cancel(self, running: Any) -> None:
        """Give up a shard, and end its worker."""
        with contextlib.suppress(Exception):  # the cluster is gone already
            self._ray.cancel(running, force=True)

    def _check_head(self) -> None:
        head = self._ray.get_runtime_context().gcs_address
        if not _answers(head):
            raise _head_lost(head)


def failure_of(error: Any) -> VidiError:
    """What failed in a task: the error of vidi that it raised, or one that names what Python or a package raised."""
    if isinstance(error.cause, VidiError):
        return error.cause
    return ResourceError(f"a worker failed: {error.cause}", "Look at Ray's logs on its computer.")


@contextlib.contextmanager
def shards_at(address: str, make: Callable[..., Work], *given: Any, say: Callable[[str], None]) -> Iterator[RayShards]:
    """What does shards on a cluster, which is connected to, or started, once there is something to do.

    Args:
        make: a function of a module that gives the work; called once in each worker.
    """
    with contextlib.ExitStack() as stack:
        yield RayShards(lambda: stack.enter_context(connected(address, say=say)), make, *given)


def do_shards(
    work: RayShards,
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
        patience: seconds without any result, after which what is running is given to other workers.
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
                for one in work.wait(list(running), WAIT_SECONDS):
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
    work: RayShards,
    tasks: Sequence[Shard],
    folder: Path,
    *,
    patience: float,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[bytes]:
    """The results of shards of paths, in order, by `do_shards`."""
    plan = plan_of({"paths": digest_of_texts([path for task in tasks for path in task.paths])})
    results = ShardFolder(folder, plan, identity=lambda number: tasks[number].identity())
    for number in do_shards(work, tasks, results, patience=patience, say=say, clock=clock):
        yield results.get(number)


def _result(work: RayShards, running: Any, number: int) -> bytes:
    try:
        return work.result(running)
    except ShardLostError as error:
        raise _lost(number, str(error)) from error


def _lost(number: int, why: str) -> ResourceError:
    return ResourceError(
        f"shard {number} was tried {MOST_ATTEMPTS} times: {why}",
        "Look at Ray's logs. Finished shards are kept beside --output; the same command goes on.",
    )


def _cancel(work: RayShards, running: dict[Any, int]) -> None:
    for one in running:
        work.cancel(one)
    running.clear()


@contextlib.contextmanager
def connected(address: str, *, say: Callable[[str], None]) -> Iterator[Any]:
    """Ray, connected to a cluster while the context lasts.

    Raises:
        MissingPackageError: the extra `ray` is not installed.
        ResourceError: no cluster answers there, or a node has other versions of what decides the results.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    os.environ.setdefault("RAY_worker_niceness", "0")  # of workers that are started here: the command's own priority
    with from_extra("--ray needs Ray", extra="ray"):
        ray: Any = import_module("ray")
    _knock(address)
    _begin(ray, address)
    is_lost, ended = False, threading.Event()
    head = ray.get_runtime_context().gcs_address
    threading.Thread(target=_watch_head, args=(head, ended, say), name="vidi-ray-head", daemon=True).start()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Ray prints of lost nodes, amid the rows that a command writes
            cores = int(ray.cluster_resources().get("CPU", 1))
            nodes = [one["NodeID"] for one in ray.nodes() if one["Alive"]]
            if address != LOCAL:
                check_versions(ray, nodes, installed_versions())
            say(f"Ray: {count_of(cores, 'core')} on {count_of(len(nodes), 'node')}")
            yield ray
    except HeadLostError:
        is_lost = True
        raise
    finally:
        ended.set()
        if not is_lost:
            ray.shutdown()


def _begin(ray: Any, address: str) -> None:
    """Connect to a cluster, or start one on this computer.

    Raises:
        ResourceError: no cluster answers there.
    """
    own: dict[str, Any] = {"address": address}
    if address == LOCAL:
        own |= {"num_cpus": core_count(), "include_dashboard": False}
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)  # Ray warns that a cluster of its own asks for a token, which it brings along
    try:
        ray.init(**own, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _no_cluster(address, error) from error
    finally:
        logger.setLevel(level)


def _watch_head(head: str, ended: threading.Event, say: Callable[[str], None]) -> None:
    """Ray ends the whole process, without a word for its user, a minute after its head is gone; this is sooner."""
    while not ended.wait(LOOK_SECONDS):
        if not _answers(head) and not ended.wait(GRACE_SECONDS):
            error = _head_lost(head)
            say(f"error: {error}")
            os._exit(error.exit_code)


def _answers(head: str) -> bool:
    host, _, port = head.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()
    except OSError:
        return False
    return True


def _head_lost(head: str) -> HeadLostError:
    return HeadLostError(
        f"the head of the Ray cluster at {head} is gone",
        "Start it again, and go on: the same command with --output FILE, or vidi train --resume RUN.",
    )


def check_versions(ray: Any, nodes: Sequence[str], wanted: Mapping[str, str]) -> None:
    """Look whether every node has the packages that decide the results in the versions of this computer.

    Raises:
        ResourceError: one has not, or vidi is not installed there.
    """
    strategy = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
    asked = ray.remote(num_cpus=0, max_retries=1)(_node_versions)
    running = {node: asked.options(scheduling_strategy=strategy(node, soft=False)).remote() for node in nodes}
    for node, one in running.items():
        try:
            name, found = ray.get(one, timeout=VERSION_SECONDS)
        except ray.exceptions.RayError as error:
            raise ResourceError(
                f"the node {node[:12]} of the Ray cluster does not answer: {str(error).strip().splitlines()[-1][:200]}",
                'Install vidi there: pip install "vidi[ray]"',
            ) from error
        require_versions(name, found, wanted)


def _node_versions() -> tuple[str, dict[str, str]]:
    return platform.node(), installed_versions()


def _knock(address: str) -> None:
    """Find out soon whether anything listens at an address of the form HOST:PORT."""
    found = re.fullmatch(r"(?:ray://)?\[?([^\[\]]+)\]?:(\d{1,5})", address)
    if found is None:
        return
    try:
        socket.create_connection((found[1], int(found[2])), KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> ResourceError:
    if "Version mismatch" in str(error):
        lines = " ".join(str(error).split())
        return ResourceError(
            f"the Ray cluster at {escape_path(address)} has other versions: {lines[:300]}",
            "Install the cluster's versions of Python and Ray here, or these there.",
        )
    why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return ResourceError(
        f"no Ray cluster answers at {escape_path(address)}: {why}",
        "Give the address of its head, such as 10.0.0.5:6379, or use --ray local.",
    )
