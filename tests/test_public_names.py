"""The public names of `vidi` stand once, in its own module; each is there, and nothing else is promised."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vidi
from tests.draw import class_folders
from tests.model_file.tiny import tiny_model

SOURCE = Path(vidi.__file__)
NAMES = {
    "train",
    "benchmark",
    "check",
    "evaluate",
    "compare",
    "load",
    "locate",
    "explain",
    "DataRequest",
    "ImageClassifier",
    "Prediction",
    "Predictor",
    "VidiError",
}


def test_these_are_the_public_names_and_no_others():
    assert set(vidi.__all__) == NAMES
    assert NAMES | {"__version__"} <= set(dir(vidi))


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_public_name_is_defined_where_it_says_and_says_what_it_is_for(name: str):
    value = vars(vidi).get(name) or vidi.__getattr__(name)

    assert value.__name__ == name
    assert value.__module__.startswith("vidi.")
    assert value.__doc__


def test_type_checkers_see_the_names_that_python_finds():
    block = next(node for node in ast.parse(SOURCE.read_text("utf-8")).body if isinstance(node, ast.If))
    seen = {
        (alias.asname, node.module)
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert seen == {(name, vidi._HOMES[name]) for name in NAMES}
    assert SOURCE.with_name("py.typed").exists()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'vidi' has no attribute 'tarin'"):
        vidi.tarin  # noqa: B018  # the access is what is tested


def test_the_version_is_that_of_the_installed_package():
    from importlib.metadata import version

    assert vidi.__version__ == version("vidi")


WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {names}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Missing())
import vidi
"""


def run_without(names: set[str], code: str, folder: Path) -> str:
    """What a fresh interpreter prints in which some packages are not installed."""
    script = WITHOUT.format(names=names) + code
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_loading_a_model_and_predicting_needs_no_package_of_training(tmp_path: Path):
    tiny_model(tmp_path / "model.onnx")
    code = (
        "import numpy\n"
        "model = vidi.load('model.onnx')\n"
        "(answer,) = model.predict([numpy.zeros((8, 9, 3), numpy.uint8)])\n"
        "print(answer.label)\n"
    )

    assert run_without({"torch", "sklearn", "onnx", "matplotlib"}, code, tmp_path).startswith("class ")


@pytest.mark.slow  # two fresh interpreters
def test_locating_needs_no_package_of_training_or_of_the_report(tmp_path: Path):
    tiny_model(tmp_path / "model.onnx")
    code = (
        "import numpy\n"
        "(found,) = vidi.locate('model.onnx', [numpy.zeros((20, 20, 3), numpy.uint8)])\n"
        "print(found.size)\n"
    )

    assert run_without({"torch", "sklearn", "matplotlib", "jinja2"}, code, tmp_path) == "(20, 20)\n"


@pytest.mark.slow  # imports scikit-learn and half of torch's users in fresh interpreters
@pytest.mark.parametrize(
    ("missing", "use", "said"),
    [
        ("torch", "vidi.train('photos')", "training needs torch"),
        ("torch", "vidi.ImageClassifier().fit([], [])", "training needs torch"),
        ("sklearn", "vidi.ImageClassifier()", "ImageClassifier needs scikit-learn"),
    ],
)
def test_what_is_not_installed_is_named_with_the_command_that_installs_it(
    missing: str, use: str, said: str, tmp_path: Path
):
    class_folders(tmp_path / "photos", each=4)  # a wrong path is refused before torch is missed
    code = f"try:\n    {use}\nexcept vidi.VidiError as error:\n    print(error)"

    printed = run_without({missing}, code, tmp_path)

    assert printed == f'{said}, which is not installed\n  Install it: pip install "vidi[train]"\n'
