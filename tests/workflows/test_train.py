"""The whole story on tiny drawn images: a model file that is tested, or one that says that it is not."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from tests.draw import PARTS, class_folders, draw
from tests.workflows.heard import Heard, interrupt_at_step

from vidi.data.splitting.split_plan import read_assignments
from vidi.errors import DataError, UsageError
from vidi.model_file.read import read_model
from vidi.prediction.predictor import Predictor
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run.start import read_start
from vidi.workflows.train import Run, resume, train

SMALL = {"epochs": 3, "options.width": 0.25, "augmentation.flip": "none"}

pytestmark = [
    pytest.mark.slow,  # trains, although only for seconds
    pytest.mark.usefixtures("undrawn"),
]


def request(data: Path, output: Path, **changes: object) -> TrainRequest:
    return TrainRequest(data=DataRequest(source=str(data)), changes={**SMALL, **changes}, output=output)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data"), kinds=("disc", "stripes"), each=30)


@pytest.fixture(scope="module")
def assigned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images with a part of their own for calibration: no folds are trained for it."""
    return class_folders(tmp_path_factory.mktemp("data"), kinds=("disc", "stripes"), each=30, parts=PARTS)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training that was not interrupted, long enough to learn something."""
    return train(request(data, tmp_path_factory.mktemp("runs") / "run", epochs=12))


def test_a_folder_of_images_becomes_a_tested_model_file(run: Run):
    assert run.finished
    assert run.test is not None
    assert run.test.image_count >= 8
    model = read_model(run.folder)
    assert model.metadata.unfinished is None
    assert model.metadata.test["accuracy"]["value"] == run.test.accuracy.value
    (learned,) = model.metadata.provenance.learned_from
    rows = read_assignments(run.folder / "splits.csv")
    assert {row.part for row in rows if learned.asker()(row.digest)} == {"train", "validation"}
    assert learned.image_count == sum(row.part != "test" for row in rows)
    metrics = json.loads((run.folder / "metrics.json").read_text("utf-8"))
    assert metrics["two_parts"]["differs"] is False
    assert metrics["two_parts"]["accuracy"]["held_out"]["n"] == learned.image_count
    assert (metrics["refuted"], model.metadata.refuted) == ([], None)
    assert set(os.listdir(run.folder)) >= {
        "model.onnx",
        "report.html",
        "metrics.json",
        "predictions.csv",
        "results.csv",
        "recipe.toml",
        "splits.csv",
        "model_card.md",
        "checkpoint.safetensors",
        "check.json",
        "neighbours",
        "events.jsonl",
    }
    (answer,) = Predictor.load(run.folder).predict([draw("disc", seed=999)])
    assert answer.label == "disc"


def test_what_predict_says_is_what_the_test_measured(run: Run, data: Path):
    rows = (run.folder / "predictions.csv").read_text().splitlines()[1:]

    answers = Predictor.load(run.folder).predict_files([str(data / row.split(",")[0]) for row in rows])

    measured = [(row.split(",")[6], float(row.split(",")[7])) for row in rows]
    given = [(answer.prediction.label, answer.prediction.probability) for answer in answers]
    assert [label for label, _ in measured] == [label for label, _ in given]
    np.testing.assert_allclose([p for _, p in measured], [p for _, p in given], atol=1e-5)


@pytest.mark.fault
def test_ctrl_c_leaves_a_model_that_says_it_is_unfinished_and_resume_gives_the_same_weights(
    assigned: Path, tmp_path: Path
):
    whole = train(request(assigned, tmp_path / "whole", epochs=9))

    cut = train(request(assigned, tmp_path / "cut", epochs=9), events=interrupt_at_step(2))
    assert not cut.finished
    unfinished = read_model(cut.folder).metadata
    assert unfinished.unfinished is not None
    assert (unfinished.calibration, unfinished.test, unfinished.verdict) == (None, None, None)
    resumed = resume(cut.folder)

    assert resumed.finished
    assert read_model(resumed.folder).weights_digest() == read_model(whole.folder).weights_digest()


def test_finish_completes_an_interrupted_run_without_more_epochs(assigned: Path, tmp_path: Path):
    cut = train(request(assigned, tmp_path / "run", epochs=9), events=interrupt_at_step(2))

    run = resume(cut.folder, finish=True)

    assert run.finished
    assert run.test is not None
    with pytest.raises(UsageError, match="is finished"):
        resume(run.folder)


@pytest.mark.fault
def test_one_class_is_refused_before_anything_is_written(tmp_path: Path):
    data = class_folders(tmp_path / "data", kinds=("disc",))

    with pytest.raises(DataError, match="1 class"):
        train(request(data, tmp_path / "run"))

    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "wrong",
    [{"options.filters": (8, 8, 8, 8, 8, 8, 8, 8)}, {"options.dense_width": 64}, {"optimizer": "muon"}],
    ids=["too many blocks", "an option of another network", "an optimizer for other networks"],
)
def test_a_network_that_cannot_be_built_is_refused_before_anything_is_written(
    data: Path, tmp_path: Path, wrong: dict[str, object]
):
    network = "compact" if "options.dense_width" in wrong else "textbook"

    with pytest.raises(UsageError):
        train(TrainRequest(data=DataRequest(source=str(data)), network=network, changes=wrong, output=tmp_path / "run"))

    assert not (tmp_path / "run").exists()


def test_a_missing_split_file_is_named_before_anything_is_written(data: Path, tmp_path: Path):
    request = DataRequest(source=str(data), split_file=str(tmp_path / "nope.csv"))

    with pytest.raises(UsageError, match=r"nope\.csv: no such file"):
        train(TrainRequest(data=request, output=tmp_path / "run"))

    assert not (tmp_path / "run").exists()


def test_without_images_no_picture_and_no_cache_is_left(
    assigned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VIDI_CACHE", str(tmp_path / "cache"))
    run = train(
        TrainRequest(data=DataRequest(source=str(assigned)), changes=SMALL, output=tmp_path / "run", images=False)
    )

    assert "<img" not in (run.folder / "report.html").read_text()
    assert list((tmp_path / "cache").glob("*.pixels")) == []
    assert read_model(run.folder).metadata.provenance.learned_from is None
    assert sorted(path.name for path in (run.folder / "neighbours").iterdir()) == ["embeddings.npy", "index.json"]


def test_bad_images_are_listed_and_the_rest_is_learned_from(tmp_path: Path):
    data = class_folders(tmp_path / "data", each=20, parts=PARTS)
    (data / "train" / "disc" / "broken.jpg").write_bytes(b"no image at all, only text")
    (data / "train" / "disc" / "empty.png").write_bytes(b"")

    run = train(request(data, tmp_path / "run", epochs=1))

    assert run.refused == 2
    account = json.loads((run.folder / "check.json").read_text())["account"]
    assert {entry["code"] for entry in account["refused"]} == {"not-an-image", "empty"}
    assert account["found"] == 42
    digests = {line.split(",")[1] for line in (run.folder / "splits.csv").read_text().splitlines()}
    assert not any("broken" in digest or "empty" in digest for digest in digests)


def test_a_new_run_begins_from_the_weights_of_another(run: Run, data: Path, tmp_path: Path):
    slow = {"epochs": 1, "learning_rate": 1e-8, "warm_up": 0.0}  # learns nothing by itself

    again = train(
        TrainRequest(
            data=DataRequest(source=str(data)), weights=str(run.folder), changes=slow, output=tmp_path / "again"
        )
    )

    assert read_model(again.folder).metadata.provenance.recipe["options"] == {"width": 0.25}
    assert again.test.accuracy.value >= run.test.accuracy.value - 0.1
    shape = read_start(run.folder).changes
    assert (shape["options.width"], shape["options.grey"]) == (0.25, None)  # None: whatever the new images suggest


def test_a_cache_that_refuses_stops_no_training_and_is_said_once(assigned: Path, tmp_path: Path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("VIDI_CACHE", str(tmp_path / "file" / "cache"))
    heard = Heard()

    run = train(request(assigned, tmp_path / "run", epochs=1), events=heard.events)

    assert run.finished
    assert sum("going on without the cache" in sentence for sentence in heard.sentences) == 1
