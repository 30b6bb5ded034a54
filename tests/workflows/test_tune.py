"""A search on tiny drawn images: what trials may see, what a stop costs, and that no gain is claimed where none is."""

import csv
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.storages.journal import JournalFileBackend
from PIL import Image
from tests.command import vidi as vidi_command
from tests.draw import class_folders, draw, encoded
from tests.threads import one_thread
from tests.workflows.heard import Heard

from vidi.data.cache import PixelCache, cache_folder
from vidi.errors import DataError, GateError, MissingPackageError, ResourceError, UsageError
from vidi.machine import Deadline
from vidi.training.data import TrainingData
from vidi.training.recipe import Recipe
from vidi.training.tuning.search_space import Hyperparameter, Room
from vidi.training.tuning.trial import Outcome, TrialTerms
from vidi.workflows.interaction.events import Event, Events, SearchStep
from vidi.workflows.interaction.run_folder import open_run_folder
from vidi.workflows.report import rebuild_report
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TuneRequest, without_password
from vidi.workflows.runs import list_runs, run_rows
from vidi.workflows.train import TrainRequest, train
from vidi.workflows.tune import resume_tuning, tune
from vidi.workflows.tuning import plan as tune_plan
from vidi.workflows.tuning import trials
from vidi.workflows.tuning.end import KEEP
from vidi.workflows.tuning.plan import trial_seconds
from vidi.workflows.tuning.search import TuneResult

SMALL = {"precision": "float32", "epochs": 2, "options.width": 0.25, "augmentation.flip": "none", "batch": 16}
MINUTES = 600.0  # so that no clock decides: the number of trials does

__all__ = ["one_thread"]  # every test here
pytestmark = [
    pytest.mark.slow,  # trains, although only for seconds
    pytest.mark.usefixtures("undrawn"),
]


def request(data: Path, output: Path, *, trials: int = 3, **changes: object) -> TuneRequest:
    training = TrainRequest(
        data=DataRequest(source=str(data)), changes={**SMALL, **changes}, output=output, minutes=MINUTES
    )
    return TuneRequest(training=training, trials=trials)


def states(folder: Path) -> list[str]:
    return [row["state"] for row in json.loads((folder / "tune.json").read_text())["trials"]]


def rows_of(table: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(table.read_text().splitlines()))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data"), kinds=("disc", "stripes"), each=40, size=(16, 16))


def quick(arrays: TrainingData, recipe: Recipe, terms: TrialTerms) -> Outcome:
    """A trial that trains nothing; all are equal, so that the default is the best and no comparison follows."""
    return Outcome(accuracy=0.5, loss=0.7, value=0.4, epochs=1, stopped_by="plan")


