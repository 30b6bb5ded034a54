"""From wrong labels to a model that knows the answers: what people say reaches training, and its runs keep it."""

import html
import json
import shutil
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.data.test_relabel import say
from tests.docs.workshop import put

from vidi.data.cache import PixelCache
from vidi.data.labels import labels_beside, read_labels
from vidi.data.splitting.split_plan import read_assignments
from vidi.errors import DataError, UsageError
from vidi.log.store import PredictionLog
from vidi.model_file.read import read_model
from vidi.report.words.text import NO_BREAK_SPACE, percent
from vidi.workflows.calibrate import calibrate
from vidi.workflows.compare import compare
from vidi.workflows.evaluate import evaluate
from vidi.workflows.explaining.neighbours import read_neighbours
from vidi.workflows.forget import forget
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.in_use import RetrainRequest
from vidi.workflows.requests.model_file import CalibrateRequest, CompareRequest, EvaluateRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.retrain import RetrainResult, retrain
from vidi.workflows.train import resume, train

pytestmark = [
    pytest.mark.slow,  # trains, although only for seconds
    pytest.mark.usefixtures("undrawn"),
]

SMALL = {"epochs": 4, "options.width": 0.25, "augmentation.flip": "none"}
SWAPPED = 4  # images in the folder of the other class


@dataclass(frozen=True)
class Corrected:
    """A run on wrong labels, what people then said, and the run after it."""

    photos: Path
    first: Path
    done: RetrainResult

    def rows(self, run: Path) -> dict[str, str]:
        return {row.path: row.own_part for row in read_assignments(run / "splits.csv")}


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Corrected:
    folder = tmp_path_factory.mktemp("corrected")
    photos = folder / "photos"
    for name, other in (("flower", "leaf"), ("leaf", "flower")):
        for number in range(60):
            shown = other if number < SWAPPED else name
            put(photos / name / f"{number:03}.jpg", shown, number + 100 * (name == "leaf"))
    first = folder / "first"
    train(TrainRequest(data=DataRequest(source=str(photos)), changes=SMALL, output=first))
    parts = {row.path: row.part for row in read_assignments(first / "splits.csv")}
    tested = sorted(path for path, part in parts.items() if part == "test")
    wrong = [f"{name}/{number:03}.jpg" for name in ("flower", "leaf") for number in range(SWAPPED)]
    right = [path for path in tested if path not in wrong]
    say(photos, *((path, "leaf" if path.startswith("flower") else "flower") for path in wrong), (right[0], "exclude"))
    return Corrected(
        photos, first, retrain(RetrainRequest(run=first, output=folder / "second"), root=folder / "models")
    )


def test_no_correction_moves_an_image_and_the_test_part_stays_frozen(corrected: Corrected):
    second = corrected.done.folder

    assert corrected.rows(second) == corrected.rows(corrected.first)
    assert corrected.done.document["missing_test_images"] == 0
    assert corrected.done.document["test"]["must_gain"]
    assert "no-feedback" not in corrected.done.document["reasons"]


def test_run_and_model_file_name_the_lines_that_they_know(corrected: Corrected):
    state = read_labels(labels_beside(corrected.photos)).state
    of_first, of_second = (
        json.loads((run / "run.json").read_text())["data"]["labels_state"]
        for run in (corrected.first, corrected.done.folder)
    )

    assert (of_first[:2], of_second) == ("0:", state)
    assert "labels" not in read_model(corrected.first).metadata.provenance.data
    known = read_model(corrected.done.folder).metadata.provenance.data["labels"]
    assert known == {"state": state, "changed": 2 * SWAPPED, "left_out": 1}


def test_every_document_gives_the_accuracy_with_and_without_the_corrected_test_images(corrected: Corrected):
    run = corrected.done.folder
    tested = [path for path, part in corrected.rows(run).items() if part == "test"]
    relabelled = [path for path in tested if int(path.partition("/")[2][:3]) < SWAPPED]
    metrics = json.loads((run / "metrics.json").read_text())
    stated = metrics["corrected_test"]
    without = stated["accuracy_as_given"]
    done = evaluate(
        EvaluateRequest(model=run, data=DataRequest(source=str(corrected.photos)), output=run / "evaluation")
    )

    assert (stated["relabelled"], stated["left_out"], without["n"]) == (len(relabelled), 1, len(tested))
    assert metrics["test"]["accuracy"]["n"] == len(tested) - 1
    said = f"left out 1. By the data's labels, the accuracy is {percent(without['value'])}".replace(NO_BREAK_SPACE, " ")
    for page in ("report.html", "model_card.md"):
        assert said in html.unescape((run / page).read_text()).replace(NO_BREAK_SPACE, " ")
    assert "corrected_test" not in json.loads((corrected.first / "metrics.json").read_text())
    gate = corrected.done.document["corrected_test"]
    assert gate["candidate_as_given"] == without
    assert json.loads((done.folder / "metrics.json").read_text())["corrected_test"]["accuracy_as_given"] == without


def test_an_image_that_the_model_has_learned_is_no_test_image_that_people_left_out(
    corrected: Corrected, tmp_path: Path
):
    learned = next(path for path, part in corrected.rows(corrected.first).items() if part == "train")
    file = say(corrected.photos, (learned, "exclude"), file=tmp_path / "answers.jsonl")
    asked = DataRequest(source=str(corrected.photos), labels=str(file))

    evaluate(EvaluateRequest(model=corrected.first, data=asked, output=tmp_path / "evaluation"))

    assert "corrected_test" not in json.loads((tmp_path / "evaluation" / "metrics.json").read_text())


