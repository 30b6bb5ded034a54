"""Images that show several classes, from a table to answers, figures and a report."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_metadata, tiny_model, tiny_network
from tests.workflows.heard import Heard

from vidi.data.inputs import find_paths
from vidi.errors import UsageError
from vidi.evaluation.answers import Answers, SeveralCalled
from vidi.evaluation.guarantees.operating import OperatingTarget
from vidi.evaluation.guarantees.promise import GuaranteeTargets
from vidi.images.account import Account
from vidi.metrics.multi_label import logits_of
from vidi.metrics.outputs import SIGMOID
from vidi.model_file.metadata import Calibration
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.write import write_model
from vidi.prediction.prediction import Answer
from vidi.prediction.predictor import Predictor
from vidi.report.pages.explain import write_explanation
from vidi.workflows.calibrate import calibrate
from vidi.workflows.compare import compare
from vidi.workflows.evaluate import evaluate
from vidi.workflows.explaining.image import explain_file
from vidi.workflows.interaction.events import SILENCE
from vidi.workflows.interaction.output import write_csv, write_json, write_table
from vidi.workflows.predict import predict_inputs
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.model_file import CalibrateRequest, CompareRequest, EvaluateRequest
from vidi.workflows.requests.shared import Guarantees
from vidi.workflows.requests.train import Diagnostics
from vidi.workflows.run.gain import before_calibration, gain_on_test
from vidi.workflows.run.plan import read_and_plan
from vidi.workflows.train import TrainRequest, train

pytestmark = pytest.mark.usefixtures("undrawn")

KINDS = ("disc", "square", "stripes")
IMAGES = 84  # enough for a slice of a quarter of them


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
    return make_data(tmp_path_factory.mktemp("data"), images=IMAGES, names=names)


@pytest.fixture
def model(tmp_path: Path) -> ModelFile:
    return write_model(tmp_path / "run" / "model.onnx", tiny_network(), replace(tiny_metadata(), multi_label=True))


def asked(model: ModelFile, data: Path, folder: Path, **others: object) -> CalibrateRequest:
    return CalibrateRequest(model=model.path, data=DataRequest(source=str(data)), output=folder / "new.onnx", **others)


def test_calibration_gives_every_class_a_threshold(model: ModelFile, data: Path, tmp_path: Path):
    done = calibrate(asked(model, data, tmp_path))

    metadata = done.model.metadata
    assert done.image_count == IMAGES
    assert metadata.multi_label
    assert metadata.verdict.ranking == "all-classes"
    assert metadata.operating_points is not None
    assert [point.name for point in metadata.operating_points.points] == list(metadata.classes)
    assert done.model.weights_digest() == model.weights_digest()


def test_promises_are_about_whole_answers(model: ModelFile, data: Path, tmp_path: Path):
    wide = calibrate(
        asked(model, data, tmp_path, guarantees=Guarantees(promise=GuaranteeTargets(max_error=0.4, coverage=0.8)))
    )

    limits = wide.model.metadata.verdict
    assert (limits.max_error, limits.coverage) == (0.4, 0.8)
    assert "all classes of an image are among them in at least 80 % of cases" in wide.sentences[2]


def test_what_needs_one_class_each_is_refused_of_several(model: ModelFile, data: Path, tmp_path: Path):
    request = DataRequest(source=str(data), positive="class 0")

    with pytest.raises(UsageError, match="--costs and --positive"):
        calibrate(CalibrateRequest(model=model.path, data=request, output=tmp_path / "new.onnx"))


@pytest.mark.slow  # over a second of processor time
def test_an_evaluation_counts_classes_one_by_one_and_together(model: ModelFile, data: Path, tmp_path: Path):
    made = calibrate(asked(model, data, tmp_path))

    request = DataRequest(source=str(data))
    done = evaluate(EvaluateRequest(model=made.model.path, data=request, output=tmp_path / "out", robustness=True))

    document = json.loads((tmp_path / "out" / "metrics.json").read_text())
    test = document["test"]
    assert document["task"] == "multi-label"
    assert (test["images"], test["confusion"]) == (IMAGES, None)
    assert document["verdicts"]["test"]["coverage"]["value"] >= 0.9  # on the very images that it was calibrated on
    assert document["robustness"]["clean"]["value"] == round(done.figures["test"].accuracy.value, 6)
    assert {one["by"] for one in document["slices"]} == {"brightness, of 255"}
    assert test["hamming_loss"]["value"] == round(done.figures["test"].hamming_loss.value, 6)
    assert document["operating_points"]["test"]["measure"] == "f1"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Exact match (all classes)" in page
    assert "Hamming loss" in page
    assert "Does it hold for worse images?" in page
    assert "confusion" not in page.lower().replace("no confusion", "")


def test_answers_name_several_classes_in_every_form(model: ModelFile, data: Path, tmp_path: Path):
    made = calibrate(asked(model, data, tmp_path, guarantees=Guarantees(target=OperatingTarget.of(recall=0.9))))
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
        assert row["decision"] == list(answer.prediction.decision)
        assert set(row["decision"]) <= set(row["candidates"])
        assert row["verdict"] in ("sure", "unsure")
        assert f"  {', '.join(answer.prediction.decision) or 'none of its classes'}" in line
    cells = list(csv.DictReader(io.StringIO(rows.getvalue())))
    assert [cell["decision"].split("|") if cell["decision"] else [] for cell in cells] == [
        list(answer.prediction.decision) for answer in answers
    ]


@pytest.mark.slow  # over a second of processor time
def test_two_models_are_compared_class_by_class_and_on_whole_answers(model: ModelFile, data: Path, tmp_path: Path):
    first = calibrate(asked(model, data, tmp_path, guarantees=Guarantees(target=OperatingTarget.of(recall=0.9)))).model
    request = replace(
        asked(model, data, tmp_path, guarantees=Guarantees(target=OperatingTarget.of(precision=0.5))),
        output=tmp_path / "other.onnx",
    )
    second = calibrate(request).model

    both = CompareRequest(
        first=first.path, second=second.path, data=DataRequest(source=str(data)), output=tmp_path / "out"
    )
    found = compare(both)

    asked_of = DataRequest(source=str(data))
    shown = evaluate(EvaluateRequest(model=second.path, data=asked_of, output=tmp_path / "e"))
    assert found.comparison.overall.counts.second_accuracy == shown.figures["test"].accuracy.value
    assert list(found.comparison.per_class) == list(model.metadata.classes)
    assert all(one.counts.image_count == IMAGES for one in found.comparison.per_class.values())
    rows = list(csv.DictReader((tmp_path / "out" / "disagreements.csv").read_text().splitlines()))
    assert any("|" in row["a"] for row in rows)
    assert "exact match (all classes)" in (tmp_path / "out" / "compare.html").read_text()


def test_a_model_of_several_classes_is_not_compared_with_one_of_one(model: ModelFile, data: Path, tmp_path: Path):
    single = tiny_model(tmp_path / "single" / "model.onnx")

    with pytest.raises(UsageError, match="is not: they cannot be compared"):
        compare(CompareRequest(first=single.path, second=model.path, data=DataRequest(source=str(data))))


def test_every_class_that_an_image_is_called_is_explained(model: ModelFile, data: Path, tmp_path: Path):
    made = calibrate(asked(model, data, tmp_path, guarantees=Guarantees(target=OperatingTarget.of(recall=0.95))))
    predictor = Predictor.load(made.model.path)
    several = max(predictor.predict_files([str(path) for path in sorted(data.parent.glob("*.png"))]), key=_count_said)

    explained = explain_file(predictor, several.path)

    said = several.prediction.decision
    assert list(explained.evidence)[: len(said)] == list(said)
    logits = explained.regions.mean(axis=(1, 2)) * np.array(predictor.metadata.calibration.scale)
    odds = logits_of(explained.prediction.probabilities) - np.array(predictor.metadata.calibration.shift)
    np.testing.assert_allclose(logits, odds, atol=1e-3)  # a map's mean is its own class's logit
    write_explanation(tmp_path / "page.html", explained, predictor.model)
    assert f"The model is unsure: {', '.join(said)}" in (tmp_path / "page.html").read_text()


def _count_said(answer: Answer) -> int:
    return len(answer.prediction.decision)


def test_images_of_several_classes_are_not_sorted_into_folders(model: ModelFile, data: Path, tmp_path: Path):
    answers = predict_inputs(
        Predictor.load(model.path), find_paths([str(data.parent)]), Account(), sort_into=tmp_path / "sorted"
    )

    with pytest.raises(UsageError, match="an image has no single folder"):
        next(answers)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"diagnostics": Diagnostics(learning_curve=True)}, "studies.learning_curve"),
        ({"changes": {"loss": "mean-squared-error"}}, "loss"),
        ({"changes": {"class_weights": "balanced"}}, "class_weights"),
        ({"guarantees": Guarantees(target=OperatingTarget.of(costs={"a": {"a": 0.0}}))}, "target.costs"),
    ],
)
def test_what_is_made_for_one_class_each_is_refused_before_any_work(tmp_path: Path, others, said):
    with pytest.raises(UsageError, match=said):
        read_and_plan(request(tmp_path / "missing.csv", **others), events=SILENCE)


@pytest.mark.slow  # trains, although only for seconds
@pytest.mark.parametrize(
    "how",
    [
        {"changes": {"epochs": 3, "options.width": 0.25, "augmentation.flip": "none"}, "network": "compact"},
        {"changes": {"epochs": 2, "options.width": 0.25}, "network": "compact", "ensemble": 2},
        pytest.param(
            {"changes": {"image_size": (32, 32), "features": "onnxruntime", "epochs": 1}, "pretrained": "lite0"},
            marks=pytest.mark.integration,
        ),
    ],
)
def test_a_table_of_several_labels_becomes_a_tested_model_file(tmp_path: Path, how):
    data = make_data(tmp_path / "data", images=72)

    heard = Heard()
    run = train(request(data, output=tmp_path / "run", **how), events=heard.events)

    assert any(sentence.startswith("fine-tune: ") for sentence in heard.sentences) == ("pretrained" in how)
    assert any(sentence.startswith("ensemble: ") for sentence in heard.sentences) == ("ensemble" in how)
    assert (run.folder / "label_errors.csv").exists()
    assert read_model(run.folder).metadata.verdict.novelty is not None
    assert run.test is not None
    assert run.test.hamming_loss.value < 0.5
    metadata = read_model(run.folder).metadata
    assert metadata.multi_label
    assert metadata.test["hamming_loss"]["value"] == round(run.test.hamming_loss.value, 6)
    assert (run.folder / "report.html").exists()
    assert (run.folder / "model_card.md").exists()
    figures = evaluate(EvaluateRequest(model=run.folder, data=DataRequest(source=str(data)), output=tmp_path / "again"))
    assert figures.figures["test"].accuracy.value == run.test.accuracy.value  # what it learned from is set aside


def test_a_run_remembers_its_target_and_that_images_show_several_classes(tmp_path: Path):
    target = OperatingTarget.of(costs={"a": {"a": 0.0, "b": 2.0}, "b": {"a": 1.0, "b": 0.0}})
    for given in (
        request(tmp_path / "x.csv", guarantees=Guarantees(target=OperatingTarget.of(precision=0.9))),
        request(tmp_path / "x.csv", guarantees=Guarantees(target=target)),
    ):
        assert TrainRequest.from_dict(json.loads(json.dumps(given.as_dict(), default=str))) == given


def test_an_ensemble_is_compared_with_a_single_network_before_calibration():
    bare = np.array([[0.6, 0.3], [0.45, 0.8]], np.float32)
    step = Calibration(method="sigmoid", scale=(2.0, 0.5), shift=(-1.0, 0.3))
    calibrated = SIGMOID.probabilities(step.apply(logits_of(bare))).astype(np.float32)
    answers = Answers.of(("a", "b"), ("1", "2"), truths=("a", "b"), probabilities=calibrated)
    answers = replace(answers, several=SeveralCalled(shown=np.eye(2, dtype=bool), called=calibrated >= 0.5))
    single = replace(answers, probabilities=np.array([[0.6, 0.7], [0.45, 0.8]], np.float32))

    undone = before_calibration(answers, step)

    np.testing.assert_allclose(undone.probabilities, bare, atol=1e-5)
    gain = gain_on_test(undone, single)
    assert (gain.first_accuracy, gain.second_accuracy) == (0.5, 1.0)
