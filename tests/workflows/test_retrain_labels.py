"""Retraining models whose images show several classes: with a table of labels, and with those of a log."""

import json
import shutil
from pathlib import Path

import pytest
from tests.workflows.test_labels import make_data

from vidi.data.splitting.split_plan import read_assignments
from vidi.files import digest_of
from vidi.log.records import Feedback, LoggedModel, LoggedPrediction, new_key
from vidi.log.store import PredictionLog
from vidi.model_file.read import read_model
from vidi.prediction.predictor import Predictor
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.in_use import RetrainRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.retrain import retrain
from vidi.workflows.train import train

pytestmark = [
    pytest.mark.slow,  # trains, although only for seconds
    pytest.mark.usefixtures("undrawn"),
]

SMALL = {"epochs": 3, "options.width": 0.25, "precision": "float32"}


@pytest.fixture(scope="module")
def garden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose images show up to three classes."""
    folder = tmp_path_factory.mktemp("garden")
    table = make_data(folder / "photos", images=84)
    data = DataRequest(source=str(table), multi_label=True)
    train(TrainRequest(data=data, network="compact", changes=SMALL, output=folder / "run"))
    return folder


def test_a_model_of_several_classes_is_trained_again_and_judged_by_whole_answers(garden: Path, tmp_path: Path):
    table = make_data(tmp_path / "use", images=40, seed=1)
    request = RetrainRequest(run=garden / "run", feedback=str(table), output=tmp_path / "again")

    done = retrain(request, root=tmp_path / "models")

    document = done.document
    model = read_model(done.folder)
    assert model.metadata.multi_label
    assert document["multi_label"]
    assert document["feedback"]["images"] == document["feedback_images"]["extra"] > 0
    champion = Predictor.load(garden / "run")
    tested = [row.path for row in read_assignments(done.folder / "splits.csv") if row.part == "test"]
    assert document["test"]["images"] == len(tested)
    said = champion.predict_files([str(garden / "photos" / path) for path in tested])
    truth = {
        line.split(",")[0]: {
            name for name, shown in zip(champion.classes, line.split(",")[1:], strict=True) if shown == "1"
        }
        for line in (garden / "photos" / "labels.csv").read_text().splitlines()[1:]
    }
    right = [set(one.prediction.decision) == truth[path] for one, path in zip(said, tested, strict=True)]
    assert document["test"]["champion"] == pytest.approx(sum(right) / len(right), abs=1e-6)
    assert "right about every class" in (done.folder / "gate.html").read_text()


def test_labels_of_several_classes_come_out_of_a_log(garden: Path, tmp_path: Path):
    table = make_data(tmp_path / "use", images=30, seed=2)
    model = read_model(garden / "run")
    logged = LoggedModel(
        model_id=model.model_id, name="garden", version="1", classes=model.metadata.classes, multi_label=True
    )
    with PredictionLog.open(str(tmp_path / "log.sqlite")) as log:
        for number, line in enumerate(table.read_text().splitlines()[1:]):
            path, *shown = line.split(",")
            names = tuple(name for name, one in zip(model.metadata.classes, shown, strict=True) if one == "1")
            data = (table.parent / path).read_bytes()
            log.keep_images([(digest_of(data), data, float(number))])
            log.append(
                [
                    LoggedPrediction(
                        key=new_key(), at=1.0, source="serve", model=logged, digest=digest_of(data), error="x"
                    )
                ]
            )
            log.add_feedback(
                Feedback(
                    key=f"{number:032x}",
                    at=float(number),
                    digest=digest_of(data),
                    kind="label" if names else "none",
                    labels=names,
                    source="ann",
                    via="review",
                )
            )
    run = tmp_path / "run"
    shutil.copytree(garden / "run", run)

    done = retrain(
        RetrainRequest(run=run, feedback=str(tmp_path / "log.sqlite"), output=tmp_path / "again"), root=tmp_path / "no"
    )

    rows = [json.loads(line) for line in (run / "feedback-1" / "images.jsonl").read_text().splitlines()]
    assert len(rows) == 30
    assert any(len(row["label"]) > 1 for row in rows)
    assert any(row["label"] == [] for row in rows)
    assert sum(done.document["feedback_images"].values()) == 30