def test_the_accuracy_without_corrections_is_that_of_the_labels_that_the_data_gives(corrected: Corrected):
    asked = DataRequest(source=str(corrected.photos), labels="none")
    plain = evaluate(
        EvaluateRequest(model=corrected.done.folder, data=asked, output=corrected.done.folder / "as-given")
    )
    metrics = json.loads((corrected.done.folder / "metrics.json").read_text())

    assert plain.figures["test"].accuracy.as_json()["value"] == metrics["corrected_test"]["accuracy_as_given"]["value"]


def test_comparing_and_calibrating_read_the_labels_that_are_named(corrected: Corrected, tmp_path: Path):
    field, file = tmp_path / "field", tmp_path / "answers.jsonl"
    for number in range(12):
        put(field / "flower" / f"{number:03}.jpg", "flower", 1_000 + number)
        put(field / "leaf" / f"{number:03}.jpg", "leaf", 2_000 + number)
    say(field, ("flower/000.jpg", "leaf"), ("leaf/001.jpg", "exclude"), file=file)
    named, plain = (DataRequest(source=str(field), labels=labels) for labels in (str(file), None))
    model = corrected.done.folder

    compared = [
        compare(
            CompareRequest(first=model, second=corrected.first, data=data, output=tmp_path / f"{data.labels is None}")
        )
        for data in (named, plain)
    ]
    calibrated = [
        calibrate(CalibrateRequest(model=model, data=data, output=tmp_path / "new.onnx", overwrite=True)).image_count
        for data in (named, plain)
    ]

    assert [one.account.used for one in compared] == calibrated == [23, 24]
    with pytest.raises(UsageError, match=r"--labels gone\.jsonl: no such file"):
        compare(CompareRequest(first=model, second=corrected.first, data=replace(named, labels="gone.jsonl")))


def test_without_a_new_answer_nothing_is_trained_again(corrected: Corrected):
    with pytest.raises(UsageError, match="no label has changed since"):
        retrain(RetrainRequest(run=corrected.done.folder))


def test_a_run_that_goes_on_knows_the_lines_that_were_there_when_it_began(tmp_path: Path):
    photos, run = tmp_path / "photos", tmp_path / "run"
    for name in ("flower", "leaf"):
        for number in range(30):
            put(photos / name / f"{number:03}.jpg", name, number + 100 * (name == "leaf"))
    say(photos, ("flower/000.jpg", "leaf"), ("leaf/001.jpg", "exclude"))
    asked = TrainRequest(data=DataRequest(source=str(photos)), changes={**SMALL, "epochs": 1}, output=run)
    whole = train(asked)
    digests = [read_model(run).metadata.provenance.data["digest"]]
    for name in ("model.onnx", "metrics.json"):
        (run / name).unlink()
    say(photos, ("flower/002.jpg", "leaf"), ("leaf/003.jpg", "exclude"), who="bo")

    again = resume(run)

    assert again.finished
    assert whole.finished
    digests.append(read_model(run).metadata.provenance.data["digest"])
    assert digests[0] == digests[1]
    assert read_model(run).metadata.provenance.data["labels"]["changed"] == 1

    for name in ("model.onnx", "metrics.json"):
        (run / name).unlink()
    forget(str(photos / "flower" / "002.jpg"), [str(photos)], environment={})  # said after the run had begun
    assert resume(run).finished

    forget(str(photos / "flower" / "000.jpg"), [str(photos)], environment={})
    (run / "model.onnx").unlink()
    (run / "metrics.json").unlink()
    with pytest.raises(DataError, match="was forgotten after this run began"):
        resume(run)


def test_an_image_is_forgotten_where_it_can_be_and_the_rest_is_said(corrected: Corrected, tmp_path: Path, monkeypatch):
    run, photos = corrected.done.folder, corrected.photos
    index = json.loads((run / "neighbours" / "index.json").read_text())["images"]
    learned = next(one for one in index if int(one["path"][-7:-4]) < SWAPPED)  # relabelled, and learned from
    monkeypatch.setenv("VIDI_CACHE", str(tmp_path / "cache"))
    PixelCache(tmp_path / "cache").keep_bytes("0" * 64, b"pixels")
    with PredictionLog.open(str(tmp_path / "log.sqlite")) as log:
        log.keep_images([(learned["digest"], (photos / learned["path"]).read_bytes(), 1.0)])
    copy = tmp_path / "runs" / "begun" / "feedback-1" / "leaf" / f"{learned['digest'][:16]}.jpg"
    put(copy, "leaf", 1)
    for name in ("run.json", "splits.csv"):  # of a run that was killed, and has no report
        shutil.copy(run / name, copy.parents[2] / name)
    places = [str(photos), str(tmp_path / "runs"), str(run), str(tmp_path / "log.sqlite")]

    done = forget(str(photos / learned["path"]), places, environment={})

    kept = json.loads((run / "neighbours" / "index.json").read_text())["images"]
    assert kept == [one for one in index if one is not learned]
    assert len(read_neighbours(read_model(run)).images) == len(kept)
    with zipfile.ZipFile(run / "neighbours" / "thumbnails.zip") as thumbnails:
        assert thumbnails.namelist() == [f"{number}.jpg" for number in range(len(kept))]
    assert learned["digest"] not in labels_beside(photos).read_text()
    assert not PixelCache(tmp_path / "cache").entries()
    with PredictionLog.open(str(tmp_path / "log.sqlite"), create=False) as log:
        assert log.kept_digests() == []
    assert any("weights" in line and "learned from it" in line for line in done.left)
    assert f"its copy {copy}: delete it" in done.left
    assert [line for line in done.removed if "report" in line] == [f"its picture in the report of {run}"]
    assert (photos / learned["path"]).is_file()
    with pytest.raises(UsageError, match="neither a file nor a digest"):
        forget("gone.jpg", places, environment={})
