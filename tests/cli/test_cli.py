"""The command line: what comes out, where, and with which exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.command import vidi
from tests.draw import class_folders
from tests.model_file.tiny import tiny_model

from vidi.cli import housekeeping
from vidi.cli.app import INTERRUPTED

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a run, made from the command line."""
    folder = tmp_path_factory.mktemp("work")
    class_folders(folder / "photos", each=15)
    result = vidi("train", "photos", "--epochs", 2, "--set", "options.width=0.25", "--output", "run", folder=folder)
    assert result.returncode == 0, result.stderr
    assert "report: run/report.html" in result.stdout
    return folder


@pytest.mark.slow  # the fixture trains
def test_predict_without_an_image_says_what_to_name(trained: Path):
    result = vidi("predict", "run", folder=trained)

    assert result.returncode == 2
    assert "error: no image was named\n  Name files or folders after the model" in result.stderr


@pytest.mark.slow  # the fixture trains
def test_predict_answers_in_json_with_an_account(trained: Path):
    (trained / "mixed").mkdir(exist_ok=True)
    (trained / "mixed" / "good.png").write_bytes((trained / "photos" / "disc" / "000.png").read_bytes())
    (trained / "mixed" / "bad.jpg").write_bytes(b"not an image")

    result = vidi("predict", "run", "mixed", "--json", folder=trained)

    document = json.loads(result.stdout)
    assert result.returncode == 6
    assert (document["account"]["found"], document["account"]["used"]) == (2, 1)
    by_path = {prediction["path"]: prediction for prediction in document["predictions"]}
    assert by_path["mixed/bad.jpg"]["error"]["code"] == "not-an-image"
    assert sum(by_path["mixed/good.png"]["probabilities"].values()) == pytest.approx(1, abs=1e-4)


@pytest.mark.slow  # the fixture trains
def test_explain_writes_a_page_and_says_where(trained: Path):
    result = vidi("explain", "run", "photos/disc/000.png", "--top", 1, "-o", "why", folder=trained)

    assert (result.returncode, result.stderr) == (0, "found 1 = used 1 + set aside 0 + refused 0 + ignored 0\n")
    assert result.stdout.startswith("photos/disc/000.png  ")
    assert result.stdout.endswith("  why/000.html\n")
    assert "It looks like these" in (trained / "why" / "000.html").read_text("utf-8")

    told = json.loads(vidi("explain", "run", "--json", "-o", "why", folder=trained).stdout)
    assert (told["network"], told["classes"], told["page"]) == ("run", 2, "why/run.html")


@pytest.mark.slow  # the fixture trains
def test_standard_input_is_an_image(trained: Path):
    data = (trained / "photos" / "stripes" / "001.png").read_bytes()

    result = vidi("predict", "run", "-", "--csv", folder=trained, stdin=data)

    assert result.returncode == 0
    assert result.stdout.splitlines()[0].startswith("path,label,probability,verdict,candidates,decision,error,notes")
    assert len(result.stdout.splitlines()) == 2


@pytest.mark.slow  # the fixture trains
def test_evaluate_report_inspect_and_runs_speak_of_the_run(trained: Path):
    evaluated = vidi("evaluate", "run", "photos", "-o", "evaluations/again", folder=trained)
    assert "error" not in evaluated.stderr
    assert (trained / "evaluations" / "again" / "metrics.json").exists()

    assert vidi("report", "run", folder=trained).stdout == "report: run/report.html\n"

    inspected = vidi("inspect", "run", "--self-test", folder=trained)
    assert "self-test passed" in inspected.stdout

    (trained / "runs").mkdir(exist_ok=True)
    os.rename(trained / "run", trained / "runs" / "one")
    try:
        listed = vidi("runs", "--json", folder=trained)
        assert [run["name"] for run in json.loads(listed.stdout)] == ["one"]
    finally:
        os.rename(trained / "runs" / "one", trained / "run")


@pytest.mark.slow  # the fixture trains
def test_training_into_a_folder_that_exists_is_refused(trained: Path):
    result = vidi("train", "photos", "--output", "run", folder=trained)

    assert result.returncode == 2
    assert "run exists already" in result.stderr
    assert "--overwrite" in result.stderr


