"""The hyperparameters, one trial, and the study: on arrays alone."""

import json
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna import Study
from tests.training.examples import drawn_data, small_recipe
from tests.training.trials import begin, run

from vidi.errors import GateError, UsageError
from vidi.machine import Deadline
from vidi.networks.options import NetworkOptions
from vidi.training.augment import Augmentation
from vidi.training.defaults import recipe_for
from vidi.training.recipe import Recipe
from vidi.training.traits import DataTraits
from vidi.training.tuning import study as studies
from vidi.training.tuning.search_space import Hyperparameter, Room, Value, changes_of, choose_hyperparameters
from vidi.training.tuning.study import StudySettings
from vidi.training.tuning.trial import Outcome, TrialResult, TrialTerms, run_trial, search_value

FAR = Deadline(at=1e12, seconds=1e12)  # no clock decides
PHOTOGRAPHS = DataTraits(image_count=1_000, class_count=4, usual_size=(300, 400), is_grey=False)
ROOM = Room(usual_size=(300, 400), class_count=4, image_count=1_000)


def dials_of(recipe: Recipe, room: Room = ROOM) -> dict[str, Hyperparameter]:
    return {hyperparameter.name: hyperparameter for hyperparameter in choose_hyperparameters(recipe, room)}


def settings(hyperparameters: tuple[Hyperparameter, ...] = ()) -> StudySettings:
    return StudySettings(data="d", recipe={"epochs": 3}, hyperparameters=hyperparameters, trial_seconds=2.0)


RATE = Hyperparameter(name="learning_rate", usual=0.1, low=0.01, high=1.0, is_log=True)
BATCH = Hyperparameter(name="batch", usual=32, choices=(16, 32))


def test_every_dial_holds_the_default_within_its_range():
    for network in ("compact", "textbook", "dense"):
        for hyperparameter in dials_of(recipe_for(PHOTOGRAPHS, network=network)).values():
            if hyperparameter.choices:
                assert hyperparameter.usual in hyperparameter.choices, hyperparameter
            else:
                assert hyperparameter.low <= float(hyperparameter.usual) <= hyperparameter.high, hyperparameter
                assert hyperparameter.low > 0 or not hyperparameter.is_log, hyperparameter


def test_where_every_dial_stands_as_usual_the_recipe_is_the_default():
    recipe = recipe_for(PHOTOGRAPHS)
    hyperparameters = choose_hyperparameters(recipe, ROOM)

    assert (
        changes_of(
            recipe, hyperparameters, {hyperparameter.name: hyperparameter.usual for hyperparameter in hyperparameters}
        )
        == {}
    )


def test_what_the_user_set_is_not_searched():
    recipe = recipe_for(
        PHOTOGRAPHS, changes={"learning_rate": 0.02, "image_size": (64, 64), "augmentation.crop": 0.1, "batch": 16}
    )

    assert set(dials_of(recipe)) == {"augmentation.flip", "weight_decay", "label_smoothing", "options.width"}


def test_signs_are_never_mirrored_and_a_network_without_a_width_has_no_such_dial():
    signs = DataTraits(image_count=1_000, class_count=10, usual_size=(28, 28), is_grey=True)

    assert "augmentation.flip" not in dials_of(
        recipe_for(signs), Room(usual_size=(28, 28), class_count=10, image_count=1000)
    )
    assert "options.width" not in dials_of(recipe_for(PHOTOGRAPHS, network="textbook"))


def test_images_are_never_enlarged_beyond_their_own_size():
    small = DataTraits(image_count=1_000, class_count=10, usual_size=(28, 28), is_grey=True)

    sizes = dials_of(recipe_for(small), Room(usual_size=(28, 28), class_count=10, image_count=1000))[
        "image_size"
    ].choices

    assert sizes == ("14x14", "21x21", "28x28")


