"""Runs told to trackers: what they are told, and that a tracker that fails costs the tracking alone."""

import threading
from pathlib import Path

import pytest
from tests.draw import PARTS, class_folders
from tests.workflows.heard import Heard
from tests.workflows.trackers import FakeTracker, fake_kind

from vidi.errors import MissingPackageError, ResourceError, UnknownNameError
from vidi.model_file.read import read_model
from vidi.training.loop.progress import EpochRow, read_results
from vidi.training.recipe import Recipe
from vidi.workflows.interaction.run_folder import read_request
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TRACKERS as NAMED
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.tracking import listener
from vidi.workflows.tracking.listener import TRACKERS, find_tracker, tracked
from vidi.workflows.tracking.to_mlflow import ADDRESS, check_address
from vidi.workflows.tracking.tracker import TrackedRun, read_noted, without_password
from vidi.workflows.train import train

pytestmark = pytest.mark.usefixtures("undrawn")


def row(epoch: int) -> EpochRow:
    return EpochRow(
        epoch=epoch,
        train_loss=1 / epoch,
        train_accuracy=0.5,
        validation_loss=None,
        validation_accuracy=float("nan"),
        learning_rate=0.01,
        images_per_second=100.0,
        seconds=1.0,
        limited_by="arithmetic",
    )


def begun(folder: Path) -> TrackedRun:
    return TrackedRun(folder=folder, facts={"vidi.data": "photos"}, noted={})


def test_the_command_offers_the_trackers_that_there_are():
    assert tuple(TRACKERS) == NAMED


def test_a_tracker_that_is_not_there_is_refused_with_the_list():
    with pytest.raises(UnknownNameError, match="no tracker is called 'wand'") as caught:
        find_tracker("wand")
    assert caught.value.remedy == "Use one of: mlflow, tensorboard."
    assert find_tracker(None) is None


def test_a_missing_package_is_one_line_with_its_remedy_before_training(tmp_path: Path):
    kinds = {"fake": fake_kind(FakeTracker(), packages=("json", "no_such_package"))}
    with pytest.raises(MissingPackageError, match="--track fake needs no_such_package") as caught:
        train(TrainRequest(data=DataRequest(source="nowhere"), track="fake"), trackers=kinds)
    assert caught.value.remedy == 'Install it: pip install "vidi[fakes]"'


def test_a_server_that_does_not_answer_is_named_without_its_password(monkeypatch):
    monkeypatch.setenv(ADDRESS, "http://me:secret@127.0.0.1:9")  # the port that discards: nobody listens
    with pytest.raises(ResourceError) as caught:
        check_address()
    assert "http://127.0.0.1:9" in caught.value.cause
    assert "secret" not in str(caught.value)
    assert without_password("sqlite:///runs/mlflow.db") == "sqlite:///runs/mlflow.db"


def test_a_tracker_is_told_what_is_known_and_in_order(tmp_path: Path):
    tracker, heard = FakeTracker(), Heard()
    with tracked(fake_kind(tracker), "fake", begun(tmp_path), events=heard.events) as events:
        events.say("hello")
        events.recipe(Recipe.from_dict({"epochs": 7}))
        events.epoch(row(1), 0)
        events.epoch(row(2), 3)
    assert tracker.run == begun(tmp_path)
    assert heard.sentences == ["Fake: nowhere", "hello"]
    (values, first, second, ending) = tracker.told
    assert values["epochs"] == "7"
    assert "precision" not in values  # "auto" until training has measured it
    figures = {"train_loss": 1.0, "train_accuracy": 0.5, "learning_rate": 0.01, "images_per_second": 100.0}
    assert first == (1, {**figures, "seconds": 1.0})
    assert second[0] == 2
    assert second[1]["member-3.train_loss"] == 0.5
    assert ending == "interrupted"  # nothing said that it had finished
    assert read_noted(tmp_path, "fake") == {"run": "7"}
    assert read_noted(tmp_path, "mlflow") == {}


