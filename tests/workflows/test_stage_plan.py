"""Which stages a run climbs, and which of two networks is kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.draw import PARTS, class_folders
from tests.workflows.heard import Heard, interrupt_at_step

from vidi.metrics.truth import OneClass
from vidi.model_file.read import read_model
from vidi.training.defaults import recipe_for
from vidi.training.recipe import Recipe
from vidi.training.trained import TrainedNetwork
from vidi.training.traits import DataTraits
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run import stages
from vidi.workflows.run.budget import TABLE, Budget
from vidi.workflows.run.learning import backbones, candidates, stage_plan, train_stages
from vidi.workflows.run.learning.stage_plan import plan_stages
from vidi.workflows.run.learning.train_stages import why_too_short
from vidi.workflows.train import Run, resume, train

pytestmark = pytest.mark.usefixtures("undrawn")

PHOTOGRAPHS = DataTraits(image_count=3_000, class_count=10, usual_size=(300, 400), is_grey=False)
SMALL = DataTraits(image_count=50_000, class_count=10, usual_size=(32, 32), is_grey=False)


def planned(traits: DataTraits, **said: object) -> tuple[str, ...]:
    return plan(traits, **said).stages


def plan(traits: DataTraits, **said: object) -> stage_plan.StagePlan:
    usual: dict[str, object] = {"pretrained": None, "is_set": False, "changes": {}, "minutes": None}
    return plan_stages(traits, **{**usual, **said})


def test_photographs_begin_from_learned_features_and_many_small_images_from_scratch():
    assert planned(PHOTOGRAPHS) == ("head", "fine-tune")
    assert planned(SMALL) == ("scratch",)
    assert planned(replace(SMALL, image_count=1_260)) == ("head", "scratch")
    assert planned(replace(SMALL, image_count=160)) == ("head",)
    assert planned(replace(PHOTOGRAPHS, image_count=160)) == ("head",)
    assert planned(replace(PHOTOGRAPHS, image_count=160), pretrained="auto") == ("head", "fine-tune")


def test_a_count_from_before_the_split_is_called_an_estimate():
    few = replace(PHOTOGRAPHS, image_count=53)

    assert "about 53 training images" in plan(few).reason
    assert "about 53 training images" in recipe_for(few, network="compact").sources["epochs"]


def test_what_the_user_says_stands_above_the_plan():
    assert planned(PHOTOGRAPHS, pretrained="none") == ("scratch",)
    assert planned(PHOTOGRAPHS, is_set=True) == ("scratch",)
    assert planned(PHOTOGRAPHS, changes={"epochs": 5}) == ("scratch",)
    assert planned(PHOTOGRAPHS, changes={"epochs": 5}, pretrained="lite0") == ("head", "fine-tune")
    assert planned(PHOTOGRAPHS, changes={"freeze": True}, pretrained="lite0") == ("head",)
    assert planned(SMALL, pretrained="lite0") == ("head", "fine-tune")
    assert planned(SMALL, changes={"freeze": True}) == ("head",)
    assert planned(PHOTOGRAPHS, changes={"seed": 3, "image_size": (96, 96)}) == ("head", "fine-tune")


def test_a_budget_is_chosen_and_said_aloud_where_none_is_given():
    assert plan(PHOTOGRAPHS).minutes == 5
    assert "at most 5 minutes" in plan(PHOTOGRAPHS).sentence
    assert plan(PHOTOGRAPHS, minutes=0.5).minutes == 0.5
    assert plan(replace(SMALL, image_count=60_000)).minutes == 20
    assert plan(PHOTOGRAPHS, changes={"freeze": True}).minutes is None
    assert plan(PHOTOGRAPHS, changes={"freeze": True}, minutes=0.5).minutes == 0.5
    assert plan(PHOTOGRAPHS, changes={"epochs": 5}).minutes is None
    assert "epochs is set" in plan(PHOTOGRAPHS, changes={"epochs": 5}).sentence


def test_without_the_packages_a_run_begins_from_scratch_and_says_so():
    assert planned(PHOTOGRAPHS, has_weights=False) == ("scratch",)
    assert "no pretrained weights are installed" in plan(PHOTOGRAPHS, has_weights=False).sentence


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data"), kinds=("disc", "stripes"), each=30, parts=PARTS)


def request(data: Path, output: Path, **changes: object) -> TrainRequest:
    usual = {"image_size": (32, 32), "features": "onnxruntime", "epochs": 2, "batch": 8, "precision": "float32"}
    return TrainRequest(
        data=DataRequest(source=str(data)), output=output, pretrained="lite0", changes={**usual, **changes}
    )


def made_better(monkeypatch: pytest.MonkeyPatch, is_better: bool) -> None:
    monkeypatch.setattr(train_stages, "_compare", lambda *_, stage: (is_better, f"{stage}: as a test says"))


@pytest.fixture(scope="module")
def tuned(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that keeps its fine-tuned network."""
    with pytest.MonkeyPatch.context() as patch:
        made_better(patch, True)
        return train(request(data, tmp_path_factory.mktemp("tuned") / "run"))


