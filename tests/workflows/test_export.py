"""`vidi export`: a model file in another form gives the same answers, or nothing is written."""

import base64
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from tests.command import vidi
from tests.draw import draw, encoded
from tests.export.node import NODE
from tests.model_file.test_golden import judged, limits, written
from tests.model_file.tiny import tiny_metadata, tiny_model
from tests.report.screens import BROWSER

from vidi.errors import GateError, UsageError
from vidi.export.page_files import has_runtime, page_files
from vidi.export.to_folder import RUNNER
from vidi.export.trials.answers import refused
from vidi.export.trials.folder import compare_lines
from vidi.export.trials.images import model_answers, trial_images
from vidi.export.trials.trial import ExportTrial, compare_images
from vidi.export.trials.web import try_in_browser, try_in_node
from vidi.model_file.read import ModelFile, read_model
from vidi.prediction.predictor import Predictor
from vidi.workflows.export import REPORT, TRIALS, export
from vidi.workflows.requests.export import ExportRequest

FOLDER_FILES = {
    "README.md",
    "config.json",
    "export.md",
    "golden.json",
    "model.onnx",
    "preprocessor_config.json",
    "run.py",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    return judged(tmp_path_factory.mktemp("model") / "shapes.onnx")


@pytest.fixture(scope="module")
def folder(model: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exported") / "shapes"
    done = export(ExportRequest(model=model.path, to="folder", output=output))
    assert done.trial is not None
    assert done.trial.passed
    assert images_of(done.trial) == ("files", len(trial_images()))
    return output


def images_of(trial: ExportTrial) -> tuple[str, int]:
    assert trial.images is not None
    return trial.images.given, trial.images.image_count


def needs_runtime() -> None:
    if not has_runtime():
        pytest.skip("needs:onnxruntime-web")


def in_node() -> dict[str, object]:
    return {**TRIALS, "web": lambda folder, model, name: try_in_node(folder, name, model)}


def failing(*_: object) -> ExportTrial:
    return ExportTrial(host="a host", vector_count=4, probability_difference=0.2, tolerance=1e-4)


def test_the_folder_holds_the_model_its_card_its_configuration_and_a_runner(folder: Path, model: ModelFile):
    config = json.loads((folder / "config.json").read_text())

    assert {path.name for path in folder.iterdir()} == FOLDER_FILES
    assert read_model(folder / "model.onnx").digest == model.digest == config["vidi_digest"]
    assert [config["id2label"][str(index)] for index in range(3)] == list(model.metadata.classes)
    assert config["label2id"]["class 2"] == 2
    assert not any(json.loads((folder / "preprocessor_config.json").read_text())[f"do_{step}"] for step in STEPS)


STEPS = ("resize", "rescale", "normalize")


def test_the_golden_vectors_of_the_folder_can_be_read_without_the_model_file(folder: Path, model: ModelFile):
    document = json.loads((folder / "golden.json").read_text())

    for vector, own in zip(document["vectors"], model.metadata.golden, strict=True):
        height, width = vector["size"]
        assert len(base64.b64decode(vector["image"])) == height * width * 3
        assert vector["probabilities"] == list(own.probabilities)
    assert document["tolerance"]["probability"] == model.metadata.golden_tolerance.probability


def test_the_runner_answers_as_vidi_does_without_vidi(folder: Path, model: ModelFile, tmp_path: Path):
    (tmp_path / "disc.png").write_bytes(encoded(draw("disc", size=(50, 70))))
    code = f"import sys\nsys.modules['vidi'] = None\nsys.argv = ['run.py', {str(tmp_path / 'disc.png')!r}]\n"
    code += f"import runpy; runpy.run_path({str(folder / 'run.py')!r})"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    (expected,) = Predictor.load(model.path).predict([draw("disc", size=(50, 70))])
    row = dict(zip(expected.classes, expected.probabilities.tolist(), strict=True))
    assert json.loads(said) == pytest.approx(row, abs=1e-4)  # vidi frames on the host
    assert "import vidi" not in RUNNER.read_text("utf-8")


def test_the_card_has_front_matter_that_hubs_read_and_says_what_is_guaranteed(tmp_path: Path):
    test = {"images": 90, "accuracy": {"value": 0.9, "low": 0.82, "high": 0.95}, "macro_f1": {"value": 0.88}}
    hostile = ("a|b", "<img src=x>", "c: d")
    metadata = replace(
        tiny_metadata(), classes=hostile, test=test, license="Apache-2.0", verdict=limits(sure=0.9, candidate=0.1)
    )
    model = written(tmp_path / "model.onnx", metadata)

    done = export(ExportRequest(model=model.path, to="folder", output=tmp_path / "out", name="my shapes"))

    _, head, body = (done.folder / "README.md").read_text().split("---\n", 2)
    front = yaml.safe_load(head)
    assert (front["license"], front["pipeline_tag"]) == ("Apache-2.0", "image-classification")
    (entry,) = front["model-index"]
    assert entry["name"] == "my-shapes"
    assert [metric["value"] for metric in entry["results"][0]["metrics"]] == [0.9, 0.88]
    assert "Accuracy: 0.900 (0.820 to 0.950)" in body
    assert "\\<img" in body
    assert " <img" not in body
    assert done.model.model_id in body


def test_an_unfinished_model_is_exported_with_a_warning(tmp_path: Path):
    model = written(tmp_path / "model.onnx", replace(tiny_metadata(), unfinished="stopped by Ctrl-C"))

    done = export(ExportRequest(model=model.path, to="folder", output=tmp_path / "out"))

    assert any("unfinished (stopped by Ctrl-C)" in sentence for sentence in done.sentences)
    assert "**This model is not finished:** stopped by Ctrl-C" in (done.folder / "README.md").read_text()
    assert "unfinished" in (done.folder / REPORT).read_text()


@pytest.mark.slow  # compiles onnxruntime-web in node
def test_the_page_is_written_with_its_model_and_tried_in_node(model: ModelFile, tmp_path: Path):
    needs_runtime()
    if NODE is None:
        pytest.skip("needs:node")

    done = export(ExportRequest(model=model.path, to="web", output=tmp_path / "page"), trials=in_node())

    names = {path.relative_to(done.folder).as_posix() for path in done.folder.rglob("*") if path.is_file()}
    place = f"models/{done.name}"
    assert names == {*page_files(), "models.json", f"{place}/model.json", f"{place}/model.onnx", REPORT}
    assert json.loads((done.folder / "models.json").read_text())["server"]["predict"] is False
    assert done.trial is not None
    assert (done.trial.passed, done.trial.vector_count, done.trial.host[:6]) == (True, 4, "node v")
    assert images_of(done.trial) == ("pixels", len(trial_images()))
    assert "self-test passed in node" in (done.folder / REPORT).read_text()
    assert done.beside_model_bytes <= 4_000_000


@pytest.mark.slow  # compiles onnxruntime-web in node, twice
def test_a_page_whose_model_answers_otherwise_is_noticed_in_node(model: ModelFile, tmp_path: Path):
    needs_runtime()
    if NODE is None:
        pytest.skip("needs:node")
    done = export(ExportRequest(model=model.path, to="web", output=tmp_path / "page"), trials=in_node())
    place = done.folder / "models" / done.name

    (place / "model.onnx").write_bytes(tiny_model(tmp_path / "other.onnx", seed=1).data)
    other = try_in_node(done.folder, done.name, model)
    (place / "model.onnx").write_bytes(b"no model")
    broken = try_in_node(done.folder, done.name, model)

    assert other is not None
    assert broken is not None
    assert not other.passed
    assert not broken.passed
    assert "Error" in broken.sentence()


@pytest.mark.slow  # starts a browser, twice
def test_a_page_is_tried_in_a_browser_which_decodes_the_images_itself(model: ModelFile, tmp_path: Path):
    needs_runtime()
    if BROWSER is None:
        pytest.skip("needs:chromium")
    trials = {**TRIALS, "web": lambda folder, model, name: try_in_browser(folder, name, model)}

    done = export(ExportRequest(model=model.path, to="web", output=tmp_path / "page"), trials=trials)
    place = done.folder / "models" / done.name
    (place / "model.onnx").write_bytes(b"no model")
    broken = try_in_browser(done.folder, done.name, model)

    assert done.trial is not None
    assert (done.trial.passed, done.trial.vector_count) == (True, 4)
    assert images_of(done.trial) == ("files", len(trial_images()))
    assert "headless " in (done.folder / REPORT).read_text()
    assert broken is not None
    assert not broken.passed
    assert "did not arrive as it was written" in broken.sentence()


@pytest.mark.parametrize("form", ["web", "folder"])
def test_what_disagrees_is_not_written_and_what_was_there_stays(form, model: ModelFile, tmp_path: Path):
    if form == "web":
        needs_runtime()
    earlier = tmp_path / "out"
    earlier.mkdir()
    (earlier / REPORT).write_text("an earlier export")
    request = ExportRequest(model=model.path, to=form, output=earlier, overwrite=True)

    with pytest.raises(GateError, match=r"a host: 4 golden vectors, largest difference of a probability 2\.0e-01"):
        export(request, trials={**TRIALS, form: failing})

    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in earlier.iterdir()] == [REPORT]


@pytest.mark.slow  # compresses onnxruntime-web
def test_a_form_that_cannot_be_tried_here_says_so(model: ModelFile, tmp_path: Path):
    needs_runtime()

    done = export(
        ExportRequest(model=model.path, to="web", output=tmp_path / "out"), trials={**TRIALS, "web": lambda *_: None}
    )

    assert done.as_json()["trial"] is None
    assert any("it was not tried here" in sentence for sentence in done.sentences)
    assert "it was not tried here" in (done.folder / REPORT).read_text()


def test_other_classes_missing_answers_and_other_numbers_are_noticed(model: ModelFile):
    images = trial_images()[:2]
    golden = [list(vector.probabilities) for vector in model.metadata.golden]
    drawn = [one.probabilities.tolist() for one in model_answers(model, images, novelty=False).values()]
    rows = [dict(zip(model.metadata.classes, row, strict=True)) for row in (*golden, *drawn)]
    lines = [json.dumps(row) for row in rows]

    def judged_as(lines: list[str], failure: str = "") -> bool:
        return compare_lines(lines, model, images, failure=failure).passed

    assert judged_as(lines)
    assert not judged_as(lines[:-1])
    assert not judged_as([line.replace("class 0", "class 9") for line in lines])
    assert not judged_as([json.dumps({**rows[0], "class 0": 0.9}), *lines[1:]])
    assert not judged_as([*lines[:-1], json.dumps({**rows[-1], "class 0": rows[-1]["class 0"] + 0.02})])
    assert not judged_as([*lines[:-1], json.dumps({**rows[-1], "class 0": math.nan})])
    assert not judged_as([], failure="ImportError: no onnxruntime")


def test_an_image_that_the_exported_form_reads_otherwise_is_named(model: ModelFile):
    images = trial_images()[:3]
    expected = model_answers(model, images)
    metadata = model.metadata

    same = compare_images(expected, dict(expected), metadata, given="files")
    refusing = compare_images(expected, {**expected, images[1].name: refused("broken")}, metadata, given="files")
    silent = compare_images(expected, dict(list(expected.items())[:2]), metadata, given="files")

    assert (same.passed, same.image_count, same.probability_difference) == (True, 3, 0)
    assert not refusing.passed
    assert f"{images[1].name}: the refusal is broken" in refusing.words()
    assert not silent.passed
    assert f"no answer about {images[2].name}" in silent.words()


@pytest.mark.slow  # starts four commands
def test_an_output_that_exists_is_replaced_only_where_vidi_wrote_it_and_that_is_asked_for(
    model: ModelFile, tmp_path: Path
):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("mine")
    ours = tmp_path / "ours"
    words = ("export", model.path, "--to", "folder", "-o")

    assert vidi(*words, ours, folder=tmp_path).returncode == 0
    again = vidi(*words, ours, folder=tmp_path)
    replaced = vidi(*words, ours, "--overwrite", "--json", folder=tmp_path)
    refused = vidi(*words, foreign, "--overwrite", folder=tmp_path)

    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    assert (replaced.returncode, json.loads(replaced.stdout)["trial"]["passed"]) == (0, True)
    assert (refused.returncode, "did not write" in refused.stderr) == (2, True)
    assert (foreign / "letter.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="is a file"):
        export(ExportRequest(model=model.path, to="folder", output=foreign / "letter.txt"))


def test_a_form_that_is_unknown_is_wrong_use(model: ModelFile, tmp_path: Path):
    done = vidi("export", model.path, "--to", "tape", "-o", "out", folder=tmp_path)

    assert done.returncode == 2
    assert "tape" in done.stderr