@pytest.mark.slow  # the fixture trains
def test_split_writes_a_table_that_training_follows(trained: Path):
    made = vidi("split", "photos", "-o", "mine.csv", "--json", folder=trained)
    assert made.returncode == 0
    assert json.loads(made.stdout)["rule"] == "v1:70-10-0-20:seed0"

    again = vidi("split", "photos", "-o", "mine.csv", "--json", folder=trained)

    assert json.loads(again.stdout)["parts"] == json.loads(made.stdout)["parts"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("train", "nowhere"), 2, "nowhere"),
        (("train",), 2, "nothing to train on"),
        (("predict", "nothing.onnx", "a.jpg"), 4, "nothing.onnx does not exist"),
        (("train", "https://example.org/cats.zip"), 2, "https"),
        (("explain",), 2, "there is nothing to explain"),
        (("explain", "nothing.onnx", "a.jpg"), 4, "nothing.onnx does not exist"),
        (("explain", "--network", "cats"), 2, "no network is called 'cats'"),
        (("explain", "model.onnx", "--network", "textbook"), 2, "Use only one of them"),
        (("runs",), 2, "runs is not a folder"),
        (("demo", "cats"), 2, "no demo is called 'cats'"),
        (("train", "x", "--imgsz", "big"), 2, "is not a size"),
        (("train", "x", "--minutes", "0"), 2, "--minutes 0 is not allowed\n  Use a number, 0.05 or more."),
        (("train", "x", "--minutes", "nan"), 2, "--minutes nan is not allowed"),
        (("train", "x", "--epochs", "many"), 2, "--epochs many is not allowed\n  Use a whole number, 1 or more."),
        (("fetch", "cats"), 2, "cats"),
        (("trian",), 2, "error: vidi has no command trian\n  Did you mean train or retrain?"),
        (("predict",), 2, "error: vidi predict needs MODEL\n  Path to a model file"),
        (("export", "m"), 2, "error: vidi export needs --to FORM\n  Form to write"),
        (("export", "m", "--to", "webb"), 2, "error: --to FORM: 'webb' is not one of"),
        (("train", "x", "--minutes"), 2, "error: --minutes needs a value\n  --minutes MINUTES: Time limit"),
        (("train", "--freeze=3"), 2, "error: --freeze takes no value\n"),
        (("cache", "--cler"), 2, "error: vidi cache has no option --cler\n  Did you mean --clear?"),
        (("doctor", "x"), 2, "error: vidi doctor: got unexpected extra argument (x)\n  Usage: vidi doctor [OPTIONS]"),
        (("train", "--nothing\x1b[31m"), 2, "has no option --nothing%1B[31m"),
    ],
)
def test_wrong_use_says_what_is_wrong_and_ends_with_its_code(tmp_path: Path, words, code, said):
    result = vidi(*words, folder=tmp_path)

    assert (result.returncode, result.stdout) == (code, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow  # over a second of processor time
@pytest.mark.integration  # trains on noise for seconds, as the commands of docs/how-to/manage.md do in `make test`
def test_doctor_names_the_engine_the_limits_and_the_cache(tmp_path: Path):
    sections = json.loads(vidi("doctor", "--json", folder=tmp_path).stdout)

    assert sections["training"]["device"] in ("cpu", "cuda", "mps")
    assert 0 < sections["training"]["share_of_product"] < 2

    assert sections["limits"]["pixels"] == 64_000_000
    assert sections["machine"]["cores"] >= 1


def test_cache_is_shown_and_cleared(tmp_path: Path):
    document = json.loads(vidi("cache", "--clear", "--json", folder=tmp_path).stdout)

    assert document["entries"] == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [(KeyboardInterrupt(), f"{INTERRUPTED}\n"), (SystemExit(130), "")],
    ids=["by Ctrl-C", "by itself"],
)
def test_every_command_that_ctrl_c_ends_says_so(error: BaseException, said: str, monkeypatch, tmp_path: Path):
    def cache() -> None:
        raise error

    monkeypatch.setattr(housekeeping, "cache", cache)
    result = vidi("cache", folder=tmp_path)

    assert (result.returncode, result.stderr) == (130, said)


def test_the_shell_completes_verbs_options_and_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def completed(*words: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", " ".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        return vidi(folder=tmp_path).stdout.split()

    monkeypatch.setenv("SHELL", "/bin/bash")
    assert "_VIDI_COMPLETE=bash_complete $1" in vidi("--show-completion", folder=tmp_path).stdout

    monkeypatch.setenv("_VIDI_COMPLETE", "bash_complete")
    assert completed("vidi", "pre") == ["plain,predict"]
    assert completed("vidi", "train", "--ep") == ["plain,--epochs"]
    assert completed("vidi", "train", "--optimizer", "adam") == ["plain,adam", "plain,adamw"]
    assert completed("vidi", "predict", "runs/on") == ["file,runs/on"]


WITHOUT_TORCH = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "sklearn", "optuna"):
            raise ModuleNotFoundError(f"{name} is not there", name=name)

sys.meta_path.insert(0, Blocked())
from vidi.cli.app import main

sys.argv = ["vidi", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize("verb", ["train", pytest.param("tune", marks=pytest.mark.slow)])  # a process of its own each
def test_a_wrong_path_is_refused_and_the_images_are_found_before_torch_is_imported(tmp_path: Path, verb: str):
    class_folders(tmp_path / "photos", each=2)

    wrong, right = (
        subprocess.run(
            [sys.executable, "-c", WITHOUT_TORCH, verb, name],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        for name in ("nosuch", "photos")
    )

    assert wrong.stderr.startswith("error: nosuch is neither an existing path nor a known set\n")
    assert (wrong.returncode, right.returncode) == (2, 2)
    assert right.stderr.startswith("reading photos: 4 images of 2 classes\nerror: this needs torch")


def test_a_model_that_is_named_wrongly_is_guessed(tmp_path: Path):
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    tiny_model(tmp_path / "runs" / "mine" / "model.onnx", classes=2)
    class_folders(tmp_path / "photos", each=1)

    guessed = vidi("predict", "mine", "photos", folder=tmp_path)
    assert (guessed.returncode, guessed.stderr) == (4, "error: mine does not exist\n  Did you mean runs/mine?\n")
    for verb in ("predict", "evaluate", "locate", "explain"):
        swapped = vidi(verb, "photos", "runs/mine", folder=tmp_path)
        assert swapped.returncode == 2
        assert swapped.stderr.endswith(f"\n  Name the model first: vidi {verb} runs/mine photos\n")
