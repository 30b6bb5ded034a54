"""`vidi train --ray`: one training by several processes, each on cores of its own."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vidi.distributed.cluster import LOCAL, connected, end_actor, failure_of
from vidi.distributed.processes import HOW_TO_GO_ON, LOOK_SECONDS, PATIENCE_SECONDS, Look, ProcessTrainer
from vidi.distributed.shards import WorkerLostError
from vidi.errors import ResourceError, UsageError, VidiError
from vidi.machine import SHORT_WAIT, Deadline, core_count
from vidi.report.words.counting import count_of
from vidi.training.data import TrainingData
from vidi.training.loop.context import TrainingContext
from vidi.training.loop.keeper import Told
from vidi.training.parallel.group import GroupBrokenError

ANSWER_SECONDS: Final = 10.0  # within which a process answers a look
TOGETHER_SECONDS: Final = 5.0  # within which all notice that one is gone
BEGIN_HERE: Final = ("images", "start", "initial")  # of the data: sent once, or not needed once a checkpoint is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """A process's place among those that train together."""

    rank: int
    size: int
    host: str  # of process 0
    port: int
    seconds: float  # after which one that does not answer is given up


class TrainingProcess:
    """Trains its share of every batch; runs in a process of Ray, and answers while it trains."""

    def __init__(self) -> None:
        from vidi.training.parallel.news import News

        self._news = News()
        self._meeting: Any = None

    def meet(self) -> tuple[str, int]:
        """Open the place where the processes find one another: (address, port)."""
        from vidi.training.parallel.gloo import open_meeting

        host = _own_address()
        self._meeting = open_meeting(host)
        return host, self._meeting.port

    def train(
        self,
        images: NDArray[np.uint8],
        others: dict[str, Any],
        checkpoint: bytes,
        place: Rank,
        seconds_left: float | None,
    ) -> bytes:
        """Train to the end; the last checkpoint comes from process 0, and nothing from the others."""
        import torch

        from vidi.training.parallel.gloo import GlooGroup, find_meeting
        from vidi.training.parallel.news import News
        from vidi.training.parallel.share import train_share

        torch.set_num_threads(core_count())
        self._news = News()
        deadline = None if seconds_left is None else Deadline.after(seconds_left)
        meeting = self._meeting if place.rank == 0 else find_meeting(place.host, place.port)
        group = GlooGroup.join(meeting, host=_own_address(), rank=place.rank, size=place.size, seconds=place.seconds)
        arrays = TrainingData(images=images, **others)
        end = train_share(arrays, checkpoint, group=group, deadline=deadline, news=self._news)
        return end if place.rank == 0 else b""

    def look(self) -> Told:
        """What is new since the last look."""
        return self._news.take()

    def stop(self) -> None:
        """End with a checkpoint after this step."""
        self._news.stop_is_wanted = True


def _own_address() -> str:
    """This computer's address, as the others of the cluster reach it."""
    util: Any = import_module("ray.util")
    return str(util.get_node_ip_address())


