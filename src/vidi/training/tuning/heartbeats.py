"""Heartbeats of trials in a shared database: what a dead process was trying is failed there, and tried again."""

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

HEARTBEAT_SECONDS: Final = 60
GRACE_SECONDS: Final = 300  # without a heartbeat, by the database's clock, after which a process counts as dead
MOST_ATTEMPTS: Final = 3  # at the same values, where those who try them die
WORKER: Final = "worker"  # the attribute of a trial that names its process


def beating_storage(url: str) -> "RDBStorage":
    """A database in which Optuna keeps heartbeats.

    Args:
        url: such as `sqlite:///study.db`.
    """
    from optuna.storages import RDBStorage

    return RDBStorage(
        url,
        heartbeat_interval=HEARTBEAT_SECONDS,
        grace_period=GRACE_SECONDS,
        heartbeat_stale_trial_callback=try_values_again,
    )


def try_values_again(study: "Study", trial: "FrozenTrial") -> None:
    """Make the values of a trial whose process died the next ones, but not for ever."""
    dead = [one for one in study.get_trials(deepcopy=False) if one.state.name == "FAIL" and one.params == trial.params]
    if trial.params and len(dead) < MOST_ATTEMPTS:
        study.enqueue_trial(dict(trial.params), skip_if_exists=False)


def fail_dead_trials(study: "Study") -> None:
    """Fail the trials whose process gave no heartbeat for too long, whichever machine it ran on, and try them again."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import fail_stale_trials

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        fail_stale_trials(study)  # does nothing for a journal: its folder is held by one process


def record_heartbeat(study: "Study", trial: "Trial | FrozenTrial") -> None:
    """Note in the database that the process of a trial lives; nothing in a journal."""
    from optuna.storages import JournalStorage

    storage = study._storage  # Optuna beats for `study.optimize` alone
    if not isinstance(storage, JournalStorage):
        storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]  # all others have it


@contextlib.contextmanager
def beating(study: "Study", *, worker: str, seconds: float = HEARTBEAT_SECONDS) -> Iterator[None]:
    """A thread gives heartbeats for the running trials of a worker while the context lasts.

    Args:
        study: in a database; for a journal nothing is done.
        worker: that this process is.
        seconds: between two heartbeats.
    """
    from optuna.trial import TrialState

    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(seconds):
            with contextlib.suppress(Exception):  # the search itself says what the database lacks
                for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                    if trial.user_attrs.get(WORKER) == worker:
                        record_heartbeat(study, trial)

    thread = threading.Thread(target=beat, name="vidi-heartbeats", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
