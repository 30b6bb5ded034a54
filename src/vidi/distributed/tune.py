"""`vidi tune --ray`: a trial on each core of a cluster, for a study that the driver alone asks and tells."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vidi.distributed.cluster import ONE_CORE, connected, end_actor, failure_of
from vidi.errors import ResourceError
from vidi.machine import SHORT_WAIT, Deadline
from vidi.training.data import TrainingData
from vidi.training.loop.progress import Progress
from vidi.training.loop.shortage import is_memory_shortage
from vidi.training.recipe import Recipe
from vidi.training.tuning.trial import Outcome, run_trial
from vidi.workflows.tuning.at_once import TrialLook, TrialOrder

PATIENCE_SECONDS: Final = 300.0  # without an answer, a step or a core


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTold:
    """What a worker tells of its trial: the heartbeat of the search."""

    number: int  # of the trial
    steps: int
    progress: Progress | None
    marks: tuple[tuple[int, float], ...]


class TrialProcess:
    """Tries one recipe after the other; runs in a process of Ray, and answers while it trains."""

    def __init__(self) -> None:
        self._number, self._steps, self._stop = -1, 0, False
        self._progress: Progress | None = None
        self._marks: list[tuple[int, float]] = []

    def run(
        self, images: NDArray[np.uint8], others: dict[str, Any], recipe: Recipe, number: int, seconds: float
    ) -> tuple[Outcome, float]:
        """Train a recipe and judge it on the validation images: how good it is, and the seconds that it took."""
        import torch

        began = time.monotonic()
        torch.set_num_threads(1)
        self._number, self._steps, self._stop, self._progress, self._marks = number, 0, False, None, []

        def note(progress: Progress) -> None:
            self._steps, self._progress = self._steps + 1, progress

        def mark(tenth: int, value: float) -> bool:
            self._marks.append((tenth, value))
            return False  # the driver says whether it is hopeless

        try:
            with tempfile.TemporaryDirectory(prefix="vidi-trial-") as place:
                outcome = run_trial(
                    TrainingData(images=images, **others),
                    recipe,
                    folder=Path(place) / "trial",
                    deadline=Deadline.after(seconds),
                    is_hopeless=mark,
                    should_stop=lambda: self._stop,
                    on_progress=note,
                )
                return outcome, time.monotonic() - began
        except (MemoryError, RuntimeError) as error:
            if not is_memory_shortage(error):
                raise
            raise ResourceError("not enough memory", "Use smaller images.") from error

    def look(self, marks: int) -> TrialTold:
        """What is new, after the marks that were seen before."""
        return TrialTold(
            number=self._number, steps=self._steps, progress=self._progress, marks=tuple(self._marks[marks:])
        )

    def stop(self) -> None:
        """End soon."""
        self._stop = True


@dataclass(slots=True)
class _RayTrial:
    """A trial that a worker has."""

    number: int
    worker: Any
    alive_at: float  # by the clock, when it last did a step
    steps: int = 0
    marks: int = 0
    asked: Any = None  # the look that it has not answered yet


class RayTrials:
    """Workers on a Ray cluster, one core each; a trial is known by what Ray gives for its run."""

    def __init__(
        self, ray: Any, *, patience: float = PATIENCE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ray, self._patience, self._clock = ray, patience, clock
        own = {"VIDI_CORES": ONE_CORE, "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": SHORT_WAIT}
        self._made = ray.remote(TrialProcess).options(num_cpus=1, max_concurrency=2, runtime_env={"env_vars": own})
        self._idle: list[Any] = []
        self._attempts: dict[Any, _RayTrial] = {}
        self._sent: dict[tuple[int, int], tuple[Any, Any]] = {}  # by image size: images, and the rest of the data

    def room(self) -> int:
        """A trial on each core."""
        nodes = (node for node in self._ray.nodes() if node["Alive"])
        return max(1, sum(int(node["Resources"].get("CPU", 0)) for node in nodes))

    def start(self, order: TrialOrder) -> Any:
        """Give a trial to a worker that is idle, or to a new one."""
        worker = self._idle.pop() if self._idle else self._made.remote()
        running = worker.run.remote(*self._data(order.arrays), order.recipe, order.number, order.seconds)
        self._attempts[running] = _RayTrial(order.number, worker, self._clock())
        return running

    def _data(self, arrays: TrainingData) -> tuple[Any, Any]:
        """The images of one size, which each computer takes once."""
        size = arrays.image_size()
        if size not in self._sent:
            named = {one.name: object.__getattribute__(arrays, one.name) for one in fields(arrays)}
            images = named.pop("images")
            self._sent[size] = (self._ray.put(np.asarray(images)), self._ray.put(named))
        return self._sent[size]

    def look(self, running: Sequence[Any], seconds: float) -> Mapping[Any, TrialLook]:
        """What is new of each trial."""
        done, going = self._ray.wait(list(running), num_returns=len(running), timeout=seconds)
        seen = {one: self._ended(one) for one in done}
        for one in going:
            attempt = self._attempts[one]
            if attempt.asked is None:
                attempt.asked = attempt.worker.look.remote(attempt.marks)
            seen[one] = self._alive(one, attempt)
        return seen

    def _ended(self, running: Any) -> TrialLook:
        """The outcome, with the marks that were not yet seen; the worker is idle again, or lost."""
        attempt, errors = self._attempts.pop(running), self._ray.exceptions
        try:
            outcome, seconds = self._ray.get(running)
            told = self._ray.get(attempt.worker.look.remote(attempt.marks), timeout=self._patience)
        except errors.RayTaskError as error:
            self._idle.append(attempt.worker)
            return TrialLook(error=failure_of(error))
        except errors.RayError as error:
            return TrialLook(lost=type(error).__name__)
        self._idle.append(attempt.worker)
        return TrialLook(outcome=outcome, seconds=seconds, progress=told.progress, marks=told.marks)

    def _alive(self, running: Any, attempt: _RayTrial) -> TrialLook:
        """The answer to a look, if it is there; a worker without a step for too long is ended."""
        answered, _ = self._ray.wait([attempt.asked], timeout=0)
        if answered:
            try:
                told: TrialTold = self._ray.get(attempt.asked)
            except self._ray.exceptions.RayError:
                return TrialLook()  # its run ends, too, and says why
            attempt.asked = None
            if told.number == attempt.number:
                if told.steps != attempt.steps:
                    attempt.steps, attempt.alive_at = told.steps, self._clock()
                attempt.marks += len(told.marks)
                return TrialLook(progress=told.progress, marks=told.marks)
        if self._clock() - attempt.alive_at > self._patience:
            end_actor(self._ray, self._attempts.pop(running).worker)
            return TrialLook(lost=f"no step in {self._patience:g} s")
        return TrialLook()

    def ask_to_stop(self, running: Any) -> None:
        """The worker ends the trial after this step."""
        self._attempts[running].worker.stop.remote()

    def end(self) -> None:
        """End all workers."""
        for worker in [*self._idle, *(one.worker for one in self._attempts.values())]:
            end_actor(self._ray, worker)
        self._idle, self._attempts = [], {}


@dataclass(frozen=True)
class TrialsWhenNeeded:
    """Trials on a cluster that is connected to, or started, once their number is asked for."""

    make_ready: Callable[[], RayTrials]

    @cached_property
    def _trials(self) -> RayTrials:
        return self.make_ready()

    def room(self) -> int:
        """A trial on each core."""
        return self._trials.room()

    def start(self, order: TrialOrder) -> Any:
        """Begin a trial."""
        return self._trials.start(order)

    def look(self, running: Sequence[Any], seconds: float) -> Mapping[Any, TrialLook]:
        """What is new of each trial."""
        return self._trials.look(running, seconds)

    def ask_to_stop(self, running: Any) -> None:
        """The worker ends the trial after this step."""
        self._trials.ask_to_stop(running)


@contextlib.contextmanager
def trials_on_ray(address: str, *, say: Callable[[str], None]) -> Iterator[TrialsWhenNeeded]:
    """What tries recipes on a cluster, while the context lasts; a cluster is asked for once there is something to try.

    Args:
        address: of the cluster, or `local`.
        say: receives messages.
    """
    with contextlib.ExitStack() as stack:

        def make_ready() -> RayTrials:
            """Raises what `connected` does."""
            trials = RayTrials(stack.enter_context(connected(address, say=say)))
            stack.callback(trials.end)
            return trials

        yield TrialsWhenNeeded(make_ready)