class RayCrew:
    """Processes on a Ray cluster; they stay for the next training until they are ended."""

    def __init__(self, ray: Any, processes: int, *, patience: float = PATIENCE_SECONDS) -> None:
        self._ray, self._processes, self._patience = ray, processes, patience
        self._actors: list[Any] = []
        self._cores = 1  # of each
        self._running: list[Any] = []
        self._silent = Told(step=0)  # in place of an answer that process 0 does not give
        self._images: tuple[NDArray[np.uint8], Any] | None = None  # as they were sent last

    def start(self, context: TrainingContext, checkpoint: bytes) -> int:
        """Begin with as many processes as were asked for, or as there are cores or images in a batch.

        Raises:
            WorkerLostError: one was lost meanwhile, or its computer.
            ResourceError: the cluster has no computer any more.
        """
        nodes = cores_of_nodes(self._ray)
        if not nodes:
            raise ResourceError("no computer of the Ray cluster is left", f"Start the cluster again. {HOW_TO_GO_ON}")
        images = min(context.recipe.batch, len(context.data.train_rows))
        size = max(1, min(self._processes, images, sum(nodes)))
        if len(self._actors) != size:
            self.end()
            self._cores = cores_each(nodes, size)
            self._actors = self._new_actors(size)
        host, port = self._got(self._actors[0].meet.remote())
        until = context.deadline
        seconds = None if until is None else until.seconds_left()
        sent, others, begin = self._sent(context.data), _others(context.data), self._ray.put(checkpoint)
        self._running = [
            actor.train.remote(
                sent,
                others,
                begin,
                Rank(rank=rank, size=size, host=host, port=port, seconds=2 * self._patience),
                seconds,
            )
            for rank, actor in enumerate(self._actors)
        ]
        return size

    def _new_actors(self, size: int) -> list[Any]:
        own = {"VIDI_CORES": str(self._cores), "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": SHORT_WAIT}
        made = self._ray.remote(TrainingProcess).options(
            num_cpus=self._cores, max_concurrency=2, runtime_env={"env_vars": own}
        )
        return [made.remote() for _ in range(size)]

    def _sent(self, data: TrainingData) -> Any:
        """The images in Ray's store, from where each computer takes them once."""
        if self._images is None or self._images[0] is not data.images:
            self._images = None  # room for the new ones
            self._images = (data.images, self._ray.put(np.asarray(data.images)))
        return self._images[1]

    def _got(self, running: Any) -> Any:
        """What an actor answers, for which it must have a core.

        Raises:
            WorkerLostError: it is gone, or has none.
        """
        for _ in range(math.ceil(self._patience / LOOK_SECONDS)):
            if self._ray.wait([running], timeout=LOOK_SECONDS)[0]:
                if isinstance(found := self._result(running), Exception):
                    raise found
                return found
            self._require_places()
        raise WorkerLostError(f"no cores were free in {self._patience:g} s")

    def _require_places(self) -> None:
        """Look whether the computers that are left can hold all processes: one without a place would never begin.

        Raises:
            WorkerLostError: they can hold fewer, but at least one.
        """
        places = sum(cores // self._cores for cores in cores_of_nodes(self._ray))
        if 0 < places < len(self._actors):
            raise WorkerLostError(
                f"the cluster has cores for {places} of {count_of(len(self._actors), 'process')} left"
            )

    def _result(self, running: Any) -> Any:
        """What came out of a task, or why nothing did."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(running)
        except errors.RayTaskError as error:
            if isinstance(error.cause, GroupBrokenError):
                return WorkerLostError("a training process does not answer the others")
            return failure_of(error, called="a training process")
        except errors.RayError as error:
            return WorkerLostError(f"a training process is lost ({type(error).__name__})")

    def look(self, seconds: float) -> Look:
        """What process 0 tells, and whether all have ended.

        Raises:
            WorkerLostError: one is gone, or the computer where it was to begin.
            VidiError: the training itself failed.
        """
        done, going = self._ray.wait(self._running, num_returns=len(self._running), timeout=seconds)
        results = [self._result(one) for one in done]
        if any(isinstance(one, Exception) for one in results):
            raise self._reason(results, going)
        if going:
            self._require_places()
        first = self._actors[0].look.remote()
        answered, _ = self._ray.wait([first], timeout=ANSWER_SECONDS)
        told = self._result(first) if answered else self._silent
        if isinstance(told, Exception):
            raise told
        self._silent = Told(step=told.step)
        return Look(told=told, end=None if going else next(filter(None, results)))

    def _reason(self, results: Sequence[Any], going: Sequence[Any]) -> Exception:
        """Of the errors that follow from one another the first cause, as far as it shows."""
        late, _ = self._ray.wait(list(going), num_returns=len(going), timeout=TOGETHER_SECONDS) if going else ([], [])
        found = [one for one in (*results, *map(self._result, late)) if isinstance(one, Exception)]
        own = [one for one in found if isinstance(one, VidiError)]
        gone = [one for one in found if "is lost" in str(one)]
        return (own or gone or found)[0]

    def find_hanging(self) -> str:
        """Those that do not answer a look."""
        looks = [actor.look.remote() for actor in self._actors]
        answered, silent = self._ray.wait(looks, num_returns=len(looks), timeout=ANSWER_SECONDS)
        numbers = [str(number + 1) for number, one in enumerate(looks) if one in silent]
        if not numbers:
            return f"{count_of(len(answered), 'process')} answer, but do not go on"
        return f"process {', '.join(numbers)} of {len(looks)} hangs"

    def ask_to_stop(self) -> None:
        """Process 0 says so to the others."""
        self._actors[0].stop.remote()

    def end(self) -> None:
        """Kill them."""
        for actor in self._actors:
            end_actor(self._ray, actor)
        self._actors, self._running = [], []


def _others(data: TrainingData) -> dict[str, Any]:
    """The data without images, which travel by themselves, and without what a new network begins with."""
    named = {one.name: object.__getattribute__(data, one.name) for one in fields(data)}
    return {name: value for name, value in named.items() if name not in BEGIN_HERE}


def cores_of_nodes(ray: Any) -> list[int]:
    """Cores of each computer of the cluster."""
    return [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]


def cores_each(nodes: Sequence[int], processes: int) -> int:
    """Most cores that every process can have on one computer.

    >>> cores_each([16, 16], 2), cores_each([16, 16], 3), cores_each([2], 2)
    (16, 8, 1)
    """
    fitting = [
        cores for cores in range(1, max(nodes, default=0) + 1) if sum(one // cores for one in nodes) >= processes
    ]
    return max(fitting, default=1)


@contextlib.contextmanager
def processes_on_ray(address: str, processes: int, *, say: Callable[[str], None]) -> Iterator[ProcessTrainer]:
    """What trains by several processes, while the context lasts.

    Args:
        address: of the cluster, or `local`.
        processes: so many.
        say: receives messages.

    Raises:
        UsageError: the cluster has fewer cores.
        MissingPackageError: the extra `ray` is not installed.
        ResourceError: no cluster answers there.
    """
    if address == LOCAL:
        _require_cores(processes, core_count(), of="this computer")
    with connected(address, say=say) as ray:
        _require_cores(processes, sum(cores_of_nodes(ray)), of="the cluster")
        crew = RayCrew(ray, processes)
        try:
            yield ProcessTrainer(crew=crew, say=say)
        finally:
            crew.end()


def _require_cores(processes: int, cores: int, *, of: str) -> None:
    if processes > cores:
        raise UsageError(
            f"--processes {processes}, but {of} has {count_of(cores, 'core')}",
            f"Use --processes {cores} or fewer: each process needs a core.",
        )
