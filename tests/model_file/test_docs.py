"""What docs/model-file.md shows is run as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from vidi.prediction.predictor import Predictor

PAGE = Path(__file__).parents[2] / "docs" / "model-file.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)


def run(code: str, folder: Path) -> str:
    """Run an example with vidi kept out."""
    blocked = "import sys\nsys.modules['vidi'] = None\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocked + code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_six_lines_with_onnxruntime_alone_give_vidis_answer(tmp_path: Path):
    tiny_model(tmp_path / "model.onnx")
    image = draw("disc", size=(50, 70))
    (tmp_path / "image.jpg").write_bytes(encoded(image, format="JPEG"))

    printed = run(EXAMPLES[0], tmp_path)

    (answer,) = Predictor.load(tmp_path).predict_files([str(tmp_path / "image.jpg")])
    assert answer.prediction is not None
    assert printed == answer.prediction.label + "\n"
    assert len(EXAMPLES[0].strip().splitlines()) == 6


def test_the_digest_can_be_checked_as_the_page_says(tmp_path: Path):
    tiny_model(tmp_path / "model.onnx")

    assert run(EXAMPLES[1], tmp_path) == ""

    data = bytearray((tmp_path / "model.onnx").read_bytes())
    data[100] ^= 1
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(AssertionError):
        run(EXAMPLES[1], tmp_path)
