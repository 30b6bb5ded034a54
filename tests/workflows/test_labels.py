"""Images that show several classes, from a table to answers, figures and a report."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_metadata, tiny_network

from vidi.data.inputs import find_paths
from vidi.errors import UsageError
from vidi.evaluation.limits import Promise
from vidi.evaluation.wish import Wish
from vidi.images.account import Account
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.write import write_model
from vidi.prediction.predictor import Predictor
from vidi.workflows.evaluate import EvaluateRequest, evaluate
from vidi.workflows.events import SILENCE
from vidi.workflows.job import look
from vidi.workflows.predict import predict_inputs
from vidi.workflows.predictions import write_csv, write_json, write_table
from vidi.workflows.recalibrate import CalibrateRequest, calibrate
from vidi.workflows.request import DataRequest
from vidi.workflows.study import Asked
from vidi.workflows.train import TrainRequest, train

KINDS = ("disc", "square", "stripes")


def make_data(folder: Path, *, images: int, names: tuple[str, ...] = KINDS, seed: int = 0) -> Path:
    """A table with a column for each kind, and images with a kind in each of three corners, or nothing there."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    lines = [",".join(["path", *names])]
    for number in range(images):
        image = random.integers(0, 60, (32, 32, 3), dtype=np.uint8)
        is_shown = random.random(3) < (0.5, 0.4, 0.4)
        for kind, corner, there in zip(KINDS, ((0, 0), (0, 16), (16, 0)), is_shown, strict=True):
            if there:
                part = draw(kind, size=(16, 16), seed=seed * 10_000 + number)
                image[corner[0] : corner[0] + 16, corner[1] : corner[1] + 16] = part
        (folder / f"{number:03}.png").write_bytes(encoded(image))
        lines.append(",".join([f"{number:03}.png", *(str(int(there)) for there in is_shown)]))
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder / "labels.csv"


def request(data: Path, **others: object) -> TrainRequest:
    return TrainRequest(data=DataRequest(source=str(data), multi_label=True), **others)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images under the names of the tiny model's classes."""
    names = tuple(f"class {number}" for number in range(3))
    return make_data(tmp_path_factory.mktemp("data"), images=60, names=names)


@pytest.fixture
def model(tmp_path: Path) -> ModelFile:
    return write_model(tmp_path / "run" / "model.onnx", tiny_network(), replace(tiny_metadata(), multi_label=True))


def asked(model: ModelFile, data: Path, folder: Path, **others: object) -> CalibrateRequest:
    return CalibrateRequest(model=model.path, data=DataRequest(source=str(data)), output=folder / "new.onnx", **others)


def test_calibration_gives_every_class_a_threshold(model: ModelFile, data: Path, tmp_path: Path):
    done = calibrate(asked(model, data, tmp_path))

    metadata = done.model.metadata
    assert done.image_count == 60
    assert metadata.multi_label
    assert metadata.verdict is None
    assert metadata.operating_points is not None
    assert [point.name for point in metadata.operating_points.points] == list(metadata.classes)
    assert done.model.weights_digest() == model.weights_digest()


def test_promises_of_one_class_each_are_refused_of_several(model: ModelFile, data: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="--max-error"):
        calibrate(asked(model, data, tmp_path, promise=Promise(max_error=0.1)))


def test_an_evaluation_counts_classes_one_by_one_and_together(model: ModelFile, data: Path, tmp_path: Path):
    made = calibrate(asked(model, data, tmp_path))

    done = evaluate(EvaluateRequest(model=made.model.path, data=DataRequest(source=str(data)), output=tmp_path / "out"))

    document = json.loads((tmp_path / "out" / "metrics.json").read_text())
    test = document["test"]
    assert document["task"] == "multi-label"
    assert (test["images"], test["confusion"], document["verdicts"]) == (60, None, None)
    assert test["hamming_loss"]["value"] == round(done.figures["test"].hamming_loss.value, 6)
    assert document["operating_points"]["test"]["measure"] == "f1"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "All classes right (exact match)" in page
    assert "Hamming loss" in page
    assert "confusion" not in page.lower().replace("no confusion", "")


