"""The wheel in an environment of its own, without torch: predicting must work there and say the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.draw import class_folders

from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.train import train

ROOT = Path(__file__).parents[2]


def run(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, words)], cwd=folder, capture_output=True, text=True, check=False, timeout=280)


def pip(environment: Path, *words: object, folder: Path) -> None:
    result = run(environment / "bin" / "python", "-m", "pip", "install", "--quiet", *words, folder=folder)
    if "Could not find a version" in result.stderr or "Connection" in result.stderr:
        pytest.skip("needs:a package index")
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment that holds only the wheel and what predicting needs."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, folder=folder)
    if built.returncode and "No matching distribution" in built.stdout + built.stderr:
        pytest.skip("needs:a package index")
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    assert run(sys.executable, "-m", "venv", environment, folder=folder).returncode == 0
    pip(environment, "--constraint", ROOT / "constraints.txt", wheel, folder=folder)
    return environment


@pytest.mark.integration  # builds a wheel, installs it, trains
def test_the_wheel_predicts_without_torch_and_says_the_same(installed: Path, tmp_path: Path):
    data = class_folders(tmp_path / "photos", each=10)
    changes = {"epochs": 1, "options.width": 0.25}
    train(TrainRequest(data=DataRequest(source=str(data)), changes=changes, output=tmp_path / "run"))
    here = run(sys.executable, "-m", "vidi", "predict", "run", "photos", "--json", folder=tmp_path)

    there = run(installed / "bin" / "vidi", "predict", "run", "photos", "--json", folder=tmp_path)

    assert there.returncode == 0, there.stderr
    ours, theirs = (json.loads(result.stdout)["predictions"] for result in (here, there))
    assert [row["label"] for row in ours] == [row["label"] for row in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)


@pytest.mark.integration  # installs a wheel
def test_without_torch_training_names_what_to_install(installed: Path, tmp_path: Path):
    class_folders(tmp_path / "photos", each=3)

    result = run(installed / "bin" / "vidi", "train", "photos", folder=tmp_path)

    assert result.returncode == 2
    assert 'pip install "vidi[train]"' in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.integration  # asks the package index for metadata
@pytest.mark.parametrize("python", ["3.12", "3.13"])
def test_the_constraints_resolve_on_newer_pythons(python: str, tmp_path: Path):
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("needs:uv")
    words = ("pip", "compile", "--quiet", "--python-version", python, "--all-extras", "-c", "constraints.txt")
    result = run(uv, *words, "pyproject.toml", "-o", tmp_path / "resolved.txt", folder=ROOT)
    if "Failed to fetch" in result.stderr or "dns error" in result.stderr:
        pytest.skip("needs:a package index")

    assert result.returncode == 0, result.stderr
