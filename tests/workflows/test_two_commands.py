"""Two commands from wrong labels to the next model: `vidi review RUN`, answered on its page, and `vidi retrain RUN`."""

import itertools
import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.app.desks import review_page, signed_in
from tests.command import Done, vidi
from tests.draw import draw, encoded

from vidi.data.splitting.split_plan import read_assignments
from vidi.model_file.read import read_model
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.in_use import ReviewRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.train import train

pytestmark = [
    pytest.mark.slow,  # trains twice
    pytest.mark.usefixtures("undrawn"),
]

KINDS = ("disc", "square", "stripes")
EACH = {"train": 60, "test": 40}
HEAD = {"image_size": (64, 64), "freeze": True, "head": "multinomial", "head_strength": 30.0, "features": "onnxruntime"}
WINDOW = "1" * 32


@dataclass(frozen=True)
class Story:
    """What was there, what was shown and pressed, and what came of it."""

    root: Path
    first: Path
    second: Path
    files: frozenset[str]  # of the data, before the review
    pressed: Counter[tuple[str, str]]  # what an item is about, and the key that answers it
    answers: dict[str, str]  # path → right label, of the wrong labels that were shown
    retrained: Done


def planted(root: Path) -> Path:
    """300 drawn images; two in a hundred labels of each part are wrong; with a conflict, a copy and a dark image."""
    for part, each in EACH.items():
        wrong = round(0.02 * each)
        for row, kind in enumerate(KINDS):
            for number in range(each):
                folder, name = kind, f"{number:03}.png"
                if number < wrong:
                    folder, name = KINDS[(row + 1) % 3], f"{kind}-{name}"
                path = root / part / folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encoded(draw(kind, seed=number + (1_000 if part == "test" else 0))))
    shutil.copy(root / "train" / "disc" / "050.png", root / "train" / "square" / "conflict.png")
    shutil.copy(root / "train" / "stripes" / "051.png", root / "train" / "stripes" / "copy.png")
    dark = np.random.default_rng(0).integers(0, 12, (32, 32, 3), np.uint8)
    (root / "train" / "square" / "dark.png").write_bytes(encoded(dark))
    return root


def files_of(root: Path) -> frozenset[str]:
    return frozenset(path.relative_to(root).as_posix() for path in root.rglob("*.png"))


def truth_of(path: str) -> str:
    """What an image shows, by its name: that of a wrong one says it."""
    _, folder, name = path.split("/")
    return "disc" if name == "conflict.png" else name.split("-")[0] if "-" in name else folder


def key_for(image: dict) -> tuple[str, str, list[str]]:
    """The key that a careful person presses, with what the page sends for it."""
    right = truth_of(image["name"])
    if image["file_count"]:
        return ("Enter", "copy", []) if "exact" in image["why"] else ("=", "label", image["given"])
    if "black" in image["why"]:
        return "x", "exclude", []
    if image["suggested"] == [right]:
        return "Enter", "label", [right]
    return ("=" if image["given"] == [right] else "1-9"), "label", [right]


def answer_all(run: Path) -> tuple[Counter[tuple[str, str]], dict[str, str]]:
    """Go through the page's review by HTTP until nothing is left."""
    pressed, answers, keys = Counter[tuple[str, str]](), dict[str, str](), itertools.count()
    with (
        review_page(ReviewRequest(source=str(run))) as address,
        signed_in(address) as client,
    ):
        view = client.post("/api/1/review/next", json={"window": WINDOW}).raise_for_status().json()
        while (image := view["image"]) is not None:
            key, kind, labels = key_for(image)
            pressed[image["why"].split(":")[0], key] += 1
            if image["given"] not in ([], labels) and kind == "label":
                answers[image["name"]] = labels[0]
            step = {"window": WINDOW, "digest": image["digest"], "key": f"{next(keys):032x}"}
            view = (
                client.post("/api/1/review/answers", json={**step, "kind": kind, "labels": labels})
                .raise_for_status()
                .json()
            )
        assert client.get("/api/1/review").json()["after"] == [f"vidi retrain {run}"]
    return pressed, answers


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    place = tmp_path_factory.mktemp("story")
    root, first = planted(place / "photos"), place / "runs" / "first"
    files = files_of(root)
    train(TrainRequest(data=DataRequest(source=str(root)), output=first, changes=HEAD, pretrained="lite0"))
    pressed, answers = answer_all(first)
    done = vidi("retrain", first, "--output", place / "runs" / "second", folder=place)
    return Story(root, first, place / "runs" / "second", files, pressed, answers, done)


def test_the_run_names_the_first_command_and_the_page_the_second(story: Story):
    metrics = json.loads((story.first / "metrics.json").read_text())

    assert metrics["label_errors"]["listed"] >= 1
    assert f"vidi review {story.first}" in (story.first / "report.html").read_text("utf-8").replace("\n", " ")


def test_all_kinds_of_findings_were_shown_and_answered_by_a_key(story: Story):
    about = {sentence for sentence, _ in story.pressed}

    assert about >= {
        "The same image has two labels",
        "Its label may be wrong",
        "These files are exact copies",
        "It is nearly black",
    }
    assert story.pressed["These files are exact copies", "Enter"] == 1
    assert story.pressed["Its label may be wrong", "Enter"] >= 4
    assert {path.split("/")[0] for path in story.answers} == {"train", "test"}


def test_the_second_model_knows_the_answers_and_counts_the_test_labels_that_changed(story: Story):
    parts = {row.path: row for row in read_assignments(story.second / "splits.csv")}
    known = read_model(story.second).metadata.provenance.data["labels"]
    metrics = json.loads((story.second / "metrics.json").read_text())
    tested = sum(path.startswith("test/") for path in story.answers)

    assert tested >= 2
    assert (known["changed"], known["left_out"]) == (len(story.answers), 2)  # of the two in conflict one is changed
    assert {parts[path].part for path in ("train/square/dark.png", "train/stripes/copy.png")} == {"aside"}
    assert metrics["label_errors"]["listed"] == 0
    assert metrics["corrected_test"]["relabelled"] == tested
    assert f"people relabelled {tested} test images" in story.retrained.stdout


def test_no_copy_of_the_data_was_made_and_it_is_as_it_was(story: Story):
    others = [path for path in story.root.parent.rglob("*.png") if story.root not in path.parents]

    assert files_of(story.root) == story.files
    assert others == []
    assert (story.root.parent / "photos.labels.jsonl").is_file()