def test_a_tracker_that_fails_is_told_once_and_asked_no_more(tmp_path: Path):
    tracker, heard = FakeTracker(fails_at=2), Heard()
    with tracked(fake_kind(tracker), "fake", begun(tmp_path), events=heard.events) as events:
        for number in range(1, 6):
            events.epoch(row(number), 0)
    assert [number for number, _ in tracker.told] == [1]
    (_, warning) = heard.sentences
    assert warning.startswith("warning: Fake takes no more: the server is gone at http://host. Training goes on")


def test_a_tracker_that_hangs_is_waited_for_only_so_long(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(listener, "SECONDS_AT_END", 0.05)
    tracker, heard = FakeTracker(waits_for=threading.Event()), Heard()
    with tracked(fake_kind(tracker), "fake", begun(tmp_path), events=heard.events) as events:
        events.epoch(row(1), 0)
    assert "has not taken everything within" in heard.sentences[-1]
    tracker.waits_for.set()


@pytest.mark.parametrize(("raised", "ending"), [(OSError, "failed"), (KeyboardInterrupt, "interrupted")])
def test_a_run_that_breaks_off_is_closed_as_what_it_is(raised: type[BaseException], ending: str, tmp_path: Path):
    tracker = FakeTracker()

    def break_off() -> None:
        with tracked(fake_kind(tracker), "fake", begun(tmp_path), events=Heard().events):
            raise raised

    with pytest.raises(raised):
        break_off()
    assert tracker.told == [ending]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data"), kinds=("disc", "stripes"), each=30, parts=PARTS)


def request(data: Path, output: Path, track: str | None) -> TrainRequest:
    changes = {"epochs": 3, "options.width": 0.25}
    return TrainRequest(data=DataRequest(source=str(data)), changes=changes, output=output, track=track)


@pytest.mark.slow  # trains
def test_a_third_tracker_is_one_file_and_hears_the_whole_run(data: Path, tmp_path: Path):
    tracker = FakeTracker()
    run = train(request(data, tmp_path / "run", "fake"), trackers={"fake": fake_kind(tracker)})
    parameters, *epochs, result, ending = tracker.told
    assert parameters["epochs"] == "3"
    history = read_results(run.folder)
    assert [number for number, _ in epochs] == [1, 2, 3]
    assert [round(values["train_loss"], 4) for _, values in epochs] == [round(one.train_loss, 4) for one in history]
    assert ending == "finished"
    assert result.figures["test.accuracy"] == pytest.approx(run.test.accuracy.value, abs=1e-6)
    assert result.model == run.folder / "model.onnx"
    assert {path.name for path in result.files} >= {"report.html", "metrics.json", "recipe.toml", "results.csv"}
    assert result.parameters["precision"] in ("float32", "bfloat16")  # as it was carried out
    assert read_request(run.folder)["track"] == "fake"  # a resumed run is tracked, too
    untracked = train(request(data, tmp_path / "plain", None))
    weights = [read_model(one.folder).metadata.weights_digest for one in (run, untracked)]
    assert weights[0] == weights[1]


@pytest.mark.slow  # trains
def test_a_tracker_that_fails_half_way_loses_nothing_of_the_training(data: Path, tmp_path: Path):
    heard = Heard()
    run = train(
        request(data, tmp_path / "run", "fake"),
        events=heard.events,
        trackers={"fake": fake_kind(FakeTracker(fails_at=2))},
    )
    assert run.finished
    assert sum("takes no more" in sentence for sentence in heard.sentences) == 1


def test_a_tracker_that_cannot_be_opened_leaves_no_folder(data: Path, tmp_path: Path):
    def refuse(run: TrackedRun) -> FakeTracker:
        raise ResourceError("the place is full", "Empty it.")

    with pytest.raises(ResourceError, match="the place is full"):
        train(request(data, tmp_path / "run", "fake"), trackers={"fake": fake_kind(refuse)})
    assert not (tmp_path / "run").exists()
