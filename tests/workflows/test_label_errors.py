"""Labels that are likely wrong: found by a run's own answers, listed with pictures, and left out where diagnostics."""

import contextlib
import csv
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.draw import class_folders, draw, encoded
from tests.workflows.heard import Heard

from vidi.errors import DataError, MissingPackageError, UsageError
from vidi.model_file.read import read_model
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.report import rebuild_report
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import Diagnostics, TrainRequest
from vidi.workflows.run import stages
from vidi.workflows.run.budget import Budget, skipping
from vidi.workflows.run.learning import head
from vidi.workflows.run.learning.label_errors import choose_dropped
from vidi.workflows.train import Run, resume, train

pytestmark = [
    pytest.mark.slow,  # trains, although only for seconds
    pytest.mark.usefixtures("undrawn"),
]

KINDS = ("disc", "square", "stripes")
EACH = 40
DROP = Diagnostics(drop_suspects=True)


@pytest.fixture(scope="module")
def flipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """180 drawn images, of which 9 lie in a folder that is not theirs; their names begin with `wrong`."""
    root = class_folders(tmp_path_factory.mktemp("data"), kinds=KINDS, each=EACH)
    random = np.random.default_rng(0)
    for kind in KINDS:
        for number in random.permutation(EACH)[:3]:
            other = KINDS[(KINDS.index(kind) + int(random.integers(1, 3))) % 3]
            (root / kind / f"{number:03}.png").rename(root / other / f"wrong-{kind}-{number:03}.png")
    return root


@pytest.fixture(autouse=True)
def _own_cache() -> None:
    """None: the features of the same images are computed once for all tests here."""


def run_on(data: Path, output: Path, *, events: Events = SILENCE, **others: object) -> Run:
    changes = {
        "image_size": (64, 64),
        "features": "onnxruntime",
        "freeze": True,
        "head": "multinomial",
        "head_strength": 30.0,
    }
    return train(
        TrainRequest(data=DataRequest(source=str(data)), output=output, changes=changes, pretrained="lite0", **others),
        events=events,
    )


