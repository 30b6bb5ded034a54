"""Heartbeats: the trials of a process that was killed are failed by the next one, and their values tried again."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from optuna import Trial
from tests.training.trials import begin, run

from vidi.training.tuning import study as studies
from vidi.training.tuning.search_space import Hyperparameter
from vidi.training.tuning.study import MOST_ATTEMPTS
from vidi.training.tuning.trial import Outcome, TrialResult

DIALS = (Hyperparameter(name="learning_rate", low=0.1, high=10.0, usual=1.0, is_log=True),)

# A process that begins a trial and then lives on without an end.
DRIVER = """
import sys, threading
from pathlib import Path
from tests.training.test_heartbeats import DIALS, wait_for_heartbeat
from vidi.training.tuning import study as studies

def attempt(trial, values):
    wait_for_heartbeat(Path(sys.argv[1]), trial.number)
    print(values["learning_rate"], flush=True)
    threading.Event().wait()

study = studies.shared_study(f"sqlite:///{sys.argv[1]}", name="ours", seed=1)
studies.run_next(study, DIALS, worker="killed", attempt=attempt)
"""


def killed_driver(database: Path) -> float:
    """Have a process begin a trial, and kill it; what it tried."""
    with subprocess.Popen([sys.executable, "-c", DRIVER, str(database)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        value = float(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
    return value


def let_time_pass(database: Path) -> None:
    """Every heartbeat was an hour ago."""
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
    connection.close()


def wait_for_heartbeat(database: Path, number: int) -> None:
    """Optuna gives the first one of a trial in a thread."""
    with sqlite3.connect(database) as connection:
        while connection.execute("SELECT COUNT(*) FROM trial_heartbeats").fetchone()[0] <= number:
            pass
    connection.close()


def states(study: object) -> list[str]:
    return [row.state for row in studies.trial_rows(study)]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


@pytest.mark.fault
@pytest.mark.slow  # starts a process
def test_a_killed_drivers_trial_is_failed_at_the_next_start_and_its_values_are_tried_again(database: Path):
    tried = killed_driver(database)
    assert states(studies.shared_study(f"sqlite:///{database}", name="ours", seed=2)) == ["running"]

    let_time_pass(database)
    study = studies.shared_study(f"sqlite:///{database}", name="ours", seed=2)
    values = begin(study, DIALS, worker="other")

    assert states(study) == ["interrupted", "running"]
    assert values["learning_rate"] == tried


@pytest.mark.fault
def test_values_that_kill_every_process_are_not_tried_for_ever(database: Path):
    study = studies.shared_study(f"sqlite:///{database}", name="ours", seed=2)
    first = begin(study, DIALS)
    for _ in range(MOST_ATTEMPTS - 1):
        let_time_pass(database)
        assert begin(study, DIALS) == first
    let_time_pass(database)

    assert begin(study, DIALS) != first
    assert states(study) == ["interrupted"] * MOST_ATTEMPTS + ["running"]


@pytest.mark.fault
def test_a_trial_that_was_given_up_meanwhile_stays_so(database: Path):
    study = studies.shared_study(f"sqlite:///{database}", name="ours", seed=2)
    late = Outcome(accuracy=0.5, loss=0.7, value=0.4, epochs=1, stopped_by="plan")
    results = [TrialResult(outcome=late), TrialResult(outcome=late, was_hopeless=True), TrialResult(cause="late")]

    for result in results:

        def asleep(trial: Trial, _: object, result: TrialResult = result) -> TrialResult:
            wait_for_heartbeat(database, trial.number)
            let_time_pass(database)
            studies.shared_study(f"sqlite:///{database}", name="ours", seed=3)  # another machine looks
            studies.report(trial, 0.5, 1)
            return result

        run(study, DIALS, asleep)

    rows = studies.trial_rows(study)
    assert [row.state for row in rows] == ["interrupted"] * len(results)
    assert not any(row.marks or row.cause for row in rows)


def test_a_trial_has_a_heartbeat_from_its_first_moment_on(database: Path):
    study = studies.shared_study(f"sqlite:///{database}", name="ours", seed=2)

    def attempt(trial: Trial, _: object) -> TrialResult:
        wait_for_heartbeat(database, trial.number)
        return TrialResult(cause="none")

    run(study, DIALS, attempt)
    assert states(study) == ["failed"]


def test_a_journal_has_no_heartbeats_for_its_folder_is_held_by_one_process(tmp_path: Path):
    study = studies.journal_study(tmp_path / "study.journal", seed=1)
    first = begin(study, DIALS, worker="dead")
    again = studies.journal_study(tmp_path / "study.journal", seed=1)
    studies.clear_stale(again, worker=None)

    assert begin(again, DIALS, worker="next") == first
    assert states(again) == ["interrupted", "running"]
