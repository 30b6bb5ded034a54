"""`vidi export --to openvino`: graph, weights and their JSON twin give the model's answers, or nothing is written."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.command import vidi
from tests.model_file.test_golden import judged
from tests.model_file.tiny import tiny_model
from tests.prediction.test_engines import SAYING, WATCHED
from vidi.errors import GateError, MissingPackageError, ModelError
from vidi.export.to_folder import write_openvino
from vidi.files import digest_of_file
from vidi.images.framing import Framing
from vidi.model_file.golden import decode_golden
from vidi.model_file.golden_vector import GoldenVector
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.schema import metadata_from_json
from vidi.model_file.values import read_part
from vidi.prediction.by_openvino import open_openvino_graph
from vidi.workflows import export as story
from vidi.workflows.export import export
from vidi.workflows.requests.model_file import ExportRequest

needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="needs:openvino")
EXPORTING = """
from pathlib import Path
from vidi.workflows.export import export
from vidi.workflows.requests.model_file import ExportRequest
export(ExportRequest(model=Path(sys.argv[1]), to="openvino", output=Path(sys.argv[2])))
"""


def exported(model: ModelFile, output: Path) -> Path:
    return export(ExportRequest(model=model.path, to="openvino", output=output)).folder


@needs_openvino
@pytest.mark.parametrize("mode", ["stretch", "pad"])
def test_the_files_answer_framed_images_as_the_model_file_does(tmp_path: Path, mode: str):
    model = tiny_model(tmp_path / "a.onnx", framing=Framing(size=(16, 24), mode=mode))
    folder = exported(model, tmp_path / "out")

    files = {"model.xml", "model.bin", "model.json", "golden.json", "export.md"}
    assert {path.name for path in folder.iterdir()} == files
    golden = json.loads((folder / "golden.json").read_text())
    engine = open_openvino_graph(folder / "model.xml", model.metadata.framing)
    assert len(golden["vectors"]) == len(model.metadata.golden)
    for document in golden["vectors"]:
        vector = read_part(GoldenVector, document)
        assert vector.size == (16, 24)
        row = engine.compiled({"images": decode_golden(vector)[None]})["probabilities"][0]  # nothing of vidi's between
        assert np.abs(row - np.array(vector.probabilities)).max() <= golden["tolerance"]["probability"]


@needs_openvino
def test_the_twin_holds_what_the_model_files_metadata_holds(tmp_path: Path):
    model = judged(tmp_path / "a.onnx")
    folder = exported(model, tmp_path / "out")

    document = json.loads((folder / "model.json").read_text())
    assert metadata_from_json(document["metadata"]) == read_model(model.path).metadata
    assert (document["digest"], document["outputs"]) == (model.digest, list(model.outputs))
    assert document["files"] == {name: digest_of_file(folder / name) for name in ("model.xml", "model.bin")}
    assert document["input"]["shape"] == ["batch", *model.metadata.framing.size, 3]
    assert "OpenVINO answered the golden vectors" in (folder / "export.md").read_text()


@needs_openvino
def test_files_that_answer_otherwise_are_not_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = tiny_model(tmp_path / "a.onnx")

    other = tiny_model(tmp_path / "other.onnx", seed=1)

    def converting(folder: Path, _: ModelFile, name: str) -> None:
        write_openvino(folder, other, name)  # a conversion that went wrong

    monkeypatch.setattr(story, "write_openvino", converting)
    with pytest.raises(GateError, match="do not give the answers") as refused:
        exported(model, tmp_path / "out")
    assert refused.value.exit_code == 7
    assert not (tmp_path / "out").exists()


def test_without_openvino_it_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(story, "is_installed", lambda _: False)
    with pytest.raises(MissingPackageError, match=r'pip install "vidi\[openvino\]"'):
        export(ExportRequest(model=tmp_path / "absent.onnx", to="openvino", output=tmp_path / "out"))


@needs_openvino
@pytest.mark.slow  # a process of its own
def test_exporting_sends_nothing_and_loads_no_telemetry(tmp_path: Path):
    model = tiny_model(tmp_path / "a.onnx").path

    words = [sys.executable, "-c", WATCHED + EXPORTING + SAYING, str(model), str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)

    assert "socket" not in done.stdout
    assert done.stdout.strip().endswith("False")


@needs_openvino
def test_vidi_predict_says_what_the_folder_is(tmp_path: Path):
    exported(tiny_model(tmp_path / "a.onnx"), tmp_path / "out")

    with pytest.raises(ModelError, match="export for OpenVINO"):
        read_model(tmp_path / "out")
    done = vidi("predict", "out", "a.jpg", folder=tmp_path)
    assert (done.returncode, "--engine openvino" in done.stderr) == (4, True)
