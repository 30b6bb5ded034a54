"""The functions of `vidi`: the verbs of the command line, called from Python, with results that show themselves."""

import json
import logging
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.draw import PARTS, class_folders, draw, encoded
from tests.model_file.tiny import tiny_model
from tests.threads import one_thread  # noqa: F401  # a fixture for all tests here

import vidi
from vidi.errors import DataError, ShapeError, UsageError
from vidi.images.decode import decode_image
from vidi.prediction.predictor import Predictor
from vidi.workflows.check import CheckReport
from vidi.workflows.train import Run

SMALL = {"epochs": 3, "options.width": 0.25, "augmentation.flip": "none", "batch": 16}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data"), each=30, size=(16, 16), parts=PARTS)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return vidi.train(data, tmp_path_factory.mktemp("runs") / "run", recipe=SMALL)


@pytest.mark.slow  # trains
def test_a_folder_becomes_a_model_that_answers(run: Run):
    model = vidi.load(run.folder)

    (answer,) = model.predict([draw("disc", size=(50, 40), seed=99)])

    assert run.finished
    assert isinstance(model, vidi.Predictor)
    assert isinstance(answer, vidi.Prediction)
    assert answer.label in model.classes == ("disc", "stripes")


@pytest.mark.slow  # uses the training above
def test_a_run_and_its_model_show_themselves(run: Run, tmp_path: Path):
    shown, model = run._repr_html_(), vidi.load(run.folder)._repr_html_()
    run.plot().save(tmp_path / "run.svg")

    assert run.test is not None
    assert f"n = {run.test.image_count}" in shown
    assert "95 % interval" in shown
    assert f"on {run.test.image_count} images, 95 % interval" in model.replace("&nbsp;", " ")
    assert "loss by epoch" in (tmp_path / "run.svg").read_text()
    assert len(repr(run)) < 500  # what a terminal shows


@pytest.mark.slow  # uses the training above
def test_an_answer_is_explained_by_the_images_that_were_learned_from(run: Run, data: Path):
    known = json.loads((run.folder / "neighbours" / "index.json").read_text("utf-8"))["images"]

    why = vidi.explain(run.folder, data / known[0]["path"])

    assert len(known) == why.known_count
    first = why.neighbours[0]
    assert (first.path, [first.label]) == (known[0]["path"], known[0]["labels"])
    assert first.similarity == pytest.approx(1, abs=1e-3)
    assert (first.thumbnail.height, first.thumbnail.width) == (16, 16)
    with zipfile.ZipFile(run.folder / "neighbours" / "thumbnails.zip") as archive:
        pixels = decode_image(archive.read("0.jpg")).image
    assert np.abs(pixels.astype(int) - decode_image((data / known[0]["path"]).read_bytes()).image).mean() < 20


@pytest.mark.slow  # uses the training above
def test_a_model_is_scored_on_other_images_under_other_names(run: Run, tmp_path: Path):
    other = class_folders(tmp_path / "other", kinds=("disc", "noise"), each=12, size=(16, 16))
    for path in (other / "disc").iterdir():
        path.write_bytes(encoded(draw("disc", size=(20, 20), seed=100 + int(path.stem))))

    evaluated = vidi.evaluate(
        run.folder, vidi.DataRequest(source=str(other), names="noise=stripes"), output=tmp_path / "scored"
    )

    assert evaluated.figures["test"].image_count == 24
    assert (tmp_path / "scored" / "report.html").exists()
    assert "n = 24" in evaluated._repr_html_()
    assert "Reliability" in evaluated.plot().svg


def test_a_check_counts_lists_and_shows(tmp_path: Path):
    data = class_folders(tmp_path, each=4)
    (data / "disc" / "broken.png").write_bytes(b"no image at all")
    (data / "stripes" / "copy.png").write_bytes((data / "stripes" / "000.png").read_bytes())

    checked = vidi.check(data)

    assert isinstance(checked, CheckReport)
    assert checked.class_sizes == {"disc": 4, "stripes": 5}
    assert {"unreadable", "exact-copies"} <= {finding.kind for finding in checked.findings}
    assert "found 10 = used 9" in checked._repr_html_()
    assert "1 file cannot be used" in checked._repr_html_()
    assert "found 10 = used 9" in str(checked)
    assert "look at  1 file cannot be used" in str(checked)
    assert "images of each class" in checked.plot()._repr_html_()


def test_more_about_the_data_is_said_in_a_request(tmp_path: Path):
    data = class_folders(tmp_path, kinds=("disc", "noise", "stripes"), each=3)

    checked = vidi.check(vidi.DataRequest(source=str(data), classes=("disc", "noise")))

    assert checked.class_sizes == {"disc": 3, "noise": 3}


def test_a_misspelt_option_is_an_error_at_once(tmp_path: Path):
    with pytest.raises(TypeError, match="epohcs"):
        vidi.train(tmp_path, epohcs=3)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="a recipe has no epohcs"):
        vidi.train(class_folders(tmp_path / "data", each=3), tmp_path / "run", recipe={"epohcs": 3})
    assert not (tmp_path / "run").exists()


def test_a_folder_without_images_is_refused(tmp_path: Path):
    with pytest.raises(DataError):
        vidi.check(tmp_path)


def test_what_goes_on_is_told_to_pythons_log(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    data = class_folders(tmp_path, each=3)

    with caplog.at_level(logging.INFO, logger="vidi"):
        vidi.check(data)

    assert caplog.messages == ["read 6 images"]


def test_an_answer_about_a_pillow_image_is_explained_as_that_of_its_array(tmp_path: Path):
    model = Predictor.from_bytes(tiny_model(tmp_path / "model.onnx").data)
    array = draw("disc", size=(20, 31))

    whys = [vidi.explain(model, given) for given in (array, Image.fromarray(array))]

    assert whys[0].prediction.probability == whys[1].prediction.probability
    with pytest.raises(ShapeError, match=r"shape \(20, 31, 4\)"):
        vidi.explain(model, np.zeros((20, 31, 4), np.uint8))
