"""Other promises for a finished model: same weights, other limits, and no image that it has learned from."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.command import vidi as vidi_command
from tests.draw import class_folders, draw, encoded
from tests.model_file.tiny import tiny_model, with_provenance

from vidi.data.splitting.split_plan import Assignment, write_assignments
from vidi.errors import DataError, ModelError, UsageError
from vidi.evaluation.guarantees.operating import OperatingTarget
from vidi.evaluation.guarantees.promise import GuaranteeTargets
from vidi.files import digest_of
from vidi.model_file.drift_reference import Histogram
from vidi.model_file.learned_from import DigestFilter
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.write import set_metadata
from vidi.prediction.predictor import Predictor
from vidi.workflows.calibrate import calibrate
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.model_file import CalibrateRequest
from vidi.workflows.requests.shared import Guarantees

KINDS = ("disc", "stripes", "square")
RECALL = Guarantees(target=OperatingTarget.of(recall=0.8))


@pytest.fixture
def model(tmp_path: Path) -> ModelFile:
    made = tiny_model(tmp_path / "run" / "model.onnx")
    return set_metadata(made.path, replace(made.metadata, test={"images": 3}))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Thirty images of each class, under the model's names."""
    root = class_folders(tmp_path / "data", kinds=KINDS, each=30)
    for number, kind in enumerate(KINDS):
        (root / kind).rename(root / f"class {number}")
    return root


def request(model: ModelFile, data: Path, output: Path, **promise: float) -> CalibrateRequest:
    return CalibrateRequest(
        model=model.path,
        data=DataRequest(source=str(data)),
        output=output,
        guarantees=Guarantees(promise=GuaranteeTargets(**promise)),
    )


def test_weights_stay_and_limits_follow_the_promise(model: ModelFile, data: Path, tmp_path: Path):
    before = model.path.read_bytes()

    done = calibrate(request(model, data, tmp_path / "new.onnx", coverage=0.8))

    after = read_model(tmp_path / "new.onnx")
    assert model.path.read_bytes() == before
    assert after.weights_digest() == model.weights_digest()
    assert after.metadata.verdict is not None
    assert (after.metadata.verdict.coverage, after.metadata.verdict.image_count) == (0.8, 90)
    assert after.metadata.verdict.candidate is not None
    assert after.metadata.test is None  # measured with the old calibration
    assert done.image_count == 90
    assert any("80 %" in sentence for sentence in done.sentences)


def test_a_run_whose_own_file_is_calibrated_gets_its_card_anew(model: ModelFile, data: Path):
    run = model.path.parent
    (run / "metrics.json").write_text(json.dumps({"schema": 2, "model": {"id": model.model_id, "run": "run"}}))

    done = calibrate(replace(request(model, data, model.path), overwrite=True))

    card = (run / "model_card.md").read_text()
    assert f"The figures are of model {model.model_id}. This is model {done.model.model_id}" in card
    assert "- calibration: " in card


def test_a_file_of_its_own_gets_no_card(model: ModelFile, data: Path, tmp_path: Path):
    calibrate(request(model, data, tmp_path / "new" / "strict.onnx"))

    assert [one.name for one in (tmp_path / "new").iterdir()] == ["strict.onnx"]


def test_of_the_images_it_was_trained_on_only_the_calibration_part_is_used(
    model: ModelFile, data: Path, tmp_path: Path
):
    parts = ["train", "calibration", "test"]
    paths = sorted(path.relative_to(data) for path in data.rglob("*.png"))
    rows = [
        Assignment(
            digest=digest_of((data / path).read_bytes()),
            path=str(path),
            group=str(path),
            part=parts[number % 3],
            rule="v1:70-10-10-10:seed0",
        )
        for number, path in enumerate(paths)
    ]
    write_assignments(model.path.parent / "splits.csv", rows)

    assert calibrate(request(model, data, tmp_path / "new.onnx")).image_count == 30


def test_the_drift_reference_is_of_the_new_answers_and_images(model: ModelFile, data: Path, tmp_path: Path):
    learned = sorted(data.glob("class 0/*.png"))[:10]
    stated = DigestFilter.of(digest_of(path.read_bytes()) for path in learned)
    model = set_metadata(model.path, with_provenance(model.metadata, learned_from=(stated,)))

    done = calibrate(request(model, data, tmp_path / "new.onnx"))

    reference = done.model.metadata.drift_reference
    assert (reference.basis, reference.answer_count, reference.images.part) == ("calibration", 80, "calibration")
    others = [path for path in sorted(data.rglob("*.png")) if path not in learned]
    answers = list(Predictor.load(tmp_path / "new.onnx").predict_files(others, embedding=True, statistics=True))
    brightness = np.array([answer.statistics.brightness for answer in answers])
    assert reference.images.qualities["brightness"] == Histogram.of(brightness)
    embeddings = reference.images.embeddings
    assert embeddings.image_count == 40
    places = embeddings.projection().place(np.stack([answer.embedding for answer in answers]))
    assert np.abs(embeddings.placed()[:, None] - places[None]).max(axis=2).min(axis=1).max() < 1e-3 * np.ptp(places)
    labels = [answer.prediction.label for answer in answers]
    assert sum(reference.classes) == len(labels)


