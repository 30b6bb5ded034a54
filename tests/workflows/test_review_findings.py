"""Whatever `vidi check` finds is settled in a review, the worst first: labels, copies and odd images."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.draw import class_folders, encoded

from vidi.data.checked import SuspectLabel, SuspectLabels
from vidi.data.checking.check import check_dataset
from vidi.data.checking.suspects import suspects_finding
from vidi.data.read import read_dataset
from vidi.images.limits import DecodeOptions
from vidi.workflows.check import CheckReport, check
from vidi.workflows.requests.data import CheckRequest, DataRequest
from vidi.workflows.requests.in_use import ReviewRequest
from vidi.workflows.review import ReviewDesk, export_labels, open_review
from vidi.workflows.reviewing.from_folder import review_items
from vidi.workflows.reviewing.opening import folder_images

KINDS = ("disc", "square", "stripes")
SIZE = (96, 120)
FIRST, SECOND = "1" * 32, "2" * 32  # windows
KEYS = (f"{number:032x}" for number in itertools.count())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Class folders with a conflict, exact copies and a dark image."""
    root = class_folders(tmp_path / "photos", kinds=KINDS, each=4, size=SIZE)
    shutil.copy(root / "disc" / "000.png", root / "square" / "twin.png")
    for name in ("copy-1.png", "copy-2.png"):
        shutil.copy(root / "stripes" / "001.png", root / "stripes" / name)
    (root / "square" / "dark.png").write_bytes(encoded(np.random.default_rng(0).integers(0, 12, (*SIZE, 3), np.uint8)))
    return root


def looked(data: Path) -> CheckReport:
    return check(CheckRequest(data=DataRequest(source=str(data))))


def kinds(report: CheckReport) -> set[str]:
    return {one.kind for one in report.findings} & {"conflicting-labels", "exact-copies", "dark", "near-copies"}


def answer(desk: ReviewDesk, kind: str, *labels: str, window: str = FIRST) -> str:
    """Answer what a window shows, and give the occasion."""
    item = desk.next(window).item
    assert item is not None
    desk.answer(window, item.digest, key=next(KEYS), kind=kind, labels=labels)
    return item.occasion


def test_all_that_the_check_finds_comes_the_worst_first_and_is_found_no_more_once_answered(data):
    assert kinds(looked(data)) == {"conflicting-labels", "exact-copies", "dark"}
    with open_review(ReviewRequest(source=str(data)), environment={}) as desk:
        order = [answer(desk, "label", "disc"), answer(desk, "copy"), answer(desk, "exclude")]
        assert desk.next(FIRST).item is None

    after = looked(data)
    left_out = {entry.path: entry.code for entry in after.result.account.set_aside}
    assert order == ["conflicting-labels", "exact-copies", "dark"]
    assert kinds(after) == set()
    assert left_out == {
        "square/dark.png": "excluded",
        "stripes/copy-1.png": "deduplicated",
        "stripes/copy-2.png": "deduplicated",
    }
    assert "stripes/001.png" in {image.path for image in read_dataset(data).images}


def test_copies_and_odd_images_that_people_keep_are_found_no_more(data):
    with open_review(ReviewRequest(source=str(data)), environment={}) as desk:
        answer(desk, "label", "disc")
        answer(desk, "label", "stripes")
        answer(desk, "label", "square")
        assert desk.next(FIRST).progress.left == 0

    after = looked(data)

    assert kinds(after) == set()
    assert len(after.dataset.images) == 16


def test_after_a_restart_what_is_settled_stays_so_and_the_last_answers_are_undone_one_by_one(data):
    request = ReviewRequest(source=str(data))
    with open_review(request, environment={}) as desk:
        answer(desk, "label", "disc")
        answer(desk, "copy")

    with open_review(request, environment={}) as desk:
        first = desk.next(FIRST)
        assert first.item is not None
        assert first.item.occasion == "dark"
        assert first.progress.left == 1
        assert first.can_undo
        shown = [desk.undo(FIRST).item, desk.undo(FIRST).item]
        assert [item.occasion for item in shown if item is not None] == ["exact-copies", "conflicting-labels"]
        assert not desk.next(FIRST).can_undo

    rows = [json.loads(line) for line in (data.parent / "photos.labels.jsonl").read_text().splitlines()]
    assert [row.get("undoes") for row in rows] == [None, None, rows[1]["key"], rows[0]["key"]]
    assert kinds(looked(data)) == {"conflicting-labels", "exact-copies", "dark"}


