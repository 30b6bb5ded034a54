"""The study: what was tried and how good it was, kept by Optuna in a journal file or a database."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vidi.errors import MissingPackageError, ResourceError, UsageError, from_extra
from vidi.files import escape_path, write_whole
from vidi.training.tuning.dials import Dial, Value
from vidi.training.tuning.heartbeats import (
    WORKER,
    beating_storage,
    fail_dead_trials,
    record_heartbeat,
    try_values_again,
)
from vidi.training.tuning.trial import Outcome

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

SETTINGS = "vidi"  # the attribute that says what a study is about
CAUSE = "cause"
ENQUEUED = "fixed_params"  # the values of a trial that waits, as Optuna calls them
STARTUP_TRIALS = 8  # drawn at random before the search learns from what it saw
FREE_OF_PRUNING = 4  # trials that go to their end whatever they look like
FIRST_MARK = 2  # tenths of a trial before it may be ended
STATES = {"COMPLETE": "done", "PRUNED": "ended early", "FAIL": "failed", "RUNNING": "running"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """One trial as the tables show it."""

    number: int  # from 0, which is the default recipe
    state: str  # done, ended early, failed, interrupted, running
    accuracy: float | None  # validation, at the best epoch; None unless done
    loss: float | None
    value: float | None  # what the search maximises
    epochs: float | None
    seconds: float | None
    cause: str  # why it failed
    values: Mapping[str, Value] = field(default_factory=dict)  # where the dials stood
    marks: Mapping[int, float] = field(default_factory=dict)  # tenth of the plan → value there

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "marks": {str(mark): value for mark, value in self.marks.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySettings:
    """What a study is about; all who share it work by these."""

    data: str  # digest of the images for training and validation
    recipe: Mapping[str, Any]  # the default one, without sources
    dials: tuple[Dial, ...]
    trial_seconds: float  # for each training

    def as_text(self) -> str:
        """JSON that is the same for the same settings."""
        values = {
            "data": self.data,
            "recipe": dict(self.recipe),
            "dials": [dial.as_dict() for dial in self.dials],
            "trial_seconds": self.trial_seconds,
        }
        return json.dumps(values, sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The settings that `as_text` wrote."""
        values = json.loads(text)
        return cls(**{**values, "dials": tuple(map(Dial.from_dict, values["dials"]))})


def journal_study(path: Path, *, seed: int) -> "Study":
    """The study in a journal file of one process, begun where it is not there; a torn last line is cut off.

    Raises:
        MissingPackageError: Optuna is not installed.
        ResourceError: the file cannot be read or written.
    """
    optuna = require_optuna()
    try:
        _mend(path)
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
        return _open(storage, name="vidi", seed=seed)
    except OSError as error:
        raise ResourceError(
            f"{escape_path(path)} cannot be used: {error.strerror or error}", "Choose a folder where you may write."
        ) from error
    except (ValueError, KeyError) as error:
        raise UsageError(f"{escape_path(path)} is damaged: {error}", "Start a new search.") from error


def shared_study(storage: str, *, name: str, seed: int) -> "Study":
    """The study of that name in a database, begun where it is not there.

    Args:
        storage: a URL that Optuna understands, such as `sqlite:///study.db` or `postgresql+pg8000://…`.
        name: of the study.
        seed: of the sampler; each machine should have its own.

    Raises:
        MissingPackageError: Optuna, or the database's driver, is not installed.
        UsageError: not a URL of a database, or it cannot be reached.
    """
    require_optuna()
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    try:
        study = _open(storage, name=name, seed=seed)
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(
            "--storage is not a URL of a supported database", "Use for example sqlite:///study.db."
        ) from error
    except ImportError as error:
        raise MissingPackageError(
            f"the storage needs {error.name or 'a driver'}, which is not installed",
            f"Install it: pip install {error.name}",
        ) from error
    except (SQLAlchemyError, RuntimeError) as error:
        raise UsageError(
            f"the storage cannot be used: {_first_cause(error)}", "Check the URL, and that the database is running."
        ) from error
    fail_dead_trials(study)
    return study


