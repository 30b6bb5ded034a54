"""`vidi export`: a model file in another form gives the same answers."""

import base64
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from bench.agreeing.answers import from_numbers, require_agreement
from bench.agreeing.drawn import model_answers, trial_images
from tests.command import vidi
from tests.model_file.test_golden import judged, limits, written
from tests.model_file.tiny import tiny_metadata, with_provenance

from vidi.errors import GateError, UsageError
from vidi.export.page_files import has_runtime, page_files
from vidi.export.to_folder import RUNNER
from vidi.images.encode import encode_png
from vidi.model_file.golden import decode_golden
from vidi.model_file.read import ModelFile, read_model
from vidi.workflows.export import REPORT, WRITERS, export
from vidi.workflows.requests.model_file import ExportRequest

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
    assert done.as_json()["form"] == "folder"
    return output


def needs_runtime() -> None:
    if not has_runtime():
        pytest.skip("needs:onnxruntime-web")


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


def test_the_runner_answers_as_the_model_file_does_without_vidi(folder: Path, model: ModelFile, tmp_path: Path):
    golden = [encode_png(decode_golden(vector)) for vector in model.metadata.golden]
    paths = [tmp_path / f"{number:03}" for number in range(len(golden) + len(trial_images()))]  # the content tells
    for path, data in zip(paths, [*golden, *(one.data for one in trial_images())], strict=True):
        path.write_bytes(data)
    code = f"import sys\nsys.modules['vidi'] = None\nsys.argv = ['run.py', *{[*map(str, paths)]!r}]\n"
    code += f"import runpy; runpy.run_path({str(folder / 'run.py')!r})"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {tuple(row) for row in rows} == {model.metadata.classes}
    values = [np.array([*row.values()], np.float32) for row in rows]
    for vector, row in zip(model.metadata.golden, values, strict=False):
        assert np.abs(row - np.array(vector.probabilities)).max() <= model.metadata.golden_tolerance.probability
    found = {
        one.name: from_numbers(row, None, model.metadata)
        for one, row in zip(trial_images(), values[len(golden) :], strict=True)
    }
    require_agreement(model_answers(model, trial_images(), novelty=False), found, model.metadata)
    assert "import vidi" not in RUNNER.read_text("utf-8")


def test_the_card_has_front_matter_that_hubs_read_and_says_what_is_guaranteed(tmp_path: Path):
    test = {"images": 90, "accuracy": {"value": 0.9, "low": 0.82, "high": 0.95}, "macro_f1": {"value": 0.88}}
    hostile = ("a|b", "<img src=x>", "c: d")
    metadata = replace(
        with_provenance(tiny_metadata(), license="Apache-2.0"),
        classes=hostile,
        test=test,
        verdict=limits(sure=0.9, candidate=0.1),
    )
    model = written(tmp_path / "model.onnx", metadata)

    done = export(ExportRequest(model=model.path, to="folder", output=tmp_path / "out"))

    _, head, body = (done.folder / "README.md").read_text().split("---\n", 2)
    front = yaml.safe_load(head)
    assert (front["license"], front["pipeline_tag"]) == ("Apache-2.0", "image-classification")
    (entry,) = front["model-index"]
    assert entry["name"] == "tiny-run"
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


def test_the_page_is_written_with_its_model(model: ModelFile, tmp_path: Path):
    needs_runtime()

    done = export(ExportRequest(model=model.path, to="web", output=tmp_path / "page"))

    names = {path.relative_to(done.folder).as_posix() for path in done.folder.rglob("*") if path.is_file()}
    place = f"models/{done.name}"
    assert names == {*page_files(), "models.json", f"{place}/model.json", f"{place}/model.onnx", REPORT}
    assert json.loads((done.folder / "models.json").read_text())["server"]["predict"] is False
    assert "replays the golden vectors" in (done.folder / REPORT).read_text()
    assert done.beside_model_bytes <= 4_000_000


def test_what_cannot_be_written_leaves_what_was_there(
    model: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    earlier = tmp_path / "out"
    earlier.mkdir()
    (earlier / REPORT).write_text("an earlier export")
    request = ExportRequest(model=model.path, to="folder", output=earlier, overwrite=True)

    def failing(*_: object) -> None:
        raise GateError("other answers", "Report this.")

    monkeypatch.setitem(WRITERS, "folder", failing)
    with pytest.raises(GateError, match="other answers"):
        export(request)

    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in earlier.iterdir()] == [REPORT]


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
    assert (replaced.returncode, json.loads(replaced.stdout)["form"]) == (0, "folder")
    assert (refused.returncode, "did not write" in refused.stderr) == (2, True)
    assert (foreign / "letter.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="is a file"):
        export(ExportRequest(model=model.path, to="folder", output=foreign / "letter.txt"))


def test_a_form_that_is_unknown_is_wrong_use(model: ModelFile, tmp_path: Path):
    done = vidi("export", model.path, "--to", "tape", "-o", "out", folder=tmp_path)

    assert done.returncode == 2
    assert "tape" in done.stderr