def tune_by(try_recipe: Callable[..., Outcome], *given: TuneRequest, **more: Any) -> TuneResult:
    """A search whose trials are tried by a function of the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "run_trial", try_recipe)
        return tune(*given, **more)


def interrupt_in(doing: str) -> Events:
    """Sends Ctrl-C to this process when a certain training has begun."""
    is_sent = False

    def tell(event: Event) -> None:
        nonlocal is_sent
        if isinstance(event, SearchStep) and event.progress.doing == doing and not is_sent:
            os.kill(os.getpid(), signal.SIGINT)
            is_sent = True

    return Events(tell)


def test_on_shuffled_labels_no_gain_is_reported_and_the_default_is_kept(tmp_path: Path):
    random = np.random.default_rng(2)
    for number in range(80):
        folder = tmp_path / "data" / str(random.integers(2))
        folder.mkdir(parents=True, exist_ok=True)
        image = draw(("disc", "stripes")[number % 2], size=(16, 16), seed=number)
        (folder / f"{number:03}.png").write_bytes(encoded(image))

    tuned = tune(request(tmp_path / "data", tmp_path / "run", trials=8, epochs=4))

    finding, trials = tuned.document["finding"], tuned.document["trials"]
    assert sum(row["state"] == "done" for row in trials) > 1  # of which luck makes one the best on validation
    assert finding["comparison"]["images"] == tuned.document["images"]["held_out"]
    assert (tuned.is_finished, tuned.is_better, finding["sentence"]) == (True, False, KEEP)
    kept = Recipe.from_toml((tuned.folder / "recipe.toml").read_text())
    assert kept == Recipe.from_dict(tuned.document["default"])
    assert not any("tune" in source for source in kept.sources.values())


def test_a_real_gain_is_shown_and_the_recipe_says_which_trial_it_is_from(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def only_the_rate(recipe: Recipe, room: Room) -> tuple[Hyperparameter, ...]:
        return (
            Hyperparameter(
                name="learning_rate", usual=recipe.optimization.learning_rate, low=1e-7, high=0.3, is_log=True
            ),
        )

    monkeypatch.setattr(tune_plan, "choose_hyperparameters", only_the_rate)
    wanted = request(data, tmp_path / "run", trials=10, epochs=12, learning_rate=1e-7, seed=2)

    tuned = tune(wanted)

    comparison = tuned.document["finding"]["comparison"]
    assert tuned.is_better
    assert tuned.document["finding"]["sentence"].startswith("better by ")
    assert comparison["low"] > 0
    assert comparison["best_accuracy"] - comparison["default_accuracy"] == pytest.approx(comparison["difference"])
    recipe = Recipe.from_toml((tuned.folder / "recipe.toml").read_text())
    assert recipe.optimization.learning_rate > 1e-3
    assert recipe.sources["learning_rate"] == f"tune: trial {tuned.document['best_trial']} of 10 in run"
    assert recipe.sources["epochs"] == "you"


def test_trials_see_train_and_validation_images_and_no_others(data: Path, tmp_path: Path):
    seen: list[TrainingData] = []

    def spy(arrays: TrainingData, recipe: Recipe, terms: TrialTerms) -> Outcome:
        seen.append(arrays)
        return quick(arrays, recipe, terms)

    tuned = tune_by(spy, request(data, tmp_path / "run", trials=6))

    parts = {row["path"]: row["part"] for row in rows_of(tuned.folder / "splits.csv")}
    pixels = {path: np.asarray(Image.open(data / path)).tobytes() for path in parts}
    allowed = {pixels[path] for path, part in parts.items() if part in ("train", "validation")}
    forbidden = {pixels[path] for path, part in parts.items() if part not in ("train", "validation")}
    counts = tuned.document["images"]
    assert len(forbidden) == sum(part not in ("train", "validation") for part in parts.values()) > 0
    assert len({arrays.image_size() for arrays in seen}) > 1
    for arrays in seen:
        assert len(arrays.images) == len(arrays.train_rows) + len(arrays.validation_rows)
        assert (len(arrays.train_rows), len(arrays.validation_rows)) == (counts["train"], counts["validation"])
        if arrays.image_size() == (16, 16):
            given = {image.tobytes() for image in arrays.images}
            assert given <= allowed
            assert not given & forbidden
    assert counts["held_out"] == len(allowed) - counts["train"] - counts["validation"] > 0


def test_the_calibration_part_is_what_is_held_out_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = class_folders(tmp_path / "data", kinds=("disc", "stripes"), each=60, size=(16, 16))
    split = tmp_path / "splits.csv"
    first = tune_by(quick, request(data, tmp_path / "first", trials=1))
    rows = rows_of(first.folder / "splits.csv")
    for row in [row for row in rows if row["part"] == "train"][:25]:
        row["part"] = "calibration"
    with split.open("w") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)

    wanted = request(data, tmp_path / "second", trials=1)
    following = replace(wanted.training, data=replace(wanted.training.data, split_file=str(split)))
    tuned = tune_by(quick, replace(wanted, training=following))

    assert (tuned.document["images"]["held_out"], tuned.document["images"]["held_out_from"]) == (25, "calibration")
    assert first.document["images"]["held_out_from"] == "train"


@pytest.mark.fault
def test_ctrl_c_ends_with_what_is_there_and_resume_goes_on(data: Path, tmp_path: Path):
    cut = tune(request(data, tmp_path / "run", trials=4), events=interrupt_in("trial 2"))

    assert (cut.is_finished, cut.is_better) == (False, False)
    assert states(cut.folder) == ["done", "done", "interrupted"]
    assert cut.document["finding"] is None
    assert (cut.folder / "tune.html").exists()
    before = (cut.folder / "trials.csv").read_text().splitlines()

    heard = Heard()
    done = resume_tuning(cut.folder, events=heard.events)

    assert done.is_finished
    assert [state for state in states(done.folder) if state == "interrupted"] == ["interrupted"]
    assert (done.folder / "trials.csv").read_text().splitlines()[: len(before)] == before
    assert "trial 0" not in [event.progress.doing for event in heard.all if isinstance(event, SearchStep)]
    assert len(states(done.folder)) == 5
    with pytest.raises(UsageError, match="is finished"):
        resume_tuning(done.folder)


@pytest.mark.fault
def test_ctrl_c_in_the_comparison_loses_no_trial_and_finish_compares(data: Path, tmp_path: Path):
    values = iter([0.5, 0.6, 0.7])

    def better_each_time(arrays: TrainingData, recipe: Recipe, terms: TrialTerms) -> Outcome:
        return Outcome(accuracy=0.5, loss=0.7, value=next(values), epochs=1, stopped_by="plan")

    events = interrupt_in("the best recipe again")
    cut = tune_by(better_each_time, request(data, tmp_path / "run", trials=3), events=events)
    assert not cut.is_finished
    kept = states(cut.folder)

    done = resume_tuning(cut.folder, finish=True)

    assert done.is_finished
    assert states(done.folder) == kept
    assert done.document["finding"]["comparison"]["images"] == done.document["images"]["held_out"]


@pytest.mark.fault
def test_a_kill_loses_at_most_the_trial_in_progress(data: Path, tmp_path: Path):
    words = ["tune", data, "--minutes", 600, "--trials", 3, "--output", "run", "--set", "options.width=0.25"]
    words += ["--epochs", 400, "--trial-minutes", 60]
    process = subprocess.Popen(
        [sys.executable, "-c", "from vidi.cli.app import main; main()", *map(str, words)],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("trial 0"):  # it has begun
                break
    finally:
        process.kill()
        process.wait()
        process.stderr.close()

    done = resume_tuning(tmp_path / "run", finish=True)

    assert states(done.folder) == ["interrupted"]
    assert done.document["finding"]["detail"] == "No trial finished."
    assert not (tmp_path / "run" / "trial").exists()


def test_a_trial_that_fails_is_recorded_and_the_search_goes_on(data: Path, tmp_path: Path):
    number = iter(range(100))

    def sometimes(arrays: TrainingData, recipe: Recipe, terms: TrialTerms) -> Outcome:
        this = next(number)
        if this == 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        if this == 2:
            raise GateError("training does not converge", "Train slower.")
        return quick(arrays, recipe, terms)

    tuned = tune_by(sometimes, request(data, tmp_path / "run", trials=4))

    rows = tuned.document["trials"]
    assert [row["state"] for row in rows] == ["done", "failed", "failed", "done"]
    assert [row["cause"] for row in rows[1:3]] == ["not enough memory", "training does not converge"]


def test_a_trial_behind_the_others_is_asked_to_stop_and_counts_as_ended_early(data: Path, tmp_path: Path):
    numbers, stopped = iter(range(100)), list[int]()

    def falling(arrays: TrainingData, recipe: Recipe, terms: TrialTerms) -> Outcome:
        number = next(numbers)
        value = 0.9 - 0.1 * number
        if any(terms.is_hopeless(mark, value) for mark in range(1, 9)):
            stopped.append(number)
        return Outcome(accuracy=value, loss=1.0, value=value, epochs=1, stopped_by="plan")

    rows = tune_by(falling, request(data, tmp_path / "run", trials=6)).document["trials"]

    assert [row["state"] for row in rows[:4]] == ["done"] * 4
    assert stopped == [row["number"] for row in rows if row["state"] == "ended early"] == [4, 5]


def test_trials_count_feedback_as_a_training_does(data: Path, tmp_path: Path):
    seen: list[TrainingData] = []

    def spy(arrays: TrainingData, recipe: Recipe, terms: TrialTerms) -> Outcome:
        seen.append(arrays)
        return quick(arrays, recipe, terms)

    tune_by(quick, request(data, tmp_path / "run", trials=1))
    feedback = class_folders(tmp_path / "feedback", kinds=("disc", "stripes"), each=5, size=(20, 20))
    wanted = replace(request(data, tmp_path / "again", trials=1), trial_minutes=10.0)
    more = DataRequest(source=str(data), split_file=str(tmp_path / "run"), feedback=(str(feedback),))
    tune_by(spy, replace(wanted, training=replace(wanted.training, data=more)))

    weights = seen[0].weights
    assert weights is not None
    assert (weights == 2.0).sum() >= 5
    assert (weights == 1.0).sum() > 20


def test_where_every_trial_fails_the_search_ends_with_the_reason(data: Path, tmp_path: Path):
    def never(arrays: TrainingData, recipe: Recipe, terms: TrialTerms) -> Outcome:
        raise ResourceError("the disk is full", "Make room.")

    with pytest.raises(GateError, match="first 10 trials all failed; the last error: the disk is full"):
        tune_by(never, request(data, tmp_path / "run", trials=30))

    assert states(tmp_path / "run") == ["failed"] * 10


def test_no_trial_begins_without_the_time_that_every_trial_gets(data: Path, tmp_path: Path):
    wanted = replace(request(data, tmp_path / "run", trials=50), trial_minutes=50 / 60)
    left = [10_000.0, 500.0, 400.0, 40.0]

    def slow(arrays: TrainingData, recipe: Recipe, terms: TrialTerms) -> Outcome:
        left.pop(0)
        return quick(arrays, recipe, terms)

    tuned = tune_by(slow, wanted, begun=Clock(left))

    assert states(tuned.folder) == ["done"] * 3


class Clock(Deadline):
    """A deadline with as many seconds left as the first number says; every deadline made of it is the same."""

    def __init__(self, left: list[float]) -> None:
        super().__init__(0.0, left[0])
        object.__setattr__(self, "left", left)  # a deadline never changes; what is left does

    def seconds_left(self) -> float:
        return self.left[0]

    def earlier(self, seconds: float) -> Deadline:
        return self

    later = earlier


@pytest.mark.integration
def test_a_search_from_given_weights_leaves_the_shape_of_the_network_alone(data: Path, tmp_path: Path):
    first = train(
        TrainRequest(data=DataRequest(source=str(data)), changes={**SMALL, "epochs": 12}, output=tmp_path / "first")
    )
    wanted = request(data, tmp_path / "run", trials=2)
    changes = {"epochs": 1, "precision": "float32", "learning_rate": 1e-5}

    tuned = tune(replace(wanted, training=replace(wanted.training, weights=str(first.folder), changes=changes)))

    names = {hyperparameter["name"] for hyperparameter in tuned.document["hyperparameters"]}
    assert not names & {"image_size", "options.width"}
    assert "weight_decay" in names
    assert tuned.document["default"]["options"] == {"width": 0.25}
    assert tuned.document["trials"][0]["accuracy"] >= 0.9  # at such a rate only because it was good before


def test_without_images_no_pixel_is_left_in_the_cache(data: Path, tmp_path: Path):
    wanted = request(data, tmp_path / "run", trials=2)

    tune_by(quick, replace(wanted, training=replace(wanted.training, images=False)))

    assert PixelCache(cache_folder()).entries() == []


@pytest.mark.fault
def test_a_full_disk_ends_the_search_with_what_is_there(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    append, calls = JournalFileBackend.append_logs, iter(range(1000))

    def full(self: JournalFileBackend, logs: list[dict[str, object]]) -> None:
        if next(calls) > 60:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", full)
    with pytest.raises(ResourceError, match="the study could not be read or written: No space left on device"):
        tune_by(quick, request(data, tmp_path / "run", trials=50))
    monkeypatch.setattr(JournalFileBackend, "append_logs", append)

    done = resume_tuning(tmp_path / "run", finish=True)

    assert done.is_finished
    assert states(done.folder).count("done") > 1


@pytest.mark.integration
def test_two_machines_share_a_study(data: Path, tmp_path: Path):
    shared = {"storage": f"sqlite:///{tmp_path}/study.db", "study": "ours"}

    tune_by(quick, replace(request(data, tmp_path / "a", trials=2), **shared))
    second = tune_by(quick, replace(request(data, tmp_path / "b", trials=4), **shared))

    assert states(tmp_path / "a") == ["done", "done"]
    assert len(states(second.folder)) == 4
    assert second.document["trials"][:2] == json.loads((tmp_path / "a" / "tune.json").read_text())["trials"]
    other = class_folders(tmp_path / "other", kinds=("disc", "square"), each=40, size=(16, 16))
    with pytest.raises(UsageError, match="started with different values: the images, or their split"):
        tune(replace(request(other, tmp_path / "c", trials=4), **shared))


def test_a_search_is_named_for_what_it_is_and_its_page_can_be_made_again(data: Path, tmp_path: Path):
    tuned = tune_by(quick, request(data, tmp_path / "search", trials=1))
    (tuned.folder / "tune.html").unlink()

    (found,) = list_runs(tmp_path)
    page = rebuild_report(tuned.folder)

    assert (found.kind, found.data, found.accuracy) == ("tuning", str(data), None)
    assert f"search: {KEEP}" in run_rows([found])[-1]
    assert page.name == "tune.html"
    with pytest.raises(UsageError, match=r"holds a search of `vidi tune`"):
        open_run_folder(tuned.folder, name="x", source=None, overwrite=True)
    assert (tuned.folder / "tune.json").exists()


@pytest.mark.parametrize(
    ("left", "epoch", "trials", "minutes", "expected"),
    [
        (220, 0.1, None, None, 10.0),  # a twenty-second of the time: twenty trials and two more
        (220, 3.0, None, None, 24.0),  # eight epochs take longer, and leave room enough
        (220, 30.0, None, None, 27.5),  # six trials and two more
        (220, None, 3, None, 44.0),
        (220, 3.0, None, 0.5, 30.0),  # as the user says
        (30, 0.1, None, None, 2.0),
    ],
)
def test_one_training_gets_the_time_that_leaves_room_for_enough_of_them(
    left: float, epoch: float | None, trials: int | None, minutes: float | None, expected: float
):
    wanted = TuneRequest(training=TrainRequest(data=DataRequest(source="x")), trials=trials, trial_minutes=minutes)

    assert trial_seconds(left, epoch=epoch, request=wanted) == expected


@pytest.mark.parametrize(("left", "minutes"), [(15.0, None), (-3.0, None), (80.0, 0.5)])
def test_a_search_that_could_hold_but_a_trial_or_two_is_refused(left: float, minutes: float | None):
    wanted = TuneRequest(training=TrainRequest(data=DataRequest(source="x")), trial_minutes=minutes)

    with pytest.raises(ResourceError, match="too little for a search"):
        trial_seconds(left, epoch=0.1, request=wanted)


def test_too_little_time_and_too_few_images_are_said(data: Path, tmp_path: Path):
    hurried = request(data, tmp_path / "a")
    with pytest.raises(ResourceError, match="too little for a search"):
        tune(replace(hurried, training=replace(hurried.training, minutes=0.05)))

    few = class_folders(tmp_path / "few", kinds=("disc", "stripes"), each=4, size=(16, 16))
    with pytest.raises(DataError, match="too few to hold some out"):
        tune(request(few, tmp_path / "b"))


def test_a_search_that_is_refused_leaves_no_folder(data: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="--storage is not a URL"):
        tune(replace(request(data, tmp_path / "refused"), storage="nosuch://x", study="ours"))

    assert not (tmp_path / "refused").exists()


def test_without_optuna_the_command_names_what_to_install_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "optuna", None)

    with pytest.raises(MissingPackageError, match=r"pip install \"vidi\[tune\]\""):
        tune(request(tmp_path / "not-there", tmp_path / "run"))


def test_a_password_is_not_written_down():
    assert (
        without_password("postgresql+pg8000://anna:s3cr3t@host:5432/db") == "postgresql+pg8000://anna:***@host:5432/db"
    )
    assert without_password("sqlite:///study.db") == "sqlite:///study.db"


def test_the_command_answers_in_json_and_with_exit_codes(data: Path, tmp_path: Path):
    vidi = partial(vidi_command, folder=tmp_path)

    done = vidi("tune", data, "--minutes", 60, "--trials", 2, "--epochs", 2, "--set", "options.width=0.25", "--json")

    document = json.loads(done.stdout)
    folder = f"runs/{data.name}-tune"
    assert (done.returncode, document["state"], len(document["trials"])) == (0, "finished", 2)
    assert vidi("tune").returncode == 2
    assert vidi("tune", data, "--storage", "sqlite:///x.db").returncode == 2
    assert vidi("tune", "--resume", folder, "--trials", 3).returncode == 2
    trained = vidi("train", data, "--recipe", folder, "--epochs", 1, "--set", "options.width=0.25", "--output", "model")
    assert trained.returncode == 0, trained.stderr