def _first_cause(error: BaseException) -> str:
    """What the system or the database said, without the layers that passed it on."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = error.args[0] if error.args else ""
    if isinstance(said, dict):  # PostgreSQL answers with letters for fields; M is the message
        said = said.get("M", "")
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(said) or type(error).__name__


def _open(storage: "str | BaseStorage", *, name: str, seed: int) -> "Study":
    optuna = require_optuna()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # its parts may change: pinned, tested
        pruner = optuna.pruners.MedianPruner(n_startup_trials=FREE_OF_PRUNING, n_warmup_steps=FIRST_MARK)
        study: Study = optuna.create_study(
            storage=beating_storage(storage) if isinstance(storage, str) else storage,
            study_name=name,
            load_if_exists=True,
            direction="maximize",
            pruner=pruner,
        )
        study.sampler = optuna.samplers.TPESampler(
            seed=seed + len(study.get_trials(deepcopy=False)),  # a search that goes on draws again
            n_startup_trials=STARTUP_TRIALS,
            multivariate=True,
        )
        return study


@contextmanager
def storage_errors() -> Iterator[None]:
    """Say so where the journal or the database fails while the search goes on.

    Raises:
        ResourceError: it cannot be written or reached; what was told before is kept.
    """
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except (OSError, StorageInternalError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise ResourceError(
            f"the study could not be read or written: {reason}",
            "Free disk space or restart the database, then continue: vidi tune --resume RUN",
        ) from error


def settings_of(study: "Study") -> StudySettings | None:
    """What a study was begun with; None for a new one.

    Raises:
        UsageError: it is not a study of vidi's.
    """
    known = study.user_attrs.get(SETTINGS)
    if known is not None:
        return StudySettings.from_text(known)
    if study.get_trials(deepcopy=False):
        raise UsageError(f"the study {study.study_name!r} was not created by vidi", "Choose another --study.")
    return None


def begin(study: "Study", settings: StudySettings) -> None:
    """Write down what a new study is about."""
    study.set_user_attr(SETTINGS, settings.as_text())


def want_default(study: "Study", dials: Sequence[Dial]) -> None:
    """Make the default recipe the next trial, unless it was tried or its turn comes."""
    tried = [row.values for row in trial_rows(study) if row.state != "interrupted"]
    waiting = [trial.system_attrs for trial in study.get_trials(deepcopy=False) if trial.state.name == "WAITING"]
    waits = any(is_default(known.get(ENQUEUED, {}), dials) for known in waiting)
    if not waits and not any(is_default(values, dials) for values in tried):
        study.enqueue_trial({dial.name: dial.usual for dial in dials}, skip_if_exists=False)


def try_again(study: "Study", values: Mapping[str, Value]) -> None:
    """Make these values the next trial: whoever tried them was lost on the way."""
    study.enqueue_trial(dict(values), skip_if_exists=False)


def is_default(values: Mapping[str, Value], dials: Sequence[Dial]) -> bool:
    """Whether every dial stands where the default recipe has it."""
    return all(values.get(dial.name) == dial.usual for dial in dials)


def require_same(known: StudySettings, *, data: str, recipe: Mapping[str, Any]) -> None:
    """Make sure that a study goes on with the data and the default recipe that it was begun with.

    Raises:
        UsageError: it was begun with others.
    """
    different = [f"the recipe's {name}" for name in recipe if known.recipe.get(name) != _plain(recipe[name])]
    if known.data != data:
        different.insert(0, "the images, or their split")
    if different:
        raise UsageError(
            f"the study was started with different values: {', '.join(different)}",
            "Use the same data and options everywhere, or choose another --study.",
        )


def _plain(value: object) -> object:
    """As JSON brings it back."""
    return json.loads(json.dumps(value))


def ask(study: "Study", dials: Sequence[Dial], *, worker: str) -> "tuple[Trial, dict[str, Value]]":
    """The next trial, and where its dials stand."""
    fail_dead_trials(study)  # the values of one come next
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Heartbeat of storage", UserWarning)  # `beating` does what is missing
        trial = study.ask()
    record_heartbeat(study, trial)
    trial.set_user_attr(WORKER, worker)
    return trial, {dial.name: _suggest(trial, dial) for dial in dials}


def _suggest(trial: "Trial", dial: Dial) -> Value:
    if dial.choices:
        chosen = trial.suggest_categorical(dial.name, dial.choices)
        return dial.choices[dial.choices.index(chosen)] if chosen is not None else dial.usual
    return trial.suggest_float(dial.name, dial.low, dial.high, log=dial.is_log)


def report(trial: "Trial", value: float, mark: int) -> None:
    """Record how good a trial is after a tenth of its plan; nothing where it was given up meanwhile."""
    with _unless_given_up():
        trial.report(value, mark)


def tell_outcome(study: "Study", trial: "Trial", outcome: Outcome, *, seconds: float, was_hopeless: bool) -> None:
    """Record a trial that came to an end by itself, or was ended as hopeless; nothing where it was given up."""
    with _unless_given_up():
        trial.set_user_attr("seconds", seconds)
        trial.set_user_attr("epochs", outcome.epochs)
        if was_hopeless:
            study.tell(trial, state=_state("PRUNED"), skip_if_finished=True)
            return
        trial.set_user_attr("accuracy", outcome.accuracy)
        trial.set_user_attr("loss", outcome.loss)
        study.tell(trial, outcome.value, skip_if_finished=True)


def tell_failure(study: "Study", trial: "Trial", cause: str, *, seconds: float) -> None:
    """Record a trial that gave no result; without a cause it was interrupted."""
    with _unless_given_up():
        trial.set_user_attr("seconds", seconds)
        if cause:
            trial.set_user_attr(CAUSE, cause)
        study.tell(trial, state=_state("FAIL"), skip_if_finished=True)


@contextmanager
def _unless_given_up() -> Iterator[None]:
    """Leave a trial as it is that another machine has failed: this one gave no heartbeat for minutes, but lives."""
    from optuna.exceptions import UpdateFinishedTrialError

    with suppress(UpdateFinishedTrialError):
        yield


def clear_stale(study: "Study", *, worker: str | None) -> None:
    """Record trials that a process did not live to finish as interrupted, and have their values tried again.

    Only those of this worker, unless it is None.
    """
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name == "RUNNING" and worker in (None, trial.user_attrs.get(WORKER)):
            study.tell(trial.number, state=_state("FAIL"), skip_if_finished=True)
            try_values_again(study, trial)


def trial_rows(study: "Study") -> list[TrialRow]:
    """Every trial that has begun, in order."""
    return [_row(trial) for trial in study.get_trials(deepcopy=False) if trial.state.name != "WAITING"]


def _row(trial: "FrozenTrial") -> TrialRow:
    known = trial.user_attrs
    state = STATES[trial.state.name]
    if state == "failed" and CAUSE not in known:
        state = "interrupted"
    return TrialRow(
        number=trial.number,
        state=state,
        accuracy=known.get("accuracy"),
        loss=known.get("loss"),
        value=trial.value if state == "done" else None,
        epochs=known.get("epochs"),
        seconds=known.get("seconds"),
        cause=str(known.get(CAUSE, "")),
        values=dict(trial.params),
        marks=dict(trial.intermediate_values),
    )


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[name]


def require_optuna() -> Any:
    """The package Optuna, without its log messages.

    Raises:
        MissingPackageError: it is not installed.
    """
    with from_extra("tuning needs optuna", extra="tune"):
        import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # what happens is told through events
    return optuna


def _mend(path: Path) -> None:
    """Cut off what a power cut left half written; a lock whose owner died is removed, for the folder is held."""
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if path.exists():
        whole, _, torn = path.read_bytes().rpartition(b"\n")
        if torn:
            write_whole(path, whole + b"\n" if whole else b"")