def test_a_file_that_tells_nothing_of_single_images_gets_no_embeddings(model: ModelFile, data: Path, tmp_path: Path):
    done = calibrate(request(model, data, tmp_path / "new.onnx"))

    assert model.metadata.provenance.learned_from is None
    assert done.model.metadata.drift_reference.images.image_count == 90
    assert done.model.metadata.drift_reference.images.embeddings is None


def test_of_too_few_images_there_is_no_drift_reference_and_it_is_said(model: ModelFile, data: Path, tmp_path: Path):
    for path in sorted(data.rglob("*.png"))[:-19]:
        path.unlink()

    done = calibrate(request(model, data, tmp_path / "new.onnx"))

    assert done.model.metadata.drift_reference is None
    assert "no drift reference: fewer than 20 held-out answers" in done.sentences


def test_where_no_image_is_left_it_says_so(model: ModelFile, data: Path, tmp_path: Path):
    rows = [
        Assignment(
            digest=digest_of(path.read_bytes()),
            path=str(path),
            group=str(path),
            part="train",
            rule="v1:70-10-10-10:seed0",
        )
        for path in data.rglob("*.png")
    ]
    write_assignments(model.path.parent / "splits.csv", rows)

    with pytest.raises(DataError, match="90 images were used to train"):
        calibrate(request(model, data, tmp_path / "new.onnx"))

    assert not (tmp_path / "new.onnx").exists()


def test_what_is_there_already_stays(model: ModelFile, data: Path, tmp_path: Path):
    (tmp_path / "new.onnx").write_bytes(b"mine")

    with pytest.raises(UsageError, match="exists"):
        calibrate(request(model, data, tmp_path / "new.onnx"))

    assert (tmp_path / "new.onnx").read_bytes() == b"mine"
    calibrate(replace(request(model, data, tmp_path / "new.onnx"), overwrite=True))
    assert read_model(tmp_path / "new.onnx").metadata.verdict is not None


def test_an_unfinished_model_is_refused(model: ModelFile, data: Path, tmp_path: Path):
    set_metadata(model.path, replace(model.metadata, unfinished="stopped by Ctrl-C", test=None))

    with pytest.raises(ModelError, match="unfinished"):
        calibrate(request(model, data, tmp_path / "new.onnx"))


def test_images_of_other_classes_and_broken_ones_are_passed_over(model: ModelFile, data: Path, tmp_path: Path):
    (data / "moss").mkdir()
    for number in range(3):
        (data / "moss" / f"{number}.png").write_bytes(encoded(draw("noise", seed=number)))
    (data / "class 0" / "broken.png").write_bytes(b"nothing")

    assert calibrate(request(model, data, tmp_path / "new.onnx")).image_count == 90


def test_a_wish_is_about_the_positive_class_of_a_model_of_many(model: ModelFile, data: Path, tmp_path: Path):
    about = replace(request(model, data, tmp_path / "new.onnx"), guarantees=RECALL)

    calibrate(replace(about, data=replace(about.data, positive="class 1")))

    points = read_model(tmp_path / "new.onnx").metadata.operating_points
    assert points is not None
    assert (points.positive, [point.name for point in points.points]) == ("class 1", ["class 1"])
    assert (points.points[0].image_count, points.points[0].other_count) == (30, 60)
    calibrate(replace(about, overwrite=True))
    each = read_model(tmp_path / "new.onnx").metadata.operating_points
    assert each is not None
    assert [point.name for point in each.points] == ["class 0", "class 1", "class 2"]


def test_a_model_of_two_classes_is_asked_about_data_of_more(data: Path, tmp_path: Path):
    made = tiny_model(tmp_path / "run" / "model.onnx", classes=2)
    about = replace(request(made, data, tmp_path / "new.onnx"), guarantees=RECALL)

    done = calibrate(replace(about, data=replace(about.data, positive="class 0")))

    (point,) = done.model.metadata.operating_points.points
    assert (point.image_count, point.other_count) == (30, 60)  # the other two classes are the model's `class 1`


def test_a_wish_for_a_class_that_is_not_there_is_refused(model: ModelFile, data: Path, tmp_path: Path):
    about = replace(request(model, data, tmp_path / "new.onnx"), guarantees=RECALL)

    with pytest.raises(UsageError, match="--positive moss is not a class of the model"):
        calibrate(replace(about, data=replace(about.data, positive="moss")))


def test_the_verb_prints_the_limits(model: ModelFile, data: Path, tmp_path: Path):
    words = ("calibrate", model.path, data, "-o", "new.onnx", "--max-error", 0.2, "--json")

    done = vidi_command(*words, folder=tmp_path)

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["images"] == 90
    assert document["verdict"]["sure"]["max_error"] == 0.2