def test_a_window_does_not_take_back_what_another_one_answered_here(data):
    with open_review(ReviewRequest(source=str(data)), environment={}) as desk:
        answer(desk, "label", "disc")

        assert not desk.next(SECOND).can_undo
        assert desk.next(FIRST).can_undo


def test_of_copies_the_tested_or_else_the_largest_one_stays_and_the_images_are_shown(tmp_path):
    root = class_folders(tmp_path / "photos", kinds=KINDS[:2], each=4, size=SIZE, parts=("train", "test"))
    shutil.copy(root / "test" / "disc" / "001.png", root / "train" / "disc" / "a-copy.png")

    with open_review(ReviewRequest(source=str(root)), environment={}) as desk:
        (item,) = (one for one in desk.source.items() if one.occasion == "exact-copies")
        assert [one.path for one in item.files] == ["test/disc/001.png", "train/disc/a-copy.png"]
        assert desk.image(item.shown[0]) == (root / "test" / "disc" / "001.png").read_bytes()
        desk.answer(FIRST, item.digest, key=next(KEYS), kind="copy")

    assert "train/disc/a-copy.png" in {entry.path for entry in looked(root).result.account.set_aside}


def test_files_that_were_left_out_as_copies_are_not_exported(data, tmp_path):
    request = ReviewRequest(source=str(data), export=tmp_path / "corrected")
    with open_review(ReviewRequest(source=str(data)), environment={}) as desk:
        answer(desk, "label", "disc")
        answer(desk, "copy")

    made = export_labels(request, environment={})

    assert made.left_out == {"deduplicated": 2}
    assert len([*(tmp_path / "corrected" / "stripes").iterdir()]) == 4


def test_labels_that_a_run_doubts_come_together_with_those_of_the_last_check(data):
    dataset = read_dataset(data)

    def doubt(path: str, confidence: float) -> SuspectLabel:
        about = {"path": path, "digest": "", "part": "train", "label": path.partition("/")[0], "suggested": "disc"}
        return SuspectLabel(**about, confidence=confidence, suggested_confidence=0.9)

    checked = SuspectLabels(images=12, suspects=(doubt("square/001.png", 0.02), doubt("square/002.png", 0.04)))
    check = check_dataset(dataset).with_finding(suspects_finding(checked))
    of_run = (doubt("stripes/002.png", 0.01), doubt("square/001.png", 0.03))

    items, _ = review_items(folder_images(dataset), check, suspects=of_run, options=DecodeOptions())

    doubted = [item.name for item in items if item.occasion == "suspect-labels"]
    assert doubted == ["stripes/002.png", "square/001.png", "square/002.png"]


@pytest.mark.slow  # computes features
def test_labels_that_a_pretrained_network_doubts_come_with_what_it_says(tmp_path):
    root = class_folders(tmp_path / "photos", kinds=KINDS, each=16)
    (root / "disc" / "003.png").rename(root / "stripes" / "wrong.png")

    before = check(CheckRequest(data=DataRequest(source=str(root)), suspects=True))
    with open_review(ReviewRequest(source=str(root)), environment={}) as desk:
        item = desk.next(FIRST).item
        assert item is not None
        assert (item.name, item.occasion, item.given) == ("stripes/wrong.png", "suspect-labels", ("stripes",))
        assert (item.suggested or ((), 0))[0] == ("disc",)
        desk.answer(FIRST, item.digest, key=next(KEYS), kind="label", labels=["disc"])

    (row,) = [json.loads(line) for line in (tmp_path / "photos.labels.jsonl").read_text().splitlines()]
    assert (row["how"], row["labels"]) == ("suggested", ["disc"])
    assert f"settle it: vidi review {root}" in [*before.summary()]
    after = check(CheckRequest(data=DataRequest(source=str(root)), suspects=True))
    assert not any(one.suspects for one in after.findings)