def test_answers_name_several_classes_in_every_form(model: ModelFile, data: Path, tmp_path: Path):
    made = calibrate(asked(model, data, tmp_path, wish=Wish.of(recall=0.9)))
    predictor, account = Predictor.load(made.model.path), Account()
    answers = list(predict_inputs(predictor, find_paths([str(data.parent)]), account))
    table, document, rows = io.StringIO(), io.StringIO(), io.StringIO()

    write_table(answers, table, paths=[answers[0].path])
    write_json(answers, document, model=predictor.model, account=account)
    write_csv(answers, rows, classes=predictor.classes)

    assert max(len(answer.prediction.decision) for answer in answers) > 1
    for answer, row, line in zip(
        answers, json.loads(document.getvalue())["predictions"], table.getvalue().splitlines(), strict=True
    ):
        assert row["decision"] == row["candidates"] == list(answer.prediction.decision)
        assert line.endswith(f"→ {', '.join(answer.prediction.decision) or 'none'}")
    cells = list(csv.DictReader(io.StringIO(rows.getvalue())))
    assert [cell["decision"].split("|") if cell["decision"] else [] for cell in cells] == [
        list(answer.prediction.decision) for answer in answers
    ]


def test_images_of_several_classes_are_not_sorted_into_folders(model: ModelFile, data: Path, tmp_path: Path):
    answers = predict_inputs(
        Predictor.load(model.path), find_paths([str(data.parent)]), Account(), sort_into=tmp_path / "sorted"
    )

    with pytest.raises(UsageError, match="no folder is its own"):
        next(answers)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"ensemble": 3}, "--ensemble"),
        ({"weights": "runs/other"}, "--from"),
        ({"asked": Asked(learning_curve=True)}, "--learning-curve"),
        ({"promise": Promise(coverage=0.9)}, "--coverage"),
        ({"changes": {"loss": "mean-squared-error"}}, "--loss"),
        ({"changes": {"class_weights": "balanced"}}, "class_weights"),
        ({"wish": Wish.of(costs={"a": {"a": 0.0}})}, "--costs"),
    ],
)
def test_what_is_made_for_one_class_each_is_refused_before_any_work(tmp_path: Path, others, said):
    with pytest.raises(UsageError, match=said):
        look(request(tmp_path / "missing.csv", **others), events=SILENCE)


@pytest.mark.slow  # trains, although only for seconds
@pytest.mark.parametrize(
    "how",
    [
        {"changes": {"epochs": 3, "options.width": 0.25, "augmentation.flip": "none"}, "network": "compact"},
        {"changes": {"image_size": (32, 32), "features": "onnxruntime"}, "pretrained": "lite0"},
    ],
)
def test_a_table_of_several_labels_becomes_a_tested_model_file(tmp_path: Path, how):
    data = make_data(tmp_path / "data", images=60)

    run = train(request(data, output=tmp_path / "run", **how))

    assert run.test is not None
    assert run.test.hamming_loss.value < 0.5
    metadata = read_model(run.folder).metadata
    assert metadata.multi_label
    assert metadata.test["hamming_loss"]["value"] == round(run.test.hamming_loss.value, 6)
    assert (run.folder / "report.html").exists()
    assert (run.folder / "model_card.md").exists()
    figures = evaluate(EvaluateRequest(model=run.folder, data=DataRequest(source=str(data)), output=tmp_path / "again"))
    assert figures.figures["test"].accuracy.value == run.test.accuracy.value  # what it learnt from is set aside


def test_a_run_remembers_its_wish_and_that_images_show_several_classes(tmp_path: Path):
    wish = Wish.of(costs={"a": {"a": 0.0, "b": 2.0}, "b": {"a": 1.0, "b": 0.0}})
    for given in (request(tmp_path / "x.csv", wish=Wish.of(precision=0.9)), request(tmp_path / "x.csv", wish=wish)):
        assert TrainRequest.from_dict(json.loads(json.dumps(given.as_dict(), default=str))) == given
