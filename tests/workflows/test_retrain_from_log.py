"""Labels for a retraining out of a prediction log: the confirmed ones, copied beside the run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.log.made import digest, prediction

from vidi.data.splitting.split_plan import Assignment, write_assignments
from vidi.errors import DataError
from vidi.files import digest_of
from vidi.images.encode import encode_png
from vidi.log.records import Feedback
from vidi.log.store import PredictionLog
from vidi.workflows.requests.in_use import RetrainRequest
from vidi.workflows.retraining import plan as labels
from vidi.workflows.retraining.plan import label_words, take_labels

OLD_IMAGES = 74  # half as many count as much as one of the feedback: with the two of reviewers, a twentieth of 40


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder, of which a retraining reads the split."""
    folder = tmp_path / "run"
    folder.mkdir()
    rows = [Assignment(digest(n), f"{n}.png", f"{n}", "test" if n >= OLD_IMAGES else "train", "") for n in range(90)]
    write_assignments(folder / "splits.csv", rows)
    return folder


def image(number: int) -> bytes:
    """A small image file of its own."""
    return encode_png(np.full((4, 4, 3), number, np.uint8))


def say(log: PredictionLog, number: int, label: str, *, source: str, is_review: bool, is_kept: bool = True) -> None:
    """One answer about an image."""
    data = image(number)
    if is_kept:
        log.keep_images([(digest_of(data), data, 1_000.0)])
    log.add_feedback(
        Feedback(
            key=f"{number:032x}",
            at=1_000.0 + number,
            digest=digest_of(data),
            kind="label",
            labels=(label,),
            source=source,
            via="review" if is_review else "server",
            model_id=None,
        )
    )


def test_confirmed_labels_are_copied_and_one_source_gives_at_most_its_share(run: Path, tmp_path: Path):
    with PredictionLog.open(str(tmp_path / "log.sqlite")) as log:
        log.append([replace(prediction(number), digest=digest_of(image(number))) for number in range(20)])
        for number in (1, 2):
            say(log, number, "new", source="ann", is_review=True)
        for number in range(10, 20):
            say(log, number, "cat", source="visitor", is_review=False)
        say(log, 30, "new", source="ann", is_review=True, is_kept=False)

    taken = take_labels(RetrainRequest(run=run, feedback=str(tmp_path / "log.sqlite")), run)

    assert taken.classes == {"cat": 2, "new": 2}
    assert taken.left_out == {"over-share": 8, "not kept": 1}
    assert taken.folder == run / "feedback-1"
    reviewed, outliers = run / "feedback-1" / "test", run / "feedback-1" / "train"
    assert {path.read_bytes() for path in (reviewed / "new").iterdir()} == {image(1), image(2)}
    assert [folder.name for folder in outliers.iterdir()] == ["cat"]
    assert "left out: 8 over-share, 1 not kept" in label_words(taken)


def test_only_the_labels_that_reviewers_gave_last_may_be_held_back(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(labels, "NEWEST", 2)
    with PredictionLog.open(str(tmp_path / "log.sqlite")) as log:
        for number in range(5):
            say(log, number, "new", source="ann", is_review=True, is_kept=number != 4)

    taken = take_labels(RetrainRequest(run=run, feedback=str(tmp_path / "log.sqlite")), run)

    assert {path.read_bytes() for path in (taken.folder / "test" / "new").iterdir()} == {image(2), image(3)}
    assert {path.read_bytes() for path in (taken.folder / "train" / "new").iterdir()} == {image(0), image(1)}


def test_a_second_retraining_copies_beside_the_first(run: Path, tmp_path: Path):
    with PredictionLog.open(str(tmp_path / "log.sqlite")) as log:
        say(log, 1, "new", source="ann", is_review=True)
    request = RetrainRequest(run=run, feedback=f"sqlite:///{tmp_path}/log.sqlite")

    assert [take_labels(request, run).folder.name for _ in range(2)] == ["feedback-1", "feedback-2"]


def test_a_log_without_usable_labels_is_refused_with_what_to_do(run: Path, tmp_path: Path):
    request = RetrainRequest(run=run, feedback=str(tmp_path / "log.sqlite"))
    with PredictionLog.open(str(tmp_path / "log.sqlite")) as log:
        with pytest.raises(DataError, match=r"no image with a confirmed label \(0 with feedback\)"):
            take_labels(request, run)
        say(log, 1, "new", source="ann", is_review=True, is_kept=False)

    with pytest.raises(DataError, match="keeps none of the images") as caught:
        take_labels(request, run)
    assert "--keep-images" in caught.value.remedy
    assert not (run / "feedback-1").exists()


def test_a_data_set_is_no_log(run: Path, tmp_path: Path):
    (tmp_path / "labels.csv").write_text("path,label\n")

    assert take_labels(RetrainRequest(run=run, feedback=str(tmp_path / "labels.csv")), run) is None
