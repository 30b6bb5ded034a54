"""The study: what was tried and how good it was, kept by Optuna in a journal file or a database."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vidi.errors import MissingPackageError, ResourceError, UsageError, from_extra
from vidi.files import escape_path, write_atomic
from vidi.training.tuning.search_space import Hyperparameter, Value
from vidi.training.tuning.trial import TrialResult

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

SETTINGS = "vidi"  # the attribute that says what a study is about
CAUSE = "cause"
WORKER = "worker"  # the attribute of a trial that names its process
HEARTBEAT_SECONDS = 60  # of trials in a shared database
GRACE_SECONDS = 300  # without a heartbeat, by the database's clock, after which a process counts as dead
MOST_ATTEMPTS = 3  # at the same values, where those who try them die
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
    values: Mapping[str, Value] = field(default_factory=dict)  # where the hyperparameters stood
    marks: Mapping[int, float] = field(default_factory=dict)  # tenth of the plan → value there

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "marks": {str(mark): value for mark, value in self.marks.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySettings:
    """What a study is about; all who share it work by these."""

    data: str  # digest of the images for training and validation
    recipe: Mapping[str, Any]  # the default one, without sources
    hyperparameters: tuple[Hyperparameter, ...]
    trial_seconds: float  # for each training

    def as_text(self) -> str:
        """JSON that is the same for the same settings."""
        values = {
            "data": self.data,
            "recipe": dict(self.recipe),
            "hyperparameters": [hyperparameter.as_dict() for hyperparameter in self.hyperparameters],
            "trial_seconds": self.trial_seconds,
        }
        return json.dumps(values, sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The settings that `as_text` wrote."""
        values = json.loads(text)
        return cls(**{**values, "hyperparameters": tuple(map(Hyperparameter.from_dict, values["hyperparameters"]))})


