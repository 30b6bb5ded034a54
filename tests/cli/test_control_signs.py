"""Class and file names with control signs: no byte of them reaches a terminal as it is."""

from pathlib import Path

import pytest
from tests.command import vidi
from tests.draw import draw, encoded

pytestmark = pytest.mark.usefixtures("undrawn")

NAMES = {"disc": "=1\x1b[31m+disc", "stripes": "new\nline\r", "square": "\u202esquare\x9b2J"}
ODD = f"data/{NAMES['disc']}/one\x1b.png"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set whose classes and files have such names: some damaged, one copied into another class."""
    root = tmp_path_factory.mktemp("names")
    for kind, name in NAMES.items():
        (root / "data" / name).mkdir(parents=True)
        for number in range(8):
            (root / "data" / name / f"{number:03}.png").write_bytes(encoded(draw(kind, seed=number)))
        (root / "data" / name / "one\x1b.png").write_bytes(encoded(draw(kind, seed=99)))
        (root / "data" / name / "bad\n.png").write_bytes(b"nothing")
    (root / "data" / NAMES["disc"] / "copy.png").write_bytes(encoded(draw("stripes", seed=3)))
    (root / "data" / "few\x1b").mkdir()
    (root / "data" / "few\x1b" / "000.png").write_bytes(encoded(draw("noise")))
    (root / "other" / "Few\x1b").mkdir(parents=True)
    (root / "other" / "Few\x1b" / "000.png").write_bytes(encoded(draw("noise")))
    done = vidi("train", "data", "--epochs", 1, "--set", "options.width=0.25", "-o", "runs/one", folder=root)
    assert done.returncode == 6, done.stderr
    (root / "train.txt").write_text(done.stdout + done.stderr, "utf-8")
    return root


COMMANDS = [
    ("check", "data"),
    ("check", "data", "--json"),
    ("split", "data", "-o", "splits.csv"),
    ("predict", "runs/one", "data"),
    ("predict", "runs/one", "data", "--csv"),
    ("predict", "runs/one", "data", "--json"),
    ("predict", "runs/one", "data", "--jsonl", "--log", "log.sqlite"),
    ("log", "log.sqlite"),
    ("monitor", "runs/one", "--log", "log.sqlite"),
    ("evaluate", "runs/one", "data", "-o", "evaluation"),
    ("evaluate", "runs/one", "other", "-o", "no class in common"),
    ("compare", "runs/one", "runs/one", "data", "-o", "comparison"),
    ("compare", "runs/one", "runs/one", "other", "-o", "no comparison"),
    ("calibrate", "runs/one", "data", "-o", "again.onnx"),
    ("inspect", "runs/one"),
    ("inspect", "runs/one", "--json"),
    ("explain", "runs/one", ODD, "-o", "why"),
    ("locate", "runs/one", ODD),
    ("locate", "runs/one", ODD, "--class", "none\x1b"),
    ("watch", "runs/one", "none\x1b.mp4"),
    ("review", "data", "--export", "new"),
    ("promote", "runs/one", "--name", "odd"),
    ("runs",),
    ("runs", "--json"),
    ("report", "runs/one"),
    ("train", "data", "--positive", "none\x1b"),
    ("train", "none\x1b"),
    ("predict", "none\x1b", ODD),
]


def control_signs(text: str) -> list[str]:
    """The lines with anything but letters, spaces and line ends."""
    return [
        line for line in text.split("\n") if not all(sign.isprintable() or sign in "\xa0\u2009\u202f" for sign in line)
    ]


@pytest.mark.fault
@pytest.mark.slow  # the fixture trains
def test_no_output_of_a_command_holds_a_control_sign_of_a_name(folder: Path):
    found = {"train": control_signs((folder / "train.txt").read_text("utf-8"))}
    lines = (folder / "train.txt").read_text("utf-8").splitlines()
    for words in COMMANDS:
        done = vidi(*words, folder=folder)
        assert "vidi itself failed" not in done.stderr, words
        found[" ".join(words)] = control_signs(done.stdout + done.stderr)
        lines += (done.stdout + done.stderr).splitlines()
    assert {words: bad for words, bad in found.items() if bad} == {}
    # A name's own line end has begun no line either.
    assert [line for line in lines if line.startswith("line")] == []