@pytest.mark.slow("trains, although only for seconds")
@pytest.mark.parametrize("is_better", [True, False])
def test_the_better_of_head_and_fine_tuned_network_is_kept(
    data: Path, tuned: Run, tmp_path: Path, monkeypatch, is_better
):
    made_better(monkeypatch, is_better)

    run = tuned if is_better else train(request(data, tmp_path / "run"))

    recipe = Recipe.from_toml((run.folder / "recipe.toml").read_text())
    metadata = read_model(run.folder).metadata
    assert run.finished
    assert recipe.freeze is not is_better
    assert (recipe.head == "trained") is is_better
    assert metadata.provenance.recipe["freeze"] is not is_better
    assert metadata.provenance.weights_license == "Apache-2.0"


@pytest.mark.integration
@pytest.mark.parametrize("is_better", [True, False])
def test_of_two_networks_side_by_side_the_better_one_is_fine_tuned(data: Path, tmp_path: Path, monkeypatch, is_better):
    made_better(monkeypatch, is_better)
    # The largest network stays, as it does by chance on so few images.
    monkeypatch.setattr(backbones, "last_unless_beaten", lambda losses: [*losses][-1])
    monkeypatch.setattr(candidates, "LEAST_FOR_BLOCKS", 10)
    heard, asked = Heard(), request(data, tmp_path / "run", learning_rate=1e-6)

    run = train(replace(asked, pretrained="auto"), events=heard.events)

    recipe = Recipe.from_toml((run.folder / "recipe.toml").read_text())
    (sentence,) = (one for one in heard.sentences if "the better one of lite0+lite2" in one)
    part = sentence.removeprefix("fine-tune: ").partition(",")[0]
    assert run.finished
    assert recipe.pretrained == recipe.network == (part if is_better else "lite0+lite2")
    assert recipe.freeze is not is_better
    assert recipe.options.block_features is (None if is_better else True)  # gradients would enter at every block
    history = (run.folder / "results.csv").read_text().splitlines()
    assert float(history[1].split(",")[2]) > 0.85  # the first epoch's training accuracy: its own head was there already


@pytest.mark.integration
def test_larger_networks_are_left_out_where_their_features_take_too_long(data: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Budget, "fits", lambda *_: False)
    heard = Heard()

    run = train(
        replace(request(data, tmp_path / "run", freeze=True), pretrained="auto", minutes=30.0), events=heard.events
    )

    left_out = [one.removeprefix("Short on time: ") for one in heard.sentences if " is not tried" in one]
    assert [one.partition(";")[0] for one in left_out] == ["lite2 is not tried", "lite0+lite2 is not tried"]
    assert all("60 more images would take it about" in one for one in left_out)  # those of the test part, too
    assert Recipe.from_toml((run.folder / "recipe.toml").read_text()).pretrained == "lite0"


@pytest.mark.slow("trains, although only for seconds")
def test_fine_tuning_goes_on_from_the_head_and_is_compared_on_images_that_neither_has_seen(data: Path, tmp_path: Path):
    heard = Heard()

    run = train(request(data, tmp_path / "run", learning_rate=1e-6), events=heard.events)

    (sentence,) = (one for one in heard.sentences if one.startswith("fine-tune: "))
    assert "on 6 validation images" in sentence
    history = (run.folder / "results.csv").read_text().splitlines()
    assert float(history[1].split(",")[2]) > 0.85  # the first epoch's training accuracy: the head was there already