@pytest.fixture(scope="module")
def kept(flipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that only lists them."""
    return run_on(flipped, tmp_path_factory.mktemp("kept") / "run").folder


@pytest.fixture(scope="module")
def dropped(flipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learns without them."""
    return run_on(flipped, tmp_path_factory.mktemp("dropped") / "run", diagnostics=DROP).folder


@pytest.fixture(scope="module")
def cut(flipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a run that ended before its model was written."""
    folder = tmp_path_factory.mktemp("cut") / "run"
    with before_publishing():
        run_on(flipped, folder, diagnostics=DROP)
    return folder


@pytest.fixture
def interrupted(cut: Path, tmp_path: Path) -> Path:
    """The same, for one test alone."""
    return shutil.copytree(cut, tmp_path / "cut")


@contextlib.contextmanager
def before_publishing() -> Iterator[None]:
    """Ends a training where its model would be written."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "publish_unfinished", stop)
        with pytest.raises(KeyboardInterrupt):
            yield


def listed(run: Path) -> list[dict[str, str]]:
    with (run / "label_errors.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def part_of(run: Path) -> dict[str, str]:
    with (run / "splits.csv").open(newline="") as stream:
        return {row["path"]: row["part"] for row in csv.DictReader(stream)}


def test_planted_wrong_labels_are_found(kept: Path):
    found = [row["path"] for row in listed(kept)]
    learned = [path for path, part in part_of(kept).items() if part in ("train", "validation")]
    planted = {path for path in learned if "wrong-" in path}
    assert len(planted) >= 6
    assert len(planted & set(found)) / len(found) >= 0.6
    assert len(planted & set(found)) / len(planted) >= 0.6


@pytest.mark.integration
def test_in_haste_the_labels_are_checked_and_what_is_said_to_be_skipped_is(
    flipped: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Budget, "allows", lambda *_, **__: False)
    heard = Heard()

    run = run_on(flipped, tmp_path / "run", events=heard.events, minutes=30.0)

    metrics = json.loads((run.folder / "metrics.json").read_text())
    assert [row["path"] for row in listed(run.folder)] == [row["path"] for row in listed(kept)]
    assert [one for one in heard.sentences if "skipping" in one] == [skipping("every head"), skipping("learning curve")]
    assert "learning_curve" not in metrics


def test_a_model_that_is_seldom_right_accuses_no_label_and_says_so(tmp_path: Path):
    same = class_folders(tmp_path / "photos", kinds=("disc",), each=EACH) / "disc"
    shutil.copytree(same, same.parent / "also")  # the same images under another name: nobody can tell them apart
    for path in (same.parent / "also").iterdir():
        path.write_bytes(encoded(draw("disc", seed=100 + int(path.stem))))
    heard = Heard()

    run = run_on(same.parent, tmp_path / "run", events=heard.events)

    (said,) = (one for one in heard.sentences if one.startswith("labels:"))
    assert said.startswith("labels: not checked, for only ")
    assert said.endswith(" of 64 held-out images are classified correctly")
    assert listed(run.folder) == []
    assert "too few to doubt a label" in (run.folder / "report.html").read_text().replace("\n", " ")


def test_the_list_says_what_is_given_what_it_looks_like_and_how_sure_that_is(kept: Path):
    rows = listed(kept)

    assert [row["rank"] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    beliefs = [float(row["self_confidence"]) for row in rows]
    assert beliefs == sorted(beliefs)
    planted = [row for row in rows if "wrong-" in row["path"]]
    assert all(row["label"] == row["path"].split("/")[0] for row in planted)
    right = sum(row["suggested"] == row["path"].split("wrong-")[1].split("-")[0] for row in planted)
    assert right >= 0.8 * len(planted)
    assert {row["part"] for row in rows} <= {"train", "validation"}
    assert {row["left_out"] for row in rows} == {""}
    metrics = json.loads((kept / "metrics.json").read_text())
    assert metrics["label_errors"] == {"images": 96, "listed": len(rows), "left_out": 0}


def test_the_report_shows_them_with_pictures_and_without_where_none_may_be_shown(kept: Path, tmp_path: Path):
    shutil.copytree(kept, tmp_path / "hidden")

    rebuild_report(tmp_path / "hidden", with_images=False)

    page = (kept / "report.html").read_text("utf-8")
    section = page.split('id="labels"')[1].split("</section>")[0]
    doubted = json.loads((kept / "metrics.json").read_text())["doubted_test_labels"]
    assert section.count("data:image/webp") == len(listed(kept)) + len(doubted)
    assert "looks like" in section
    without = (tmp_path / "hidden" / "report.html").read_text("utf-8")
    assert "data:image" not in without
    assert "Labels that may be wrong" in without


def test_what_is_dropped_is_of_the_train_part_and_counted_and_nothing_else_moves(kept: Path, dropped: Path):
    out = [row for row in listed(dropped) if row["left_out"] == "yes"]

    assert out
    assert {row["part"] for row in out} == {"train"}
    assert all(row["left_out"] == "yes" for row in listed(dropped) if row["part"] == "train")
    metrics = json.loads((dropped / "metrics.json").read_text())
    assert metrics["label_errors"]["left_out"] == len(out)
    assert (dropped / "splits.csv").read_text() == (kept / "splits.csv").read_text()
    before, after = read_model(kept).metadata, read_model(dropped).metadata
    assert before.weights_digest != after.weights_digest
    assert before.calibration.image_count == after.calibration.image_count == 96
    assert "left out of training" in (dropped / "report.html").read_text("utf-8")


def test_a_resumed_run_leaves_out_what_it_left_out_before(interrupted: Path, dropped: Path):
    before = listed(interrupted)

    resumed = resume(interrupted)

    assert listed(resumed.folder) == before == listed(dropped)
    assert read_model(resumed.folder).metadata.weights_digest == read_model(dropped).metadata.weights_digest


def test_ctrl_c_before_there_is_a_model_offers_to_resume_and_the_same_command_does_too(
    flipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    heard, folder = Heard(), tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(stages, "learn_by_features", stop)
        with pytest.raises(KeyboardInterrupt):
            run_on(flipped, folder, events=heard.events)

    assert heard.sentences[-1] == f"interrupted; continue: vidi train --resume {folder}"
    with pytest.raises(UsageError, match=f"Continue it: vidi train --resume {folder}"):
        run_on(flipped, folder)
    assert resume(folder).finished


def test_a_list_of_other_images_is_refused_on_resuming(interrupted: Path):
    path = interrupted / "label_errors.csv"
    path.write_text(path.read_text().replace("disc/", "gone/").replace("square/", "gone/").replace("stripes/", "gone/"))

    with pytest.raises(DataError, match=r"label_errors\.csv belongs to other data"):
        resume(interrupted)


def from_scratch(data: Path, output: Path, *, events: Events = SILENCE, **others: object) -> Run:
    changes = {"epochs": 2, "precision": "float32", "options.width": 0.25}
    request = TrainRequest(data=DataRequest(source=str(data)), output=output, changes=changes, **others)
    return train(request, events=events)


@pytest.fixture(scope="module")
def scratch(flipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return from_scratch(flipped, tmp_path_factory.mktemp("scratch") / "run").folder


@pytest.fixture(scope="module")
def scratch_dropped(flipped: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Heard]:
    heard = Heard()
    return from_scratch(
        flipped, tmp_path_factory.mktemp("scratch") / "run", events=heard.events, diagnostics=DROP
    ).folder, heard


@pytest.mark.integration
def test_a_network_from_scratch_lists_them_by_its_calibration_folds(scratch: Path):
    found = json.loads((scratch / "metrics.json").read_text())["label_errors"]
    assert found["images"] == 96
    assert found["listed"] == len(listed(scratch))


@pytest.mark.integration
def test_of_very_many_images_all_are_looked_at_only_where_it_is_asked(flipped: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(head, "MOST_IN_FOLDS", 70)

    some = run_on(flipped, tmp_path / "some").folder
    all_of_them = run_on(flipped, tmp_path / "all", diagnostics=Diagnostics(find_label_errors=True)).folder

    looked_at = [json.loads((run / "study.json").read_text())["label_errors"]["images"] for run in (some, all_of_them)]
    planted = {path for path, part in part_of(all_of_them).items() if "wrong-" in path and part != "test"}
    found = {row["path"] for row in listed(all_of_them)}
    assert looked_at[0] < 40
    assert looked_at[1] == 96
    assert len(planted & found) / len(planted) >= 0.6


def test_without_being_asked_a_network_from_scratch_has_no_learning_curve(scratch: Path):
    metrics = json.loads((scratch / "metrics.json").read_text())

    assert "learning_curve" not in metrics


@pytest.mark.integration
def test_a_network_from_scratch_drops_them_by_the_features_of_a_pretrained_one(scratch_dropped: tuple[Path, Heard]):
    folder, heard = scratch_dropped

    out = [row for row in listed(folder) if row["left_out"] == "yes"]
    assert out
    assert any("computing features with lite0" in sentence for sentence in heard.sentences)
    assert f"{len(out)} left out of training" in " ".join(heard.sentences)
    assert read_model(folder).metadata.provenance.network == "compact"


@pytest.mark.integration
def test_a_network_from_scratch_is_resumed_without_what_it_left_out(
    flipped: Path, scratch_dropped: tuple[Path, Heard], tmp_path: Path
):
    whole, _ = scratch_dropped
    with before_publishing():
        from_scratch(flipped, tmp_path / "cut", diagnostics=DROP)
    before = listed(tmp_path / "cut")
    assert any(row["left_out"] for row in before)

    resumed = resume(tmp_path / "cut")

    assert listed(resumed.folder) == before == listed(whole)
    assert read_model(resumed.folder).metadata.weights_digest == read_model(whole).metadata.weights_digest
    assert read_model(whole).metadata.calibration.image_count == 96  # what is left out is calibrated on


def test_of_a_class_never_more_than_half_is_dropped():
    strata, train = np.repeat([0, 1], 20), np.arange(40)[np.arange(40) % 4 > 0]
    suspects = np.random.default_rng(0).permutation(20).tolist()  # every image of the first class, two of the second
    suspects += [21, 20]

    dropped = choose_dropped(suspects, strata, train=train)

    in_train = [row for row in suspects if row in set(train.tolist())]
    assert dropped.tolist() == [*sorted(in_train[: 15 // 2]), 21]


@pytest.mark.integration
def test_without_the_package_a_run_says_so_and_goes_on(flipped: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)

    run = run_on(flipped, tmp_path / "run")

    assert run.finished
    assert not (run.folder / "label_errors.csv").exists()
    with pytest.raises(MissingPackageError, match="cleanlab"):
        run_on(flipped, tmp_path / "other", diagnostics=DROP)
