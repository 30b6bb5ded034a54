"""Heartbeats: the trials of a process that was killed are failed by the next one, and their values tried again."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vidi.training.tuning import study as studies
from vidi.training.tuning.dials import Dial
from vidi.training.tuning.heartbeats import MOST_ATTEMPTS, beating, fail_dead_trials
from vidi.training.tuning.trial import Outcome

DIALS = (Dial(name="learning_rate", low=0.1, high=10.0, usual=1.0, is_log=True),)

# A process that begins a trial and then lives on without an end.
DRIVER = """
import sys, threading
from tests.training.test_heartbeats import DIALS
from vidi.training.tuning import study as studies
study = studies.shared_study(sys.argv[1], name="ours", seed=1)
trial, values = studies.ask(study, DIALS, worker="killed")
print(values["learning_rate"], flush=True)
threading.Event().wait()
"""


def killed_driver(url: str) -> float:
    """Have a process begin a trial, and kill it; what it tried."""
    with subprocess.Popen([sys.executable, "-c", DRIVER, url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        value = float(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
    return value


def let_time_pass(database: Path) -> None:
    """Every heartbeat was an hour ago."""
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
    connection.close()


def states(study: object) -> list[str]:
    return [row.state for row in studies.trial_rows(study)]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


@pytest.mark.fault
@pytest.mark.slow  # starts a process
def test_a_killed_drivers_trial_is_failed_at_the_next_start_and_its_values_are_tried_again(database: Path):
    tried = killed_driver(f"sqlite:///{database}")
    assert states(studies.shared_study(f"sqlite:///{database}", name="ours", seed=2)) == ["running"]

    let_time_pass(database)
    study = studies.shared_study(f"sqlite:///{database}", name="ours", seed=2)
    trial, values = studies.ask(study, DIALS, worker="other")

    assert states(study) == ["interrupted", "running"]
    assert values["learning_rate"] == tried
    assert trial.number == 1


@pytest.mark.fault
def test_values_that_kill_every_process_are_not_tried_for_ever(database: Path):
    study = studies.shared_study(f"sqlite:///{database}", name="ours", seed=2)
    first = studies.ask(study, DIALS, worker="one")[1]
    for _ in range(MOST_ATTEMPTS - 1):
        let_time_pass(database)
        assert studies.ask(study, DIALS, worker="one")[1] == first
    let_time_pass(database)

    assert studies.ask(study, DIALS, worker="one")[1] != first
    assert states(study) == ["interrupted"] * MOST_ATTEMPTS + ["running"]


@pytest.mark.fault
def test_a_trial_that_was_given_up_meanwhile_stays_so(database: Path):
    study = studies.shared_study(f"sqlite:///{database}", name="ours", seed=2)
    tellers: list[Callable[[object], None]] = [
        lambda trial: studies.report(trial, 0.5, 1),
        lambda trial: studies.tell_failure(study, trial, "late", seconds=1.0),
        lambda trial: studies.tell_outcome(
            study,
            trial,
            Outcome(accuracy=0.5, loss=0.7, value=0.4, epochs=1, stopped_by="plan"),
            seconds=1.0,
            was_hopeless=False,
        ),
    ]
    for tell in tellers:
        trial, _ = studies.ask(study, DIALS, worker="asleep")
        let_time_pass(database)
        fail_dead_trials(study)
        tell(trial)

    rows = studies.trial_rows(study)
    assert [row.state for row in rows] == ["interrupted"] * len(tellers)
    assert not any(row.marks or row.cause for row in rows)


def test_the_heartbeats_of_ones_own_trials_are_renewed_and_no_others(database: Path):
    study = studies.shared_study(f"sqlite:///{database}", name="ours", seed=2)
    own, _ = studies.ask(study, DIALS, worker="own")
    other, _ = studies.ask(study, DIALS, worker="other")
    let_time_pass(database)

    with beating(study, worker="own", seconds=0.01):
        while len(old_heartbeats(database)) == 2:
            pass
    fail_dead_trials(study)

    assert states(study) == ["running", "interrupted"]
    assert (own.number, other.number) == (0, 1)


def old_heartbeats(database: Path) -> list[object]:
    with sqlite3.connect(database) as connection:
        found = connection.execute(
            "SELECT trial_id FROM trial_heartbeats WHERE heartbeat < datetime('now', '-1 minute')"
        ).fetchall()
    connection.close()
    return found


def test_a_journal_has_no_heartbeats_for_its_folder_is_held_by_one_process(tmp_path: Path):
    study = studies.journal_study(tmp_path / "study.journal", seed=1)
    first = studies.ask(study, DIALS, worker="dead")[1]
    again = studies.journal_study(tmp_path / "study.journal", seed=1)
    studies.clear_stale(again, worker=None)

    assert studies.ask(again, DIALS, worker="next")[1] == first
    assert states(again) == ["interrupted", "running"]