def test_one_dial_scales_every_strength_of_the_augmentation_and_stays_within_what_is_allowed():
    recipe = Recipe(augmentation=Augmentation(flip="horizontal", shift=0.1, erase=0.6))
    hyperparameters = (Hyperparameter(name="augmentation", usual=1.0, low=0.0, high=2.0),)

    assert changes_of(recipe, hyperparameters, {"augmentation": 2.0}) == {
        "augmentation.shift": 0.2,
        "augmentation.erase": 0.8,
    }
    assert recipe.changed(
        changes_of(recipe, hyperparameters, {"augmentation": 0.0}), source="t"
    ).augmentation == Augmentation(flip="horizontal")


def test_each_value_that_a_dial_can_have_makes_a_recipe():
    recipe = recipe_for(PHOTOGRAPHS)
    for hyperparameter in choose_hyperparameters(recipe, ROOM):
        made = [
            recipe.changed(changes_of(recipe, (hyperparameter,), {hyperparameter.name: value}), source="t")
            for value in hyperparameter.choices or (hyperparameter.low, hyperparameter.high)
        ]
        assert len({replace(one, sources={}).as_toml() for one in made}) == len(made), hyperparameter.name


def test_accuracy_decides_and_the_loss_only_among_equals():
    assert search_value(0.9, 50.0, 10) > search_value(0.8, 0.0, 10)
    assert search_value(0.9, 0.1, 10) > search_value(0.9, 0.2, 10)


def within(folder: Path, **more: Any) -> TrialTerms:
    return TrialTerms(folder=folder / "trial", deadline=FAR, **more)


def test_a_trial_is_judged_on_the_validation_rows_and_leaves_nothing_on_disk(tmp_path: Path):
    data = drawn_data()

    outcome = run_trial(data, small_recipe(epochs=6, image_size=(16, 16)), within(tmp_path))

    assert outcome.accuracy in {hits / len(data.validation_rows) for hits in range(len(data.validation_rows) + 1)}
    assert (outcome.epochs, outcome.stopped_by) == (6, "plan")
    assert not (tmp_path / "trial").exists()


def test_a_hopeless_trial_ends_at_the_mark_that_says_so(tmp_path: Path):
    told: list[int] = []

    def is_hopeless(mark: int, _value: float) -> bool:
        told.append(mark)
        return mark == 5

    outcome = run_trial(drawn_data(), small_recipe(epochs=10), within(tmp_path, is_hopeless=is_hopeless))

    assert told == [1, 2, 3, 4, 5]
    assert (outcome.epochs, outcome.stopped_by) == (5, "user")


def test_numbers_that_are_not_finite_are_an_error_of_the_trial(tmp_path: Path):
    with pytest.raises(GateError):
        run_trial(
            drawn_data(),
            small_recipe(network="dense", options=NetworkOptions(), epochs=40, learning_rate=100, averaging=0.0),
            within(tmp_path),
        )
    assert not (tmp_path / "trial").exists()


def outcome(accuracy: float) -> Outcome:
    return Outcome(accuracy=accuracy, loss=0.5, value=search_value(accuracy, 0.5, 50), epochs=3, stopped_by="plan")


def good_of(values: Mapping[str, Value], *, of: int) -> float:
    """An accuracy of some images: the better, the nearer the learning rate is to 0.3."""
    good = 1 - abs(np.log10(float(values["learning_rate"]) / 0.3)) / 2
    return round(good * of) / of


def filled(path: Path, count: int, *, of: int = 50) -> tuple[Study, tuple[Hyperparameter, ...]]:
    """A study in which a learning rate near 0.3 is good, and the batch says nothing."""
    hyperparameters = (RATE, BATCH)
    study = studies.journal_study(path, seed=0)
    studies.begin(study, settings(hyperparameters))
    studies.want_default(study, hyperparameters)
    for _ in range(count):
        run(study, hyperparameters, lambda _, values: TrialResult(outcome=outcome(good_of(values, of=of)), seconds=1.0))
    return study, hyperparameters


def test_the_first_trial_is_the_default_recipe_and_the_study_goes_on_from_its_file(tmp_path: Path):
    path = tmp_path / "study.journal"
    study, hyperparameters = filled(path, 5)

    again = studies.journal_study(path, seed=0)

    assert studies.trial_rows(again) == studies.trial_rows(study)
    assert studies.is_default(studies.trial_rows(again)[0].values, hyperparameters)
    assert studies.settings_of(again) == settings(hyperparameters)


