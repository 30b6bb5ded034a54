"""`vidi predict --log` and `vidi log`, as they are typed."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.command import vidi
from tests.draw import draw, encoded
from tests.log.made import feedback, tiny_with_reference

from vidi.log.store import PredictionLog

IMAGES = {"a.png": encoded(draw("disc")), "b.png": encoded(draw("stripes")), "bad.png": b"no image"}
DIGESTS = {name: hashlib.sha256(data).hexdigest() for name, data in IMAGES.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_with_reference(tmp_path / "tiny.onnx")
    for name, data in IMAGES.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def rows(folder: Path, log: str = "log.sqlite"):
    with PredictionLog.open(str(folder / log), create=False) as opened:
        return [row for _, row in opened.predictions()], opened.kept_digests()


def test_predictions_of_the_command_are_in_the_log_and_its_output_is_as_without(folder: Path):
    plain = vidi("predict", "tiny.onnx", *IMAGES, "--json", folder=folder)
    done = vidi("predict", "tiny.onnx", *IMAGES, "--json", "--log", "log.sqlite", folder=folder)

    found, kept = rows(folder)
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout)
    assert "3 answers logged to log.sqlite" in done.stderr
    assert [row.digest for row in found] == [*DIGESTS.values()]
    assert [row.error for row in found] == [None, None, "not-an-image"]
    assert [row.label for row in found] == [row["label"] for row in json.loads(plain.stdout)["predictions"]]
    assert [row.source for row in found] == ["predict"] * 3
    assert found[0].embedding is not None
    assert found[0].statistics is not None
    assert kept == []


def test_answers_of_one_call_have_one_time(folder: Path):
    vidi("predict", "tiny.onnx", *IMAGES, "--log", "log.sqlite", folder=folder)

    assert len({row.at for row in rows(folder)[0]}) == 1


def test_images_are_kept_when_that_is_said(folder: Path):
    vidi("predict", "tiny.onnx", *IMAGES, "--log", "log.sqlite", "--keep-images", folder=folder)

    assert sorted(rows(folder)[1]) == sorted([DIGESTS["a.png"], DIGESTS["b.png"]])


def test_a_log_that_cannot_be_written_costs_no_answer_and_ends_with_5(folder: Path):
    PredictionLog.open(str(folder / "log.sqlite")).close()
    with closing(sqlite3.connect(folder / "log.sqlite")) as file:
        file.execute("CREATE TRIGGER no BEFORE INSERT ON vidi_predictions BEGIN SELECT RAISE(ABORT, 'no room'); END")

    done = vidi("predict", "tiny.onnx", *IMAGES, "--csv", "--log", "log.sqlite", folder=folder)

    assert done.returncode == 5
    assert len(done.stdout.splitlines()) == 4
    assert "3 answers" in done.stderr
    assert "could not be logged" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "cause"),
    [
        (["--keep-images"], 2, "without a log"),
        (["--log", "postgresql://ann:secret@db/vidi"], 2, "holds a password"),
        (["--log", "tiny.onnx"], 3, "is not a prediction log"),
        (["--log", "none/log.sqlite"], 5, "cannot be read or written"),
    ],
)
def test_a_log_that_cannot_be_opened_says_why_before_anything_is_predicted(folder: Path, words, code, cause):
    done = vidi("predict", "tiny.onnx", "a.png", *words, folder=folder)

    assert (done.returncode, done.stdout) == (code, "")
    assert cause in done.stderr
    assert "secret" not in done.stderr


def test_a_newer_log_is_refused_with_4(folder: Path):
    PredictionLog.open(str(folder / "log.sqlite")).close()
    with closing(sqlite3.connect(folder / "log.sqlite")) as file, file:
        file.execute("UPDATE vidi_meta SET value = '99'")

    assert vidi("predict", "tiny.onnx", "a.png", "--log", "log.sqlite", folder=folder).returncode == 4
    assert vidi("log", "log.sqlite", folder=folder).returncode == 4


@pytest.fixture
def filled(folder: Path) -> Path:
    vidi("predict", "tiny.onnx", *IMAGES, "--log", "log.sqlite", "--keep-images", folder=folder)
    with PredictionLog.open(str(folder / "log.sqlite")) as log:
        log.add_feedback(feedback(1, source="ann"))
    return folder


def test_what_a_log_holds_is_shown(filled: Path):
    shown = vidi("log", "log.sqlite", folder=filled).stdout
    document = json.loads(vidi("log", "log.sqlite", "--json", folder=filled).stdout)

    assert "predictions 3" in shown
    assert "2 kept" in shown
    assert "1 from 1 sources: 1 with labels" in shown
    assert (document["predictions"], document["kept_images"], document["feedback"]["label"]) == (3, 2, 1)
    assert document["models"][0]["refused"] == 1


def test_all_that_is_known_of_an_image_is_shown_and_deleted(filled: Path):
    digest = DIGESTS["a.png"]
    known = json.loads(vidi("log", "log.sqlite", digest, "--json", folder=filled).stdout)["images"][0]

    done = vidi("log", "log.sqlite", "--delete", digest, folder=filled)

    assert (len(known["predictions"]), known["kept_bytes"]) == (1, len(IMAGES["a.png"]))
    assert "deleted     1 predictions, 0 feedback, 1 images" in done.stdout
    assert "the image is not kept" in done.stdout
    assert not any(digest.encode() in path.read_bytes() for path in filled.glob("log.sqlite*"))
    assert [row.digest for row in rows(filled)[0]] == [DIGESTS["b.png"], DIGESTS["bad.png"]]


def test_images_alone_or_all_before_a_day_are_deleted(filled: Path):
    images = vidi("log", "log.sqlite", "--delete", "--images", folder=filled)
    old = vidi("log", "log.sqlite", "--delete", "--before", "2000-01-01", folder=filled)
    new = vidi("log", "log.sqlite", "--delete", "--before", "2999-01-01", folder=filled)

    assert "deleted     0 predictions, 0 feedback, 2 images" in images.stdout
    assert "deleted     0 predictions, 1 feedback, 0 images" in old.stdout  # the test's is of 1970
    assert "deleted     3 predictions, 0 feedback, 0 images" in new.stdout
    assert rows(filled) == ([], [])


@pytest.mark.parametrize(
    ("words", "code", "cause"),
    [
        (["none.sqlite"], 3, "there is no prediction log"),
        (["log.sqlite", "--delete"], 2, "--delete without what"),
        (["log.sqlite", "--images"], 2, "choose what is deleted"),
        (["log.sqlite", "--before", "2026-01-01"], 2, "choose what is deleted"),
        (["log.sqlite", "--delete", "--before", "soon"], 2, "is no day"),
        (["log.sqlite", "--delete", "abc"], 2, "is not a digest"),
        (["log.sqlite", "--delete", "0" * 64, "--before", "2026-01-01"], 2, "--before with DIGEST"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_deleted(tmp_path: Path, words, code, cause):
    PredictionLog.open(str(tmp_path / "log.sqlite")).close()

    done = vidi("log", *words, folder=tmp_path)

    assert done.returncode == code
    assert cause in done.stderr