@pytest.mark.integration
def test_where_one_more_training_fits_half_of_the_images_calibrate_the_fine_tuned_network(tmp_path: Path, monkeypatch):
    made_better(monkeypatch, True)
    monkeypatch.setattr(Budget, "fold_count", lambda *_, **__: 1)
    heard, data = Heard(), class_folders(tmp_path / "data", kinds=("disc", "stripes"), each=30)

    run = train(request(data, tmp_path / "run"), events=heard.events)

    (sentence,) = (one for one in heard.sentences if one.startswith("calibration: "))
    limits = read_model(run.folder).metadata.verdict
    assert sentence.startswith("calibration: 1 more training with a part of the ")
    learned = int(sentence.partition(" of the ")[2].partition(" ")[0])
    assert limits is not None
    assert abs(limits.image_count - learned / 2) <= 2  # groups are held out whole


def test_where_two_epochs_do_not_fit_the_rung_is_left_out_and_the_reason_said():
    fits = TABLE["training"].seconds + 2.2 * 100  # two epochs of a hundred images at a second each, with validation

    assert why_too_short(lambda: fits, image_count=100, measure=lambda: 1.0) == ""
    assert "an epoch takes about 1100 s here" in why_too_short(lambda: fits, image_count=100, measure=lambda: 10.0)


def test_with_next_to_no_time_nobody_measures_what_an_epoch_takes():
    left = TABLE["training"].seconds - 1

    reason = why_too_short(lambda: left, image_count=100, measure=lambda: pytest.fail("measured"))

    assert reason == f"only {left:.0f} s are left"


@pytest.mark.slow("trains, although only for seconds")
def test_without_time_for_the_rung_the_run_ends_with_the_head_and_says_so(data: Path, tmp_path: Path):
    heard, asked = Heard(), request(data, tmp_path / "run")
    asked = replace(asked, minutes=0.02, changes={name: v for name, v in asked.changes.items() if name != "epochs"})

    assert train(asked, events=heard.events).finished
    (sentence,) = (one for one in heard.sentences if one.startswith("fine-tune: skipped because "))
    assert sentence.endswith(" s are left")


@pytest.mark.slow("trains, although only for seconds")
def test_fine_tuning_that_was_stopped_goes_on_to_the_same_bits(data: Path, tuned: Run, tmp_path: Path, monkeypatch):
    made_better(monkeypatch, True)
    stopped = train(request(data, tmp_path / "run"), events=interrupt_at_step(2))
    assert not stopped.finished
    assert read_model(stopped.folder).metadata.unfinished

    run = resume(tmp_path / "run")

    assert run.finished
    digests = [read_model(one.folder).metadata.weights_digest for one in (run, tuned)]
    assert digests[0] == digests[1]


@pytest.mark.integration
def test_what_was_stopped_can_be_finished_as_it_is(data: Path, tmp_path: Path, monkeypatch):
    made_better(monkeypatch, False)
    train(request(data, tmp_path / "run"), events=interrupt_at_step(1))

    run = resume(tmp_path / "run", finish=True)

    assert run.finished
    assert Recipe.from_toml((run.folder / "recipe.toml").read_text()).freeze


def test_two_networks_are_compared_after_the_calibration_that_each_would_get():
    labels = np.arange(400) % 2
    answers = np.where(np.arange(400) % 5 == 0, 1 - labels, labels)  # a fifth is wrong
    sure = np.where(answers[:, None] == np.arange(2), 0.99, 0.01)
    unsure = np.where(answers[:, None] == np.arange(2), 0.6, 0.4)

    truth = OneClass(labels=labels, class_count=2)
    losses = [train_stages._judged(probabilities, truth)[0] for probabilities in (sure, unsure)]

    assert losses[0] == pytest.approx(losses[1], rel=0.05)  # they differ in temperature alone


@pytest.mark.integration
def test_fine_tuning_leaves_first_layers_and_depthwise_weights_as_they_are(data: Path, tmp_path: Path, monkeypatch):
    made_better(monkeypatch, True)
    kept: list[TrainedNetwork] = []
    publish = stages.publish_unfinished
    monkeypatch.setattr(
        stages, "publish_unfinished", lambda folder, one: (kept.append(one.trained), publish(folder, one))[1]
    )

    train(request(data, tmp_path / "run", learning_rate=0.01, averaging=0.0))

    head, tuned = (one.network.state_dict() for one in kept)
    changed = {name for name in head if not torch.equal(head[name], tuned[name])}
    depthwise = {name for name, tensor in head.items() if tensor.ndim == 4 and tensor.shape[1] == 1}
    assert not changed & depthwise
    assert {name.split(".")[1] for name in changed if name.startswith("layers.")} == {str(n) for n in range(6, 18)}
    assert "head.weight" in changed
