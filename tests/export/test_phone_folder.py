"""The exported folder as a phone would use it: onnxruntime-node, which binds the native library, answers from it."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from bench.agreeing.answers import Answers, from_numbers, require_agreement
from bench.agreeing.drawn import model_answers, trial_images

from tests.export.node import NODE
from tests.model_file.test_golden import judged
from vidi.model_file.golden import encode_image
from vidi.model_file.metadata import GoldenVector
from vidi.model_file.values import read_part
from vidi.workflows.export import export
from vidi.workflows.requests.model_file import ExportRequest

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "build" / "node" / "node_modules"  # filled by tools/fetch_node_runtime.py
PAGE = ROOT / "docs" / "how-to" / "phones.md"


@pytest.fixture
def modules() -> Path:
    if NODE is None or not (MODULES / "onnxruntime-node" / "package.json").is_file():
        pytest.skip("needs:onnxruntime-node (python tools/fetch_node_runtime.py)")
    return MODULES


@pytest.mark.slow  # a process of its own
def test_onnxruntime_node_replays_the_golden_vectors_of_the_folder(modules: Path, tmp_path: Path):
    model = judged(tmp_path / "shapes.onnx")
    folder, images = tmp_path / "out", trial_images()
    export(ExportRequest(model=model.path, to="folder", output=folder))
    given = [{"image": encode_image(one.pixels), "size": one.pixels.shape[:2]} for one in images]
    (tmp_path / "images.json").write_text(json.dumps(given))

    script = Path(__file__).with_name("replay.mjs")
    words = [str(NODE), script, modules, folder, tmp_path / "images.json", tmp_path / "answers.json"]
    subprocess.run(words, check=True, timeout=120)

    said, golden = json.loads((tmp_path / "answers.json").read_text()), json.loads((folder / "golden.json").read_text())
    assert len(said) == len(golden["vectors"]) + len(images)
    for answer, document in zip(said, golden["vectors"], strict=False):
        vector = read_part(GoldenVector, document)
        apart = np.abs(np.array(answer["probabilities"]) - np.array(vector.probabilities)).max()
        assert apart <= golden["tolerance"]["probability"]
        if vector.novelty is not None:
            apart = abs(answer["novelty"][0] - vector.novelty) / max(abs(vector.novelty), 1.0)
            assert apart <= golden["tolerance"]["novelty"]
    answers: Answers = {}
    for one, answer in zip(images, said[len(golden["vectors"]) :], strict=True):
        strange = answer["novelty"][0] if "novelty" in answer else None
        answers[one.name] = from_numbers(np.array(answer["probabilities"], np.float32), strange, model.metadata)
    require_agreement(model_answers(model, images), answers, model.metadata)


def test_the_page_names_what_the_folder_has_and_says_what_was_not_run(tmp_path: Path):
    export(ExportRequest(model=judged(tmp_path / "shapes.onnx").path, to="folder", output=tmp_path / "out"))
    text = PAGE.read_text("utf-8")

    for name in ("model.onnx", "config.json", "golden.json"):
        assert f"`{name}`" in text
        assert (tmp_path / "out" / name).is_file()
    assert json.loads((tmp_path / "out" / "config.json").read_text())["verdict"]["novelty_limit"] is not None
    for language in ("kotlin", "swift"):
        block = text[text.index(f"```{language}\n") :].partition("\n```")[0]
        assert "not run here" in block.splitlines()[1]
