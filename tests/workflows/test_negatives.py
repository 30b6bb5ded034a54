"""Negatives: never learned as a class, half of them tell what is unknown, the others are the test of it."""

import json

import numpy as np
import pytest
from tests.draw import class_folders, draw, encoded
from tests.threads import one_thread  # noqa: F401  # a fixture for all tests here
from tests.workflows.heard import Heard

from vidi.evaluation.answers import Answers
from vidi.model_file.limits import VerdictLimits
from vidi.prediction.predictor import Predictor
from vidi.workflows.check import check
from vidi.workflows.requests.data import CheckRequest, DataRequest
from vidi.workflows.run.answers import (
    describe_negatives,
    frame_negatives,
    split_negatives,
)
from vidi.workflows.run.prepare import split_images
from vidi.workflows.run.read import find_images
from vidi.workflows.train import TrainRequest, train

pytestmark = pytest.mark.usefixtures("undrawn")


def with_counter_examples(root, *, each=12, strange=16):
    class_folders(root, each=each, size=(16, 16))
    for number in range(strange):
        folder = root / "_unknown" / ("squares" if number % 2 else ".")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:02}.png").write_bytes(encoded(draw("square", size=(16, 16), seed=number)))
    return root


def prepared_from(root, tmp_path, **parts):
    request = DataRequest(source=str(root), parts=parts)
    return prepared_by(request, tmp_path)


def prepared_by(request, tmp_path):
    return split_images(find_images(request), tmp_path, image_size=(16, 16))


def test_about_half_teach_and_the_others_test_and_later_ones_move_none(tmp_path):
    root = with_counter_examples(tmp_path / "data")
    before = split_negatives(prepared_from(root, tmp_path))
    (root / "_unknown" / "later.png").write_bytes(encoded(draw("noise", seed=77)))

    after = split_negatives(prepared_from(root, tmp_path))

    assert len(before.to_learn) + len(before.to_test) == 16
    assert min(len(before.to_learn), len(before.to_test)) >= 3
    assert set(before.to_learn) <= set(after.to_learn)
    assert set(before.to_test) <= set(after.to_test)


@pytest.mark.slow  # checks several data sets
def test_copies_and_broken_files_are_counted_and_not_used(tmp_path):
    root = with_counter_examples(tmp_path / "data", strange=4)
    (root / "_unknown" / "copy.png").write_bytes((root / "disc" / "003.png").read_bytes())
    (root / "_unknown" / "again.png").write_bytes((root / "_unknown" / "00.png").read_bytes())

    assigned = split_negatives(prepared_from(root, tmp_path))

    assert (len(assigned.to_learn) + len(assigned.to_test), assigned.unusable) == (4, 2)


@pytest.mark.slow  # checks several data sets
def test_what_lies_in_a_part_of_the_users_split_goes_with_it(tmp_path):
    for part in ("train", "test"):
        with_counter_examples(tmp_path / "data" / part, each=8, strange=4)
        for path in (tmp_path / "data" / part).rglob("*.png"):
            path.write_bytes(path.read_bytes() + part.encode())  # other files, the same pixels

    request = DataRequest(source=str(tmp_path / "data"), allow_leaks=True)
    assigned = split_negatives(prepared_by(request, tmp_path))

    assert {path.split("/")[0] for path in assigned.to_learn} == {"train"}
    assert {path.split("/")[0] for path in assigned.to_test} == {"test"}


@pytest.mark.slow  # checks several data sets
def test_folders_inside_say_what_is_of_one_kind(tmp_path):
    prepared = prepared_from(with_counter_examples(tmp_path / "data", strange=4), tmp_path)

    pixels, kinds = frame_negatives(prepared, prepared.dataset.negatives)

    assert pixels.shape == (4, 16, 16, 3)
    assert sorted(kinds.tolist()) == [0, 0, 1, 1]


@pytest.mark.slow  # writes a page
def test_the_check_shows_them(tmp_path):
    checked = check(CheckRequest(data=DataRequest(source=str(with_counter_examples(tmp_path / "data", strange=3)))))

    (finding,) = [finding for finding in checked.findings if finding.kind == "negatives"]
    assert finding.sentence.startswith("3 negatives")
    assert len(finding.paths) == 3


def test_the_share_called_unknown_is_said_with_its_interval():
    limits = VerdictLimits(basis="calibration", image_count=100, max_error=0.05, level=0.95, coverage=0.95, novelty=1.0)
    answers = Answers(
        classes=("cat", "dog"),
        paths=("a", "b", "c"),
        truths=("_unknown", "_unknown", "cat"),
        probabilities=np.full((3, 2), 0.5),
        parts=("test",) * 3,
        digests=("",) * 3,
        groups=("",) * 3,
        near_duplicates=(False,) * 3,
        novelty=np.array([2.0, 0.5, 3.0]),
    )

    (said,) = describe_negatives(answers, limits)

    assert said.startswith("negatives: 50 % of 2 in the test are called unknown")
    assert describe_negatives(answers.only(np.array([False, False, True])), limits) == ()


@pytest.mark.slow  # trains, with five more trainings for calibration
def test_a_run_uses_them_and_reports_on_those_kept_for_the_test(tmp_path):
    heard = Heard()
    root = with_counter_examples(tmp_path / "data", each=40)
    request = TrainRequest(
        data=DataRequest(source=str(root)),
        network="compact",
        output=tmp_path / "run",
        changes={"epochs": 4, "options.width": 0.25, "augmentation.flip": "none"},
    )

    train(request, events=heard.events)

    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    tested = metrics["foreign"]["classes"]["_unknown"]
    assert Predictor.load(tmp_path / "run").classes == ("disc", "stripes")
    assert metrics["foreign"]["called_unknown"]["n"] == tested
    assert metrics["test"]["images"] == 16
    assert any(f"{16 - tested:,} to train on, {tested:,} to test on" in sentence for sentence in heard.sentences)
    assert "show none of the model's classes" in (tmp_path / "run" / "report.html").read_text().replace("&#39;", "'")