@pytest.mark.fault
def test_a_journal_cut_off_anywhere_in_its_last_line_is_mended_and_a_dead_trial_is_noted(tmp_path: Path):
    path = tmp_path / "study.journal"
    study, hyperparameters = filled(path, 3)
    begin(study, hyperparameters)  # and then the power goes
    whole = path.read_bytes()
    last = whole[:-1].rfind(b"\n") + 1
    for cut in range(last + 1, len(whole), 7):
        path.write_bytes(whole[:cut])
        path.with_name("study.journal.lock").write_bytes(b"")  # its owner is dead, too

        again = studies.journal_study(path, seed=0)
        studies.clear_stale(again, worker=None)
        begin(again, hyperparameters)

        states = [row.state for row in studies.trial_rows(again)]
        assert states == ["done", "done", "done", "interrupted", "running"]


def test_an_interrupted_default_is_tried_again(tmp_path: Path):
    hyperparameters = (RATE, BATCH)
    study = studies.journal_study(tmp_path / "study.journal", seed=0)
    studies.want_default(study, hyperparameters)
    run(study, hyperparameters, lambda *_: TrialResult(seconds=1.0))

    studies.want_default(study, hyperparameters)
    values = begin(study, hyperparameters)

    assert studies.is_default(values, hyperparameters)
    assert [row.state for row in studies.trial_rows(study)] == ["interrupted", "running"]


def test_a_study_of_other_data_or_another_recipe_is_refused(tmp_path: Path):
    known = settings((RATE,))

    studies.require_same(known, data="d", recipe={"epochs": 3})
    with pytest.raises(UsageError, match="the images, or their split"):
        studies.require_same(known, data="other", recipe={"epochs": 3})
    with pytest.raises(UsageError, match="the recipe's epochs"):
        studies.require_same(known, data="d", recipe={"epochs": 4})


@pytest.mark.slow  # over half a second of processor time: makes the tables of a database
def test_two_workers_share_a_study_in_a_database_and_clear_only_their_own_dead_trials(tmp_path: Path):
    url, hyperparameters = f"sqlite:///{tmp_path}/study.db", (RATE, BATCH)
    first = studies.shared_study(url, name="ours", seed=1)
    studies.begin(first, settings(hyperparameters))
    studies.want_default(first, hyperparameters)
    begin(first, hyperparameters, worker="a")

    second = studies.shared_study(url, name="ours", seed=2)
    assert studies.settings_of(second) == settings(hyperparameters)
    studies.want_default(second, hyperparameters)  # its turn has come already
    values = begin(second, hyperparameters, worker="b")
    studies.clear_stale(second, worker="b")

    assert not studies.is_default(values, hyperparameters)
    assert [row.state for row in studies.trial_rows(first)] == ["running", "interrupted"]


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("nonsense", "not a URL"),
        ("nosuchdatabase://x/y", "not a URL"),
        ("sqlite:////no/such/folder/study.db", "unable to open database file"),
        ("postgresql+pg8000://me:secret@127.0.0.1:{port}/ours", "Connection refused"),
    ],
)
def test_a_storage_that_cannot_be_used_is_refused_without_showing_its_url(url: str, cause: str):
    with socket.socket() as unheard:  # bound, and nothing listens
        unheard.bind(("127.0.0.1", 0))
        url = url.format(port=unheard.getsockname()[1])
        with pytest.raises(UsageError, match=cause) as raised:
            studies.shared_study(url, name="ours", seed=1)

    assert url not in str(raised.value)


def test_dials_and_settings_survive_json():
    known = settings((RATE, BATCH))

    assert StudySettings.from_text(known.as_text()) == known
    assert json.loads(known.as_text())["hyperparameters"][1]["choices"] == [16, 32]
    assert NetworkOptions() == recipe_for(PHOTOGRAPHS).options
