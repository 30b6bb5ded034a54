"""Several trials at once: one study, whose trials are those of a search one after the other, whatever gets lost."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.draw import class_folders
from tests.threads import one_thread
from tests.training.trials import KilledError

from vidi.errors import GateError, UsageError
from vidi.machine import Deadline
from vidi.training.data import TrainingData
from vidi.training.recipe import Recipe
from vidi.training.tuning.trial import Outcome, TrialTerms
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest, TuneRequest
from vidi.workflows.tune import resume_tuning, tune
from vidi.workflows.tuning.search import TuneResult
from vidi.workflows.tuning.trials import TrialLostError

__all__ = ["one_thread"]  # every test here
pytestmark = [
    pytest.mark.slow,  # reads images, although only for seconds
    pytest.mark.usefixtures("undrawn"),
]
SMALL = {"precision": "float32", "epochs": 1, "options.width": 0.25, "batch": 16, "image_size": (16, 16)}


def done(accuracy: float) -> Outcome:
    return Outcome(accuracy=accuracy, loss=1.0, value=accuracy, epochs=1.0, stopped_by="plan")


@dataclass(frozen=True)
class Order:
    """A trial that was given to a cluster."""

    number: int
    arrays: TrainingData
    recipe: Recipe
    deadline: Deadline
    is_hopeless: Callable[[int, float], bool]


Answer = Callable[[Order], Outcome]


def usual(order: Order) -> Outcome:
    """The default recipe is the best, so that no comparison follows."""
    return done(0.5 if order.number else 0.9)


class Answering:
    """A cluster without workers: each trial ends with what a function says of it, once as many run as there is room."""

    def __init__(self, answer: Answer = usual, *, room: int = 3, full: int = 1) -> None:
        self.answer, self._room = answer, room
        self._full = threading.Barrier(full, timeout=60)  # so many run at the same time
        self._lock, self._running = threading.Lock(), 0
        self.orders: list[Order] = []
        self.most = 0

    def room(self) -> int:
        return self._room

    def __call__(self, arrays: TrainingData, recipe: Recipe, terms: TrialTerms) -> Outcome:
        named = [source for source in recipe.sources.values() if source.startswith("tune: trial ")]
        number = int(named[0].split()[-1]) if named else 0  # which turns no hyperparameter
        order = Order(number, arrays, recipe, terms.deadline, terms.is_hopeless)
        with self._lock:
            self.orders.append(order)
            self._running += 1
            self.most = max(self.most, self._running)
        self._full.wait()
        try:
            return self.answer(order)
        finally:
            with self._lock:
                self._running -= 1


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data"), kinds=("disc", "stripes"), each=20, size=(16, 16))


def searched(data: Path, folder: Path, cluster: Answering, *, trials: int = 6) -> TuneResult:
    training = TrainRequest(data=DataRequest(source=str(data)), changes=SMALL, output=folder / "run", minutes=600.0)
    return tune(TuneRequest(training=training, trials=trials, trial_minutes=10.0), cluster=cluster)


def test_as_many_run_at_once_as_there_is_room_for_and_no_more_than_were_asked_for(data: Path, tmp_path: Path):
    cluster = Answering(full=3)
    tuned = searched(data, tmp_path, cluster)

    rows = tuned.document["trials"]
    assert (cluster.most, len(rows)) == (3, 6)
    assert {row["state"] for row in rows} == {"done"}
    assert [row["number"] for row in rows] == sorted(order.number for order in cluster.orders)
    assert all(order.deadline.seconds == 600 for order in cluster.orders)
    assert tuned.document["best_trial"] == 0
    written = json.loads((tmp_path / "run" / "tune.json").read_text())
    assert written["state"] == "finished"
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"recipe.toml", "tune.html", "trials.csv"}


@pytest.mark.fault
def test_a_lost_trial_is_failed_and_its_values_are_tried_again(data: Path, tmp_path: Path):
    def losing(order: Order) -> Outcome:
        if order.number == 1:
            raise TrialLostError("gone")
        return usual(order)

    rows = searched(data, tmp_path, Answering(losing, room=2), trials=3).document["trials"]

    assert [row["state"] for row in rows].count("interrupted") == 1
    assert [row["state"] for row in rows].count("done") == 3
    assert rows[1]["state"] == "interrupted"
    assert any(row["values"] == rows[1]["values"] for row in rows if row["state"] == "done")


@pytest.mark.fault
def test_values_that_lose_every_worker_fail_in_the_end(data: Path, tmp_path: Path):
    lost = set[str]()

    def losing(order: Order) -> Outcome:
        values = order.recipe.changed({"seed": 0}, source="").as_dict()
        text = json.dumps({**values, "sources": {}})
        if order.number == 1:
            lost.add(text)
        if text in lost:
            raise TrialLostError("gone")
        return usual(order)

    rows = searched(data, tmp_path, Answering(losing, room=1), trials=3).document["trials"]

    assert [row["state"] for row in rows] == ["done", "interrupted", "interrupted", "failed", "done"]
    assert rows[3]["cause"] == "its worker was lost 3 times (gone)"


def test_a_trial_behind_the_others_is_asked_to_stop_and_counts_as_ended_early(data: Path, tmp_path: Path):
    stopped: list[int] = []

    def falling(order: Order) -> Outcome:
        value = 0.9 - 0.1 * order.number
        if any(order.is_hopeless(mark, value) for mark in range(1, 9)):
            stopped.append(order.number)
        return done(value)

    cluster = Answering(falling, room=1)
    rows = searched(data, tmp_path, cluster, trials=6).document["trials"]

    assert [row["state"] for row in rows[:4]] == ["done"] * 4
    assert stopped == [row["number"] for row in rows if row["state"] == "ended early"] == [4, 5]


@pytest.mark.fault
def test_all_trials_of_a_killed_process_are_failed_and_their_values_tried_again(data: Path, tmp_path: Path):
    def killed(order: Order) -> Outcome:
        raise KilledError

    with pytest.raises(KilledError):
        searched(data, tmp_path, Answering(killed, room=3, full=3), trials=5)
    rows = resume_tuning(tmp_path / "run", cluster=Answering(room=3)).document["trials"]

    lost = [row["values"] for row in rows if row["state"] == "interrupted"]
    done = [row["values"] for row in rows if row["state"] == "done"]
    assert (len(lost), len(done)) == (3, 5)
    assert all(values in done for values in lost)


def test_the_cluster_is_asked_for_only_when_the_data_were_found(data: Path, tmp_path: Path):
    asked: list[str] = []

    class PredictQuery(Answering):
        def room(self) -> int:
            asked.append("room")
            return super().room()

    with pytest.raises(UsageError, match="neither an existing path"):
        searched(data / "nowhere", tmp_path, PredictQuery())
    assert asked == []
    searched(data, tmp_path, PredictQuery(), trials=1)
    assert asked


def test_ten_failures_and_nothing_else_end_the_search(data: Path, tmp_path: Path):
    def failing(order: Order) -> Outcome:
        raise GateError("its predictions are not finite numbers", "")

    with pytest.raises(GateError, match="the first 10 trials all failed"):
        searched(data, tmp_path, Answering(failing, room=4), trials=40)


def test_trials_count_feedback_as_a_training_does(data: Path, tmp_path: Path):
    searched(data, tmp_path, Answering(), trials=1)
    feedback = class_folders(tmp_path / "feedback", kinds=("disc", "stripes"), each=5, size=(20, 20))
    request = DataRequest(source=str(data), split_file=str(tmp_path / "run"), feedback=(str(feedback),))
    cluster = Answering()
    tune(
        TuneRequest(
            training=TrainRequest(data=request, changes=SMALL, output=tmp_path / "again", minutes=600.0),
            trials=1,
            trial_minutes=10.0,
        ),
        cluster=cluster,
    )

    weights = cluster.orders[0].arrays.weights
    assert weights is not None
    assert (weights == 2.0).sum() >= 5
    assert (weights == 1.0).sum() > 20
