"""Several trainings that become one tested model file."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.draw import PARTS, class_folders, draw
from tests.workflows.heard import Heard, interrupt_at_step

from vidi.errors import UsageError
from vidi.model_file.digests import member_count
from vidi.model_file.read import ModelFile, read_model
from vidi.networks.from_onnx import weights_of
from vidi.prediction.predictor import Predictor
from vidi.workflows.inspect import describe_model, inspect_model, self_test
from vidi.workflows.report import rebuild_report
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.in_use import RetrainRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.retraining.plan import plan_retraining, request_again
from vidi.workflows.run.budget import seconds_for_member
from vidi.workflows.run.learning.ensemble import require_ensemble
from vidi.workflows.train import resume, train

SMALL = {"epochs": 4, "options.width": 0.25, "augmentation.flip": "none", "precision": "float32"}

pytestmark = [
    pytest.mark.slow,  # trains, although only for seconds
    pytest.mark.usefixtures("undrawn"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data"), kinds=("disc", "stripes", "square"), each=40)


@pytest.fixture(scope="module")
def assigned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images with a part of their own for calibration: no folds are trained for it."""
    return class_folders(tmp_path_factory.mktemp("data"), kinds=("disc", "stripes", "square"), each=40, parts=PARTS)


def request(data: Path, output: Path, **others: object) -> TrainRequest:
    return TrainRequest(
        data=DataRequest(source=str(data)),
        output=output,
        **{
            "changes": SMALL,
            "ensemble": 2,
            "network": None if "weights" in others or "pretrained" in others else "compact",
            **others,
        },
    )


def networks_in(model: ModelFile) -> int:
    return member_count(tensor.name for tensor in model.contents.tensors)


