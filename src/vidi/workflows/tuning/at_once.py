"""Several trials at once, elsewhere: one study, which only this process asks and tells."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from vidi.errors import VidiError
from vidi.report.words.progress.tuning import lost_trial
from vidi.training.data import TrainingData
from vidi.training.loop.progress import Progress
from vidi.training.recipe import Recipe
from vidi.training.tuning import study as studies
from vidi.training.tuning.dials import Value
from vidi.training.tuning.heartbeats import MOST_ATTEMPTS
from vidi.training.tuning.study import TrialRow
from vidi.training.tuning.trial import Outcome
from vidi.workflows.tuning.trials import Search, has_room, recipe_of, require_some_success, trial_sentence

if TYPE_CHECKING:
    from optuna import Trial

LOOK_SECONDS: Final = 0.5  # between two looks at the trials


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOrder:
    """What one trial is to do."""

    number: int
    arrays: TrainingData
    recipe: Recipe
    seconds: float  # at most


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLook:
    """What was seen of one trial since the last look."""

    progress: Progress | None = None
    marks: Sequence[tuple[int, float]] = ()  # tenths of the plan, with the value there
    outcome: Outcome | None = None  # it has ended
    seconds: float | None = None  # that it took there
    error: VidiError | None = None  # it has failed
    lost: str = ""  # why its worker gives no answer any more


class TrialCrew(Protocol):
    """Workers that try one recipe each; Ray's, or a test's. What is running is whatever they like."""

    def room(self) -> int:
        """How many trials may run now."""

    def start(self, order: TrialOrder) -> Any:
        """Begin a trial."""

    def look(self, running: Sequence[Any], seconds: float) -> Mapping[Any, TrialLook]:
        """What is new of each; waits for an end at most this long."""

    def ask_to_stop(self, running: Any) -> None:
        """End a trial soon."""


@dataclass(slots=True)
class _TrialAway:
    """A trial that runs somewhere."""

    trial: "Trial"
    values: Mapping[str, Value]
    began: float  # by the clock
    is_hopeless: bool = False
    is_stopped: bool = False  # by the user


@dataclass(slots=True)
class _TrialsAtOnce:
    search: Search
    crew: TrialCrew
    clock: Callable[[], float]
    running: dict[Any, _TrialAway]
    losses: dict[tuple[tuple[str, Value], ...], int]  # of workers, by the values that they tried

    def begin(self) -> None:
        """Ask for a trial and have it begin."""
        search = self.search
        trial, values = studies.ask(search.study, search.settings.dials, worker=search.worker)
        recipe = recipe_of(search.recipe, search.settings.dials, values, source=f"tune: trial {trial.number}")
        arrays = search.images.arrays(recipe.image_size, search.context.events.reading)
        order = TrialOrder(number=trial.number, arrays=arrays, recipe=recipe, seconds=search.settings.trial_seconds)
        self.running[self.crew.start(order)] = _TrialAway(trial, values, self.clock())

    def note(self, handle: Any, look: TrialLook) -> bool:
        """Record what was seen of a trial; true where it is over."""
        one, search = self.running[handle], self.search
        for mark, value in look.marks:
            studies.report(one.trial, value, mark)
        is_default = studies.is_default(one.values, search.settings.dials)
        if look.marks and not is_default and not one.is_hopeless and one.trial.should_prune():
            one.is_hopeless = True
            self.crew.ask_to_stop(handle)
        if look.progress is not None:
            search.tell(f"trial {one.trial.number}")(look.progress)
        if look.outcome is None and look.error is None and not look.lost:
            return False
        del self.running[handle]
        self._record(one, look)
        search.context.events.say(trial_sentence(search, one.trial.number))
        return True

    def _record(self, one: _TrialAway, look: TrialLook) -> None:
        study, seconds = self.search.study, look.seconds or self.clock() - one.began
        if look.lost:
            self._lose(one, look.lost, seconds)
        elif look.error is not None:
            studies.tell_failure(study, one.trial, look.error.cause, seconds=seconds)
        elif look.outcome is not None:
            if look.outcome.stopped_by == "user" and not one.is_hopeless:
                studies.tell_failure(study, one.trial, "", seconds=seconds)
            else:
                studies.tell_outcome(study, one.trial, look.outcome, seconds=seconds, was_hopeless=one.is_hopeless)

    def _lose(self, one: _TrialAway, why: str, seconds: float) -> None:
        """A trial without a result: the same values again, but not for ever."""
        key = tuple(sorted(one.values.items()))
        self.losses[key] = self.losses.get(key, 0) + 1
        is_last = self.losses[key] >= MOST_ATTEMPTS
        cause = f"its worker was lost {MOST_ATTEMPTS} times ({why})" if is_last else ""
        studies.tell_failure(self.search.study, one.trial, cause, seconds=seconds)
        if not is_last:
            self.search.context.events.say(lost_trial(one.trial.number, why))
            if not one.is_stopped:
                studies.try_again(self.search.study, one.values)

    def stop(self) -> None:
        """The user asks for an end."""
        for handle, one in self.running.items():
            if not one.is_stopped:
                one.is_stopped = True
                self.crew.ask_to_stop(handle)


def run_trials_at_once(
    search: Search,
    crew: TrialCrew,
    *,
    after_each: Callable[[list[TrialRow]], None],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Try recipes, as many at once as the crew has room for, until time or trials are used up or the user stops it.

    Args:
        search: its study is asked and told here alone.
        crew: trains the recipes.
        after_each: called with all trials so far when one has ended.
        clock: steady seconds.

    Raises:
        GateError: the first ten trials all failed.
    """
    trials = _TrialsAtOnce(search, crew, clock, {}, {})
    while True:
        while not search.context.should_stop() and len(trials.running) < crew.room() and has_room(search):
            trials.begin()
        if not trials.running:
            return
        if search.context.should_stop():
            trials.stop()
        ended = [trials.note(handle, look) for handle, look in crew.look(list(trials.running), LOOK_SECONDS).items()]
        if any(ended):
            rows = studies.trial_rows(search.study)
            after_each(rows)
            require_some_success([row for row in rows if row.state != "running"])
