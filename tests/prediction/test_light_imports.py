"""Predicting needs NumPy, Pillow and onnxruntime, and nothing else that is heavy."""

import json
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


AT_THE_END = """
import atexit, gc, json, sys

atexit.register(lambda: print(json.dumps([sorted(sys.modules), gc.get_freeze_count()])))
from vidi.cli.app import main

sys.argv = ["vidi", "predict", *sys.argv[1:]]
main()
"""
# Packages of others that one image needs; compiled ones bring modules of their own, named after Cython.
NEEDED = {"PIL", "numpy", "onnxruntime", "simplejpeg", "click"}

AT_START = {"__main__", "_distutils_hack", "sitecustomize", "usercustomize"}


def at_the_end_of_a_cold_start(folder: Path) -> tuple[list[str], int]:
    model, image = tiny_model(folder / "model.onnx").path, folder / "disc.jpg"
    image.write_bytes(encoded(draw("disc", seed=0), format="JPEG"))
    command = [sys.executable, "-c", AT_THE_END, model, image]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    modules, frozen = json.loads(done.stdout.splitlines()[-1])
    return modules, frozen


def test_one_image_from_a_cold_start_loads_few_modules(tmp_path: Path):
    modules, frozen = at_the_end_of_a_cold_start(tmp_path)
    packages = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names
    ours = [name for name in modules if name.startswith("vidi.")]

    assert {name for name in packages if "cython" not in name} <= NEEDED | {"vidi"} | AT_START
    assert [name for name in HEAVY if name in modules] == []
    assert len(ours) <= 105  # each costs half a millisecond, mostly for its dataclasses
    assert frozen > 0  # at its end nobody looks for garbage, which took a tenth of the whole command