@pytest.fixture(scope="module")
def whole(assigned: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    heard = Heard()
    folder = train(request(assigned, tmp_path_factory.mktemp("runs") / "whole"), events=heard.events).folder
    return folder, heard.sentences


def test_two_trainings_become_one_tested_model_file(whole: tuple[Path, list[str]]):
    folder, sentences = whole

    model = read_model(folder)
    assert model.metadata.unfinished is None
    assert networks_in(model) == 2
    assert model.metadata.calibration.image_count > 0
    ensemble = json.loads((folder / "metrics.json").read_text())["ensemble"]
    assert ensemble["way"] == "probabilities"
    assert [member["seed"] for member in ensemble["members"]] == [0, 1]
    for part in ("validation", "test"):
        gain = ensemble[part]
        assert gain["low"] <= gain["value"] <= gain["high"]
        assert round(gain["value"] * gain["images"]) == gain["gained"] - gain["lost"]
    assert ensemble["milliseconds"]["ensemble"] > 0
    assert sorted(folder.glob("member-*")) == []
    said = "\n".join(sentences)
    for wanted in (
        "training 2 of 2: seed 1",
        "ensemble: kept",
        "gain over the best single training",
        "cost: ",
        "deleted",
    ):
        assert wanted in said


def test_the_file_is_inspected_and_answers_as_it_was_tested(whole: tuple[Path, list[str]]):
    folder, _ = whole
    model, document = inspect_model(folder)

    assert self_test(model).passed
    assert document["networks"] == 2
    assert "2 networks side by side" in describe_model(model, document)
    answers = Predictor.load(folder).predict([draw("disc", seed=999)])
    assert sum(answers[0].probabilities) == pytest.approx(1, abs=1e-5)
    page = rebuild_report(folder).read_text("utf-8")
    assert "2 networks" in page
    assert "2 trainings" in page
    assert "2 networks" in (folder / "model_card.md").read_text("utf-8")


def test_a_new_run_begins_from_the_best_of_them(whole: tuple[Path, list[str]], assigned: Path, tmp_path: Path):
    heard = Heard()

    slow = {"epochs": 1, "learning_rate": 1e-8, "warm_up": 0.0}
    again = train(
        request(assigned, tmp_path / "again", ensemble=None, weights=str(whole[0]), changes=slow), events=heard.events
    )

    assert any("starts from the best of the 2 networks" in sentence for sentence in heard.sentences)
    assert networks_in(read_model(again.folder)) == 1


def test_as_many_trainings_as_networks_begin_from_one_each(
    whole: tuple[Path, list[str]], assigned: Path, tmp_path: Path
):
    heard = Heard()

    slow = {"epochs": 1, "learning_rate": 1e-8, "warm_up": 0.0, "averaging": 0.0}
    again = train(request(assigned, tmp_path / "again", weights=str(whole[0]), changes=slow), events=heard.events)

    assert f"the 2 trainings start from the 2 networks in {whole[0]}" in heard.sentences
    old, new = (
        [one["head.weight"] for one in weights_of(onnx.load_model_from_string(read_model(folder).data).graph)]
        for folder in (whole[0], again.folder)
    )
    nearest = [min(range(2), key=lambda number: abs(old[number] - one).max()) for one in new]
    assert sorted(nearest) == [0, 1]
    for one, number in zip(new, nearest, strict=True):
        np.testing.assert_allclose(one, old[number], atol=1e-4)


def test_an_ensemble_is_retrained_as_one(whole: tuple[Path, list[str]], tmp_path: Path):
    asked = RetrainRequest(run=whole[0], feedback="use")

    again = request_again(plan_retraining(asked, root=tmp_path / "models"), asked)

    assert (again.ensemble, again.weights) == (2, str(whole[0]))


@pytest.mark.fault
def test_ctrl_c_in_the_second_training_leaves_the_first_and_resume_gives_the_same_weights(
    whole: tuple[Path, list[str]], assigned: Path, tmp_path: Path
):
    cut = train(request(assigned, tmp_path / "cut"), events=interrupt_at_step(3, after="training 2 "))

    assert not cut.finished
    unfinished = read_model(cut.folder)
    assert unfinished.metadata.unfinished is not None
    assert networks_in(unfinished) == 1
    assert (cut.folder / "member-1" / "ended.json").exists()

    heard = Heard()
    resumed = resume(cut.folder, events=heard.events)

    assert resumed.finished
    assert not any(sentence.startswith("training 1") for sentence in heard.sentences)
    assert read_model(resumed.folder).weights_digest() == read_model(whole[0]).weights_digest()
    assert sorted(cut.folder.glob("member-*")) == []


@pytest.mark.fault
def test_ctrl_c_in_the_first_training_leaves_its_best_so_far_and_finish_completes_what_is_there(
    assigned: Path, tmp_path: Path
):
    cut = train(request(assigned, tmp_path / "run", ensemble=3), events=interrupt_at_step(3, after="training 1 "))
    assert not cut.finished
    assert networks_in(read_model(cut.folder)) == 1

    again = resume(cut.folder, events=interrupt_at_step(2, after="training 3 "))
    assert not again.finished
    assert networks_in(read_model(cut.folder)) == 2
    heard = Heard()
    run = resume(cut.folder, finish=True, events=heard.events)

    assert run.finished
    assert "2 of 3 trainings finished: the model holds only these" in heard.sentences
    assert json.loads((run.folder / "metrics.json").read_text())["ensemble"]["asked"] == 3


def test_the_time_is_shared_among_the_trainings():
    left, spent = 1000.0, []
    for members in (4, 3, 2, 1):
        spent.append(seconds_for_member(left, members=members, count=4, fold_work=0))
        left -= spent[-1]

    assert max(spent) < 1.01 * min(spent)
    assert 90 < left < 200  # for calibration, test and report


@pytest.mark.integration
def test_a_deadline_ends_every_training_and_the_run_is_finished(assigned: Path, tmp_path: Path):
    run = train(request(assigned, tmp_path / "run", minutes=0.001, changes={**SMALL, "epochs": 100_000}))

    members = json.loads((run.folder / "metrics.json").read_text())["ensemble"]["members"]
    assert run.finished
    assert [member["epochs"] < 1_000 for member in members] == [True, True]


@pytest.mark.parametrize("count", [1, 21])
def test_too_few_and_too_many_trainings_are_refused(count: int):
    with pytest.raises(UsageError, match=f"--ensemble {count} is out of range"):
        require_ensemble(count, only_head=False)


def test_an_ensemble_of_heads_alone_is_refused_since_all_would_be_the_same(data: Path, tmp_path: Path):
    asked = request(data, tmp_path / "run", pretrained="lite0", changes={"image_size": (32, 32), "freeze": True})

    with pytest.raises(UsageError, match="the same with every seed"):
        train(asked)

    assert not (tmp_path / "run").exists()


@pytest.mark.integration
def test_a_head_that_is_kept_says_that_there_is_no_ensemble(data: Path, tmp_path: Path):
    changes = {"image_size": (32, 32), "features": "onnxruntime"}  # of so few images a head is all that is learned

    run = train(request(data, tmp_path / "run", network=None, changes=changes))

    assert run.notes[-1].endswith("the same with every seed")
    assert networks_in(read_model(run.folder)) == 1


def test_a_wrong_number_is_refused_before_anything_is_written(data: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="2 to 20"):
        train(request(data, tmp_path / "run", ensemble=1))

    assert not (tmp_path / "run").exists()


def test_the_request_is_read_back_as_it_was_written(data: Path, tmp_path: Path):
    asked = request(data, tmp_path / "run", ensemble=4)

    again = TrainRequest.from_dict(json.loads(json.dumps(asked.as_dict(), default=str)))

    assert replace(again, output=None) == replace(asked, output=None)
