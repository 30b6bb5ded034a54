"""The rivals that need nothing beyond what vidi's own tests have, on drawn images."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.draw import draw

ROOT = Path(__file__).parents[2]
KINDS = ("disc", "stripes")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Folders of two classes, with a part to learn from and one to score on."""
    for part, count in (("train", 12), ("test", 5)):
        for kind in KINDS:
            folder = tmp_path / "drawn" / part / kind
            folder.mkdir(parents=True)
            for index in range(count):
                image = Image.fromarray(draw(kind, size=(32, 32), seed=index + 100 * count))
                image.save(folder / f"{index}.png")
    return tmp_path / "drawn"


def answer_of(script: str, *words: object) -> dict[str, object]:
    """The line that a rival prints last."""
    command = [sys.executable, str(ROOT / "benchmarks" / script), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    document: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return document


@pytest.mark.integration  # each rival is a process of its own that imports torch or scikit-learn
@pytest.mark.parametrize(("script", "words"), [("torch_textbook.py", ("--epochs", 2)), ("hog.py", ())])
def test_a_rival_learns_from_folders_scores_and_leaves_its_model(photographs, script, words):
    model = photographs / "model"

    answer = answer_of(script, photographs, "--size", 32, "--model", model, *words)

    assert answer["n"] == 10
    assert answer["accuracy"] == answer["right"] / 10
    assert (answer["data"], answer["seed"]) == ("drawn", 0)
    assert 0 < answer["seconds"] < 250
    assert model.stat().st_size > 1_000


@pytest.mark.integration  # a process of its own that imports torch
def test_a_rivals_speed_alone_is_measured_without_scoring(photographs):
    answer = answer_of("torch_textbook.py", photographs, "--size", 32, "--batch", 8, "--steps", 3)

    assert answer["images_per_second"] > 0
    assert "accuracy" not in answer


@pytest.mark.integration  # a process of its own that imports torch
def test_the_cifar_recipe_reads_the_six_batches_and_scores_three_views(tmp_path):
    folder = tmp_path / "cifar10"
    folder.mkdir()
    (folder / "batches.meta.txt").write_text("\n".join(f"class{index}" for index in range(10)))
    random = np.random.default_rng(0)
    for name in (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"):
        records = random.integers(0, 256, (20, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(20) % 10
        records.tofile(folder / name)

    answer = answer_of("airbench_cifar.py", folder, "--epochs", 1, "--batch", 25)

    assert answer["n"] == 20
    assert {"one view", "flip", "six views"} <= set(answer)


@pytest.mark.integration  # a process of its own that imports torch
def test_frozen_features_look_at_the_whole_image_or_at_its_centre(photographs):
    whole, centre = (answer_of("frozen_features.py", photographs, "--size", 64, *more) for more in ((), ("--crop",)))

    assert (whole["n"], centre["n"]) == (10, 10)
    assert centre["crop"] is True
    assert "crop" not in whole
