"""Predicting needs NumPy, Pillow and onnxruntime, and nothing else that is heavy."""

import subprocess
import sys
from pathlib import Path

from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model

HEAVY = [
    "torch",
    "onnx",
    "scipy",
    "sklearn",
    "skimage",
    "matplotlib",
    "rich",
    "jinja2",
    "asyncio",
    "pandas",
    "filelock",
    "yaml",
]
HEAVY += ["google.protobuf", "multiprocessing"]

SCRIPT = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in HEAVY or name.split(".")[0] in HEAVY:
            raise ImportError(f"{name} is not there")

HEAVY = sys.argv[3:]
sys.meta_path.insert(0, Blocked())
import io
from pathlib import Path
from vidi.data.inputs import find_paths
from vidi.images.account import Account
from vidi.prediction.predictor import Predictor
from vidi.workflows.inspect import inspect_model, self_test
from vidi.workflows.predict import predict_inputs
from vidi.workflows.interaction.output import write_json

predictor, account = Predictor.load(Path(sys.argv[1])), Account()
answers = predict_inputs(predictor, find_paths([sys.argv[2]]), account)
write_json(answers, sys.stdout, model=predictor.model, account=account)
self_test(inspect_model(Path(sys.argv[1]))[0])
print([name for name in HEAVY if name in sys.modules], file=sys.stderr)
"""


def test_predicting_and_inspecting_work_where_nothing_heavy_is_installed(tmp_path: Path):
    model = tiny_model(tmp_path / "model.onnx").path
    (tmp_path / "images").mkdir()
    for index in range(3):
        (tmp_path / "images" / f"{index}.png").write_bytes(encoded(draw("disc", seed=index)))

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, model, tmp_path / "images", *HEAVY], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert '"used": 3' in done.stdout
