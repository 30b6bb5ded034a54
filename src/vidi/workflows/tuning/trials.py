"""The trials of a search: each is asked for, trained, judged on the validation images, and recorded in any case."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidi.errors import GateError, VidiError
from vidi.machine import Deadline, give_memory_back, is_memory_shortage
from vidi.numbers import percent
from vidi.training.data import TrainingData
from vidi.training.loop.progress import Progress, SearchProgress
from vidi.training.recipe import Recipe
from vidi.training.tuning import study as studies
from vidi.training.tuning.search_space import Hyperparameter, Value, changes_of
from vidi.training.tuning.study import StudySettings, TrialRow
from vidi.training.tuning.trial import TrialResult, TrialTerms, run_trial
from vidi.workflows.run.budget import Session
from vidi.workflows.tuning.framed_rows import FramedRows

if TYPE_CHECKING:
    from optuna import Study, Trial

MOST_FAILURES = 10  # in a row from the first trial on: then something else is wrong than one recipe
BEHIND = "stopped early, behind the others"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialImages:
    """All that a trial may see: the images to learn from, then those to judge by."""

    learned: FramedRows
    train_count: int  # the first rows are used for training, the rest is for validation
    classes: tuple[str, ...]
    start: Mapping[str, NDArray[np.float32]] | None  # weights to begin from
    weights: NDArray[np.float64] | None = None  # (images,) as how many images each counts in training

    def arrays(self, size: tuple[int, int], on_progress: Callable[[int, int], None] | None = None) -> TrainingData:
        """The images at one size.

        Raises:
            DataError, ResourceError: as `FramedRows.at`.
        """
        rows = np.arange(len(self.learned.truth))
        return TrainingData(
            images=self.learned.at(size, on_progress),
            truth=self.learned.truth,
            train_rows=rows[: self.train_count],
            validation_rows=rows[self.train_count :],
            classes=self.classes,
            start=self.start,
            weights=self.weights,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What the trials of one process share."""

    study: "Study"
    settings: StudySettings
    recipe: Recipe  # the default one
    images: TrialImages
    workshop: Path  # a folder for one training at a time
    worker: str
    until: Deadline  # no trial may end later
    most_trials: int | None  # of the study
    session: Session  # its deadline is for the whole work

    def terms(self, doing: str) -> TrialTerms:
        """Within what one training runs; who listens hears what is being done."""
        best, until = best_row(studies.trial_rows(self.study)), self.session.budget.deadline or self.until

        def listen(progress: Progress) -> None:
            shown = SearchProgress(
                doing=doing,
                training=progress,
                best_accuracy=None if best is None else best.accuracy,
                best_trial=None if best is None else best.number,
                seconds_left=until.seconds_left(),
            )
            self.session.events.searching(shown)

        return TrialTerms(
            folder=self.workshop,
            deadline=Deadline.after(self.settings.trial_seconds),
            should_stop=self.session.should_stop,
            on_progress=listen,
        )


def run_trials(search: Search, *, after_each: Callable[[list[TrialRow]], None]) -> None:
    """Try recipes until the time or the number of trials is used up, or the user asks for an end.

    Args:
        after_each: called with all trials so far when one has ended.

    Raises:
        GateError: the first ten trials all failed.
    """
    while not search.session.should_stop() and has_room(search):
        _note(search, _try_one(search), after_each=after_each)


def _note(search: Search, number: int, *, after_each: Callable[[list[TrialRow]], None]) -> None:
    """Say and keep what a trial gave.

    Raises:
        GateError: the first ten trials all failed.
    """
    search.session.events.say(trial_sentence(search, number))
    rows = studies.trial_rows(search.study)
    after_each(rows)
    ended = [row for row in rows if row.state != "running"]
    if len(ended) >= MOST_FAILURES and all(row.state == "failed" for row in ended):
        raise GateError(
            f"the first {len(ended)} trials all failed; the last error: {ended[-1].cause}",
            "Run `vidi train` to find the cause, then search again.",
        )


def best_row(rows: list[TrialRow]) -> TrialRow | None:
    """The trial with the best value; among equals the first, so that the default stays where nothing is better."""
    done = [row for row in rows if row.state == "done" and row.value is not None]
    return max(done, key=lambda row: (row.value or 0.0, -row.number), default=None)


def recipe_of(
    recipe: Recipe, hyperparameters: tuple[Hyperparameter, ...], values: Mapping[str, Value], *, source: str
) -> Recipe:
    """The default recipe with the hyperparameters turned; `source` says by whom."""
    return recipe.changed(changes_of(recipe, hyperparameters, values), source=source)


def has_room(search: Search) -> bool:
    """Whether one more trial has the time that every trial gets."""
    rows = studies.trial_rows(search.study)
    counted = [row for row in rows if row.state != "interrupted"]
    if search.most_trials is not None and len(counted) >= search.most_trials:
        return False
    return search.until.seconds_left() >= search.settings.trial_seconds


def _try_one(search: Search) -> int:
    """Try the next recipe of the study: the trial's number."""

    def attempt(trial: "Trial", values: dict[str, Value]) -> TrialResult:
        began = time.monotonic()
        try:
            result = _train(search, trial, values)
        except VidiError as error:
            result = TrialResult(cause=error.cause)
        except (MemoryError, RuntimeError) as error:
            if not is_memory_shortage(error):
                raise
            give_memory_back()
            result = TrialResult(cause="not enough memory")
        return replace(result, seconds=time.monotonic() - began)

    return studies.run_next(search.study, search.settings.hyperparameters, worker=search.worker, attempt=attempt)


def _train(search: Search, trial: "Trial", values: Mapping[str, Value]) -> TrialResult:
    """Train the recipe of a trial, and report to the study on the way."""
    recipe = recipe_of(search.recipe, search.settings.hyperparameters, values, source=f"tune: trial {trial.number}")
    is_default = studies.is_default(values, search.settings.hyperparameters)
    arrays = search.images.arrays(recipe.image_size, search.session.events.reading)
    hopeless: list[int] = []

    def is_hopeless(mark: int, value: float) -> bool:
        studies.report(trial, value, mark)
        if not is_default and trial.should_prune():  # the default recipe is the measure: it goes to its end
            hopeless.append(mark)
        return bool(hopeless)

    terms = replace(search.terms(f"trial {trial.number}"), is_hopeless=is_hopeless)
    outcome = run_trial(arrays, recipe, terms)
    if outcome.stopped_by == "user" and not hopeless:
        return TrialResult()
    return TrialResult(outcome=outcome, was_hopeless=bool(hopeless))


def trial_sentence(search: Search, number: int) -> str:
    """What is said of a trial when it is over."""
    rows = studies.trial_rows(search.study)
    row, best = next(row for row in rows if row.number == number), best_row(rows)
    what = {
        "done": f"accuracy {percent(row.accuracy or 0, digits=1)} on the validation images",
        "ended early": BEHIND,
        "interrupted": "interrupted",
    }.get(row.state, f"failed: {row.cause}")
    default = " (the default recipe)" if studies.is_default(row.values, search.settings.hyperparameters) else ""
    standing = "" if best is None else f"; best so far {percent(best.accuracy or 0, digits=1)} (trial {best.number})"
    return f"trial {number}{default}: {what}{standing}"