class _NoOutcomeError(Exception):
    """Tells Optuna that a trial has failed."""


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
        seed: of the sampler; each machine should have its own.

    Raises:
        MissingPackageError: Optuna, or the database's driver, is not installed.
        UsageError: not a URL of a database, or it cannot be reached.
    """
    optuna = require_optuna()
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
    with _without_warnings():
        optuna.storages.fail_stale_trials(study)
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
    with _without_warnings():
        if isinstance(storage, str):
            storage = optuna.storages.RDBStorage(
                storage,
                heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=GRACE_SECONDS,
                heartbeat_stale_trial_callback=_again(),
            )
        pruner = optuna.pruners.MedianPruner(n_startup_trials=FREE_OF_PRUNING, n_warmup_steps=FIRST_MARK)
        study: Study = optuna.create_study(
            storage=storage, study_name=name, load_if_exists=True, direction="maximize", pruner=pruner
        )
        study.sampler = optuna.samplers.TPESampler(
            seed=seed + len(study.get_trials(deepcopy=False)),  # a search that goes on draws again
            n_startup_trials=STARTUP_TRIALS,
            multivariate=True,
        )
        return study


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Parts of Optuna may change, as it warns: they are pinned and tested."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _again() -> Any:
    """What makes the values of a trial whose process died the next ones, but not for ever."""
    return require_optuna().storages.RetryHeartbeatStaleTrialCallback(max_retry=MOST_ATTEMPTS - 1)


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


def want_default(study: "Study", hyperparameters: Sequence[Hyperparameter]) -> None:
    """Make the default recipe the next trial, unless it was tried or its turn comes."""
    tried = [row.values for row in trial_rows(study) if row.state != "interrupted"]
    waiting = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "WAITING"]
    waits = any(is_default(trial.system_attrs.get(ENQUEUED, trial.params), hyperparameters) for trial in waiting)
    if not waits and not any(is_default(values, hyperparameters) for values in tried):
        study.enqueue_trial(
            {hyperparameter.name: hyperparameter.usual for hyperparameter in hyperparameters}, skip_if_exists=False
        )


def is_default(values: Mapping[str, Value], hyperparameters: Sequence[Hyperparameter]) -> bool:
    """Whether every hyperparameter stands where the default recipe has it."""
    return all(values.get(hyperparameter.name) == hyperparameter.usual for hyperparameter in hyperparameters)


def require_same(known: StudySettings, *, data: str, recipe: Mapping[str, Any]) -> None:
    """Make sure that a study goes on with the data and the default recipe that it was begun with.

    Raises:
        UsageError: it was begun with others.
    """
    now = json.loads(json.dumps(dict(recipe)))  # as JSON brings it back
    different = [f"the recipe's {name}" for name in now if known.recipe.get(name) != now[name]]
    if known.data != data:
        different.insert(0, "the images, or their split")
    if different:
        raise UsageError(
            f"the study was started with different values: {', '.join(different)}",
            "Use the same data and options everywhere, or choose another --study.",
        )


def run_next(
    study: "Study",
    hyperparameters: Sequence[Hyperparameter],
    *,
    worker: str,
    attempt: "Callable[[Trial, dict[str, Value]], TrialResult]",
) -> int:
    """Attempt the next trial and record its result, while Optuna gives its heartbeats: its number.

    Nothing is recorded of a trial that another machine has failed meanwhile: this one gave no heartbeat for minutes.

    Args:
        study: of which a trial is asked; before that, those of dead processes are failed.
        attempt: told the trial and where its hyperparameters stand.
    """
    from optuna.exceptions import UpdateFinishedTrialError

    ended: list[int] = []

    def objective(trial: "Trial") -> float:
        trial.set_user_attr(WORKER, worker)
        result = attempt(
            trial, {hyperparameter.name: _suggest(trial, hyperparameter) for hyperparameter in hyperparameters}
        )
        ended.append(trial.number)
        return _recorded(trial, result)

    try:
        study.optimize(objective, n_trials=1, catch=(_NoOutcomeError,))
    except (ValueError, UpdateFinishedTrialError):  # the second becomes the first on its way through Optuna
        if not ended:
            raise
    except AssertionError as error:  # Optuna's, in place of the error of a journal that cannot be written
        raise (error.__context__ or error) from None
    return ended[0]


def _recorded(trial: "Trial", result: TrialResult) -> float:
    """Note a result; the value to maximise, or an error by which Optuna knows that there is none."""
    from optuna import TrialPruned

    trial.set_user_attr("seconds", result.seconds)
    if result.outcome is None:
        if result.cause:
            trial.set_user_attr(CAUSE, result.cause)
        raise _NoOutcomeError
    trial.set_user_attr("epochs", result.outcome.epochs)
    if result.was_hopeless:
        raise TrialPruned
    trial.set_user_attr("accuracy", result.outcome.accuracy)
    trial.set_user_attr("loss", result.outcome.loss)
    return result.outcome.value


def try_again(study: "Study", number: int) -> None:
    """Make the values of a trial the next ones: whoever tried them was lost on the way. Not for ever."""
    with _without_warnings():
        _again()(study, study.get_trials()[number])


def _suggest(trial: "Trial", hyperparameter: Hyperparameter) -> Value:
    if hyperparameter.choices:
        chosen = trial.suggest_categorical(hyperparameter.name, hyperparameter.choices)
        return (
            hyperparameter.choices[hyperparameter.choices.index(chosen)] if chosen is not None else hyperparameter.usual
        )
    return trial.suggest_float(hyperparameter.name, hyperparameter.low, hyperparameter.high, log=hyperparameter.is_log)


def report(trial: "Trial", value: float, mark: int) -> None:
    """Record how good a trial is after a tenth of its plan; nothing where another machine has failed it meanwhile."""
    from optuna.exceptions import UpdateFinishedTrialError

    with suppress(UpdateFinishedTrialError):
        trial.report(value, mark)


def clear_stale(study: "Study", *, worker: str | None) -> None:
    """Record trials that a process did not live to finish as interrupted, and have their values tried again.

    Only those of this worker, unless it is None.
    """
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False):
        if trial.state.name == "RUNNING" and worker in (None, trial.user_attrs.get(WORKER)):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            try_again(study, trial.number)


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
            write_atomic(path, whole + b"\n" if whole else b"")
