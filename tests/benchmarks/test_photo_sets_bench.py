"""How the photo sets are drawn, and which bars are printed."""

import io
from pathlib import Path

import numpy as np
import pytest
from bench.photo_sets import PhotoSet, report, write_set
from PIL import Image


def drawn(_: Path):
    """Forty images of two classes; two in a row are of one photograph."""
    for index in range(40):
        stream = io.BytesIO()
        Image.fromarray(np.full((8, 8, 3), index, np.uint8)).save(stream, "PNG")
        yield ("cat", "dog")[index % 2], f"photograph{index // 2}", stream.getvalue()


def test_no_photograph_is_on_both_sides_and_a_draw_repeats(tmp_path):
    wanted = PhotoSet(source="drawn", read=drawn, learnt=21, scored=10)

    folders = [write_set(wanted, tmp_path, tmp_path / f"{number}", draw=0) for number in range(2)]

    first, again = ([path.relative_to(folder) for path in sorted(folder.rglob("*.png"))] for folder in folders)
    groups = {part: {path.name.split("-")[0] for path in first if path.parts[0] == part} for part in ("train", "test")}
    assert first == again
    assert sum(path.parts[0] == "train" for path in first) == 21
    assert sum(path.parts[0] == "test" for path in first) == 10
    assert groups["train"].isdisjoint(groups["test"])


@pytest.mark.parametrize(("own", "seconds", "met"), [(0.9, 100, True), (0.81, 100, False), (0.9, 191, False)])
def test_every_bar_decides(capsys, own, seconds, met):
    rival = {"accuracy": 0.8}
    vidi = {"learnt": 400, "accuracy": own, "n": 600, "seconds": seconds, "versions": {"vidi": "1"}}

    assert report([("photographs", {"vidi": vidi, "lite0": rival, "lite2": rival})]) is met

    assert "| photographs | 400 | 600 |" in capsys.readouterr().out
