"""`vidi tune --ray`: a trial on each core of a cluster, for a study that the driver alone asks and tells."""

import contextlib
import itertools
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vidi.distributed.cluster import ONE_CORE, connected, failure_of, give_up
from vidi.errors import ResourceError
from vidi.machine import SHORT_WAIT, Deadline, is_memory_shortage
from vidi.training.data import TrainingData
from vidi.training.loop.progress import Progress
from vidi.training.recipe import Recipe
from vidi.training.tuning.trial import Outcome, TrialTerms, run_trial
from vidi.workflows.tuning.trials import TrialLostError

PATIENCE_SECONDS: Final = 300.0  # without a step or a core
LOOK_SECONDS: Final = 0.5  # between two reports of a trial, and two looks at them


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialReport:
    """How far a trial is."""

    steps: int
    progress: Progress
    marks: tuple[tuple[int, float], ...]  # tenths of the plan, with the value there


class TrialBoard:
    """Where trials report, and read whether to go on; an actor of Ray, which each report makes whole again."""

    def __init__(self) -> None:
        self._reports: dict[int, TrialReport] = {}
        self._ended = set[int]()

    def report(self, number: int, report: TrialReport) -> bool:
        """Keep a trial's report; true where the trial is to end."""
        self._reports[number] = report
        return number in self._ended

    def look(self, number: int) -> TrialReport | None:
        """The last report of a trial."""
        return self._reports.get(number)

    def end(self, number: int) -> None:
        """The trial is to end soon."""
        self._ended.add(number)

    def forget(self, number: int) -> None:
        """The trial has ended."""
        self._reports.pop(number, None)
        self._ended.discard(number)


def try_there(
    board: Any, number: int, images: NDArray[np.uint8], others: dict[str, Any], *, recipe: Recipe, seconds: float
) -> Outcome:
    """Train a recipe and judge it on the validation images; a task of Ray, which reports while it trains."""
    import torch

    torch.set_num_threads(1)
    ray: Any = import_module("ray")
    steps, marks, reported, is_over = 0, list[tuple[int, float]](), -LOOK_SECONDS, False

    def report(progress: Progress) -> None:
        nonlocal steps, reported, is_over
        steps += 1
        if time.monotonic() - reported >= LOOK_SECONDS:
            own = TrialReport(steps=steps, progress=progress, marks=tuple(marks))
            is_over = ray.get(board.report.remote(number, own)) or is_over
            reported = time.monotonic()

    def mark(tenth: int, value: float) -> bool:
        nonlocal reported
        marks.append((tenth, value))
        reported = -LOOK_SECONDS  # the next step reports it; the driver says whether it is hopeless
        return False

    try:
        with tempfile.TemporaryDirectory(prefix="vidi-trial-") as place:
            terms = TrialTerms(
                folder=Path(place) / "trial",
                deadline=Deadline.after(seconds),
                is_hopeless=mark,
                should_stop=lambda: is_over,
                on_progress=report,
            )
            return run_trial(TrainingData(images=images, **others), recipe, terms)
    except (MemoryError, RuntimeError) as error:
        if not is_memory_shortage(error):
            raise
        raise ResourceError("not enough memory", "Use smaller images.") from error


class RayTrials:
    """Tries recipes on a Ray cluster, one core each; called from a thread for each of them."""

    def __init__(
        self,
        connect: Callable[[], Any],
        *,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            connect: gives Ray, once it is needed.
            patience: seconds without a step, after which a trial is lost.
            clock: steady seconds.
        """
        self._connect, self._patience, self._clock = connect, patience, clock
        self._numbers = itertools.count()
        self._sent: dict[tuple[int, int], tuple[Any, Any]] = {}  # by image size: images, and the rest of the data
        self._sending = threading.Lock()

    @cached_property
    def _ray(self) -> Any:
        return self._connect()

    @cached_property
    def _board(self) -> Any:
        near = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
        here = near(self._ray.get_runtime_context().get_node_id(), soft=True)
        made = self._ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here)
        return made(TrialBoard).remote()

    @cached_property
    def _task(self) -> Any:
        own = {"VIDI_CORES": ONE_CORE, "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": SHORT_WAIT}
        # The study itself has the values of a lost trial tried again, so Ray does not.
        return self._ray.remote(num_cpus=1, max_retries=0, runtime_env={"env_vars": own})(try_there)

    def room(self) -> int:
        """A trial on each core.

        Raises:
            VidiError: as `connected`.
        """
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def __call__(self, arrays: TrainingData, recipe: Recipe, terms: TrialTerms) -> Outcome:
        """How good a recipe was; see `run_trial`.

        Raises:
            TrialLostError: the worker is gone, or does no step.
            VidiError: the training itself failed.
        """
        with self._sending:
            number, data, board = next(self._numbers), self._data(arrays), self._board
            running = self._task.remote(board, number, *data, recipe=recipe, seconds=terms.deadline.seconds_left())
        steps, seen, moved = 0, 0, self._clock()
        try:
            while True:
                done, _ = self._ray.wait([running], timeout=LOOK_SECONDS)
                report = self._look(number)
                if report is not None:
                    if report.steps != steps:
                        steps, moved = report.steps, self._clock()
                        terms.on_progress(report.progress)
                    for tenth, value in report.marks[seen:]:
                        if terms.is_hopeless(tenth, value):
                            board.end.remote(number)
                    seen = len(report.marks)
                if done:
                    return self._outcome(running)
                if terms.should_stop():
                    board.end.remote(number)
                if self._clock() - moved > self._patience:
                    raise TrialLostError(f"no step in {self._patience:g} s")
        finally:
            give_up(self._ray, running)
            board.forget.remote(number)

    def _look(self, number: int) -> TrialReport | None:
        """The last report of a trial, if the board answers soon."""
        try:
            report: TrialReport | None = self._ray.get(self._board.look.remote(number), timeout=self._patience)
        except self._ray.exceptions.RayError:
            return None
        return report

    def _outcome(self, running: Any) -> Outcome:
        errors = self._ray.exceptions
        try:
            outcome: Outcome = self._ray.get(running)
        except errors.RayTaskError as error:
            if isinstance(error.cause, errors.RayError):
                raise TrialLostError("its board is gone") from error
            raise failure_of(error) from error
        except errors.RayError as error:
            raise TrialLostError(type(error).__name__) from error
        return outcome

    def _data(self, arrays: TrainingData) -> tuple[Any, Any]:
        """The images of one size, which each computer takes once."""
        size = arrays.image_size()
        if size not in self._sent:
            named = {one.name: object.__getattribute__(arrays, one.name) for one in fields(arrays)}
            images = named.pop("images")
            self._sent[size] = (self._ray.put(np.asarray(images)), self._ray.put(named))
        return self._sent[size]


@contextlib.contextmanager
def trials_on_ray(address: str, *, say: Callable[[str], None]) -> Iterator[RayTrials]:
    """What tries recipes on a cluster while the context lasts; connects once there is something to try."""
    with contextlib.ExitStack() as stack:
        yield RayTrials(lambda: stack.enter_context(connected(address, say=say)))
