"""Retraining with new labels: the better model is promoted, a worse one is not, and the test part stays frozen."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.command import vidi
from tests.docs.workshop import put
from tests.draw import PARTS, class_folders
from tests.model_file.tiny import with_provenance

from vidi.data.splitting.split_plan import read_assignments
from vidi.errors import DataError, UsageError
from vidi.files import write_atomic
from vidi.model_file.learned_from import DigestFilter
from vidi.model_file.read import read_model
from vidi.model_file.write import set_metadata
from vidi.registry import find_name
from vidi.workflows.promote import promote
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.in_use import PromoteRequest, RetrainRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.retrain import RetrainResult, retrain
from vidi.workflows.retraining.plan import plan_retraining, request_again
from vidi.workflows.train import train

pytestmark = [
    pytest.mark.slow,  # trains, although only for seconds
    pytest.mark.usefixtures("undrawn"),
]

SMALL = {"epochs": 4, "options.width": 0.25, "augmentation.flip": "none"}


@dataclass(frozen=True)
class Loop:
    """A first run in use as `plants`, and what retraining it with feedback gave."""

    folder: Path
    done: RetrainResult

    @property
    def first(self) -> Path:
        return self.folder / "runs" / "first"


def inverted(path: Path) -> None:
    """The same drawing in other light."""
    with Image.open(path) as image:
        pixels = np.asarray(image)
    Image.fromarray(255 - pixels).save(path, quality=92)


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    folder = tmp_path_factory.mktemp("loop")
    for name in ("flower", "leaf"):
        for number in range(40):
            part = PARTS[number % len(PARTS)]
            put(folder / "photos" / part / name / f"{number:03}.jpg", name, number)
        for number in range(30):
            put(folder / "use" / name / f"{number:03}.jpg", name, 1_000 + number)
            inverted(folder / "use" / name / f"{number:03}.jpg")
    for number in range(30):
        put(folder / "use" / "moss" / f"{number:03}.jpg", "moss", 2_000 + number)
    first = folder / "runs" / "first"
    train(TrainRequest(data=DataRequest(source=str(folder / "photos")), changes=SMALL, output=first))
    promoted = vidi("promote", first, "--name", "plants", folder=folder)
    assert promoted.returncode == 0, promoted.stderr
    request = RetrainRequest(
        run=first, feedback=str(folder / "use"), output=folder / "runs" / "second", why="other light, and moss"
    )
    return Loop(folder, retrain(request, root=folder / "models"))


def test_a_model_that_learned_other_light_and_a_new_class_is_promoted_with_the_reason(loop: Loop):
    document = loop.done.document
    registered = find_name(loop.folder / "models", "plants")

    assert document["passed"], document["reasons"]
    assert document["promoted"] == {"name": "plants", "version": "2"}
    assert document["new_classes"] == ["moss"]
    assert document["feedback"]["difference"] > 0.1  # a third of it is moss, which the first model cannot name
    assert registered.current.why == "other light, and moss"
    assert registered.current.gate["passed"]
    assert read_model(registered.model).metadata.classes == ("flower", "leaf", "moss")
    loop.done.require_passed()


def test_the_test_part_is_the_first_runs_file_by_file_and_feedback_is_held_back(loop: Loop):
    def digests(run: Path, part: str) -> set[str]:
        return {row.digest for row in read_assignments(run / "splits.csv") if row.part == part}

    candidate = loop.done.folder
    held_back = [row.path for row in read_assignments(candidate / "splits.csv") if row.part == "extra"]
    assert digests(candidate, "test") == digests(loop.first, "test")
    assert held_back
    assert all(path.startswith("feedback-1:") for path in held_back)


def test_feedback_counts_as_two_and_every_document_says_so(loop: Loop):
    model = read_model(loop.done.folder)
    learned = sum(loop.done.document["feedback_images"].get(part, 0) for part in ("train", "validation", "calibration"))

    assert loop.done.document["data"]["feedback_weight"] == 2
    assert (model.metadata.provenance.data["feedback_learned"], model.metadata.provenance.data["feedback_weight"]) == (
        learned,
        2,
    )
    said = f"t has learned from {learned} images that were labelled in use, each with a sample weight of 2"
    assert said in (loop.done.folder / "report.html").read_text()
    assert said in (loop.done.folder / "model_card.md").read_text()
    assert "each with a sample weight of 2" in (loop.done.folder / "gate.html").read_text()


def test_a_champion_is_not_compared_on_feedback_that_it_was_trained_on(loop: Loop, tmp_path: Path):
    """The model in use comes from a later run than the one that is trained again."""
    run, candidate = tmp_path / "first", tmp_path / "second"
    shutil.copytree(loop.first, run)
    shutil.copytree(loop.done.folder, candidate)
    model = read_model(run)
    held_back = [row.digest for row in read_assignments(loop.done.folder / "splits.csv") if row.part == "extra"]
    knows = DigestFilter.of(held_back[::2])
    taught = tmp_path / "taught.onnx"
    write_atomic(taught, model.data)
    set_metadata(taught, with_provenance(model.metadata, learned_from=(knows,)))
    promote(PromoteRequest(model=taught, name="plants"), root=tmp_path / "models")

    done = retrain(RetrainRequest(run=run, candidate=candidate, name="plants"), root=tmp_path / "models")

    assert done.document["feedback"]["images"] == len(held_back) - len(held_back[::2])
    assert done.document["missing_test_images"] == 0


def test_the_uses_of_the_test_part_are_counted_on(loop: Loop):
    assert loop.done.document["test_uses"] == 2  # the first run's own test, and the candidate's
    lines = (loop.done.folder / "test-uses.jsonl").read_text().splitlines()
    tested = json.loads((loop.first / "test-uses.jsonl").read_text().splitlines()[0])["images"]
    assert sum(tested in line for line in lines) == 2


def test_the_page_and_its_document_lie_in_the_candidates_folder(loop: Loop):
    page = (loop.done.folder / "gate.html").read_text()

    assert "The new model is now plants, version 2" in page
    assert "not clearly worse on the test part" in page
    assert json.loads((loop.done.folder / "gate.json").read_text())["sentence"].startswith(
        "The new model is now plants"
    )


def test_the_next_retraining_keeps_the_feedback_and_goes_on_from_the_newest_run(loop: Loop):
    asked = RetrainRequest(run=loop.done.folder, feedback="more")

    again = request_again(plan_retraining(asked, root=loop.folder / "models"), asked)

    assert again.data.feedback == (str(loop.folder / "use"), "more")
    assert (again.weights, again.data.split_file) == (str(loop.done.folder), str(loop.done.folder))


def test_a_candidate_that_is_worse_is_kept_out_with_exit_7_and_written_down(loop: Loop, tmp_path: Path):
    shutil.copytree(loop.folder / "models", tmp_path / "models")
    registry = {"folder": tmp_path}
    worse = loop.first  # of what was held back it knows less, but has its own split
    vidi("rollback", "plants", **registry)
    vidi("promote", loop.done.folder, "--name", "plants", **registry)
    candidate = tmp_path / "candidate"
    shutil.copytree(loop.done.folder, candidate)
    shutil.copy(worse / "model.onnx", candidate / "model.onnx")

    done = vidi("retrain", loop.first, "--candidate", candidate, "--name", "plants", **registry)

    assert done.returncode == 7
    assert "on held-back feedback the new model is not better" in done.stdout
    history = find_name(tmp_path / "models", "plants").decisions
    assert history[-1].action == "keep"
    assert "not better" in history[-1].why
    assert find_name(tmp_path / "models", "plants").current.model == read_model(loop.done.folder).model_id
    assert "The model in use stays" in (candidate / "gate.html").read_text()


def test_without_a_name_a_candidate_that_passes_is_left_with_the_command_that_promotes_it(loop: Loop, tmp_path: Path):
    done = vidi("retrain", loop.first, "--candidate", loop.done.folder, folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "put it in use: vidi promote" in done.stdout
    assert not (tmp_path / "models").exists()


def test_a_list_of_training_files_costs_no_test_image_of_a_champion_with_the_same_test_part(loop: Loop, tmp_path: Path):
    run = tmp_path / "first"
    shutil.copytree(loop.first, run)
    model = read_model(run)
    wrong = DigestFilter.of(row.digest for row in read_assignments(run / "splits.csv"))
    write_atomic(tmp_path / "alone.onnx", model.data)
    alone = set_metadata(
        tmp_path / "alone.onnx",
        with_provenance(model.metadata, learned_from=(wrong,)),
    )
    promote(PromoteRequest(model=alone.path, name="plants"), root=tmp_path / "models")
    asked = RetrainRequest(run=run, candidate=loop.done.folder, name="plants")

    done = retrain(asked, root=tmp_path / "models")

    assert done.document["missing_test_images"] == 0
    data = {**alone.metadata.provenance.data, "test_digest": "of other images"}
    foreign = set_metadata(alone.path, with_provenance(alone.metadata, data=data))
    promote(PromoteRequest(model=foreign.path, name="plants"), root=tmp_path / "models")
    with pytest.raises(DataError, match="only 0 of the"):
        retrain(asked, root=tmp_path / "models")


def test_a_candidate_with_another_test_part_is_refused(loop: Loop, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(loop.done.folder, other)
    text = (other / "splits.csv").read_text()
    (other / "splits.csv").write_text(text.replace(",validation,", ",test,"))

    with pytest.raises(DataError, match="are not in the test part"):
        retrain(RetrainRequest(run=loop.first, candidate=other), root=tmp_path / "models")


@pytest.mark.integration
def test_two_networks_side_by_side_are_fitted_again_as_a_pair(tmp_path: Path):
    data = class_folders(tmp_path / "data", kinds=("disc", "stripes"), each=20)
    changes = {"image_size": (32, 32), "features": "onnxruntime", "freeze": True}
    asked = TrainRequest(
        data=DataRequest(source=str(data)), output=tmp_path / "run", pretrained="lite0+lite2", changes=changes
    )
    first = train(asked)
    again = RetrainRequest(run=first.folder, feedback=str(data), output=tmp_path / "again")

    second = train(request_again(plan_retraining(again, root=tmp_path / "models"), again))

    found = [read_model(run.folder).metadata.provenance.recipe for run in (first, second)]
    assert [one["pretrained"] for one in found] == ["lite0+lite2"] * 2
    assert [one["freeze"] for one in found] == [True, True]


def test_what_cannot_be_retrained_is_said(tmp_path: Path):
    with pytest.raises(UsageError, match="is trained already, so no new labels can be used"):
        RetrainRequest(run=tmp_path, candidate=tmp_path, feedback="use")
    with pytest.raises(UsageError, match="is not a run folder"):
        retrain(RetrainRequest(run=tmp_path, feedback="use"))
