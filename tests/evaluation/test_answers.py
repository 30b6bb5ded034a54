"""One model asked about labelled images: a table of answers, and the reason for every image without one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import vidi.evaluation.answers as answers_module
from tests.draw import class_folders
from tests.model_file.tiny import tiny_model
from vidi.data.dataset import Dataset
from vidi.data.read import read_dataset
from vidi.evaluation.answers import CHANGED, TEST, Want, answer, answer_alike
from vidi.images.framing import Framing
from vidi.prediction.predictor import Predictor

KINDS = ("disc", "stripes", "square")


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(tiny_model(tmp_path_factory.mktemp("model") / "m.onnx", framing=Framing(size=(16, 16))).path)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Three images of each class of the model."""
    root = class_folders(tmp_path / "data", kinds=KINDS, each=3)
    for number, kind in enumerate(KINDS):
        (root / kind).rename(root / f"class {number}")
    return read_dataset(str(root))


def test_each_image_that_is_asked_about_has_a_row_or_a_reason(predictor: Predictor, dataset: Dataset):
    broken, left = dataset.images[2], 5
    (Path(dataset.source) / broken.path).write_bytes(b"no image")

    def leave_out(row: int, _digest: str) -> tuple[str, str] | None:
        return CHANGED if row == left else None

    parts = dict.fromkeys(range(1, 9), TEST)
    answers = answer(predictor, dataset, parts, Want(leave_out=leave_out, looks_at=(4,)))

    assert answers.rows.tolist() == [1, 3, 4, 6, 7, 8]
    assert [entry.path for entry in answers.lost] == [broken.path, dataset.images[left].path]
    assert answers.lost[1].code == CHANGED[0]
    assert answers.labels.tolist() == [0, 1, 1, 2, 2, 2]
    assert list(answers.looks) == [4]
    assert answers.traits is None


def test_the_table_holds_what_the_model_says_of_each_file_alone(predictor: Predictor, dataset: Dataset):
    answers = answer(predictor, dataset, {8: TEST, 0: "extra"}, Want(traits=True))

    for number, row in enumerate((8, 0)):
        (alone,) = predictor.predict_files([dataset.images[row].path], store=dataset.store)
        assert alone.prediction is not None
        assert np.array_equal(answers.probabilities[number], alone.prediction.probabilities)
        assert answers.digests[number] == alone.digest
    assert answers.parts == (TEST, "extra")
    assert answers.traits is not None
    assert [one.source for one in answers.traits] == ["", ""]  # folders are named after the classes


def test_what_one_model_does_not_answer_no_other_is_asked(predictor: Predictor, dataset: Dataset):
    parts = dict.fromkeys(range(9), TEST)
    without_first = Want(leave_out=lambda row, _: CHANGED if row == 0 else None)
    without_last = Want(leave_out=lambda row, _: CHANGED if row == 8 else None)

    first, second = answer_alike((predictor, predictor), dataset, parts, (without_first, without_last))

    assert first.rows.tolist() == second.rows.tolist() == list(range(1, 8))
    assert [entry.path for entry in second.lost] == [dataset.images[8].path]


def test_rows_that_are_chosen_keep_their_columns_together(predictor: Predictor, dataset: Dataset):
    answers = answer(predictor, dataset, dict.fromkeys(range(9), TEST), Want(traits=True))

    some = answers.only(answers.labels == 1)

    assert some.rows.tolist() == [3, 4, 5]
    assert some.paths == tuple(dataset.images[row].path for row in (3, 4, 5))
    assert np.array_equal(some.probabilities, answers.probabilities[3:6])
    both = some.followed_by(replace(answers.only(answers.labels == 2), traits=None))
    assert both.labels.tolist() == [1, 1, 1, 2, 2, 2]
    assert both.traits is None


def test_of_very_many_images_some_are_looked_at_evenly(
    predictor: Predictor, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(answers_module, "MOST_SEEN", 2)

    answers = answer(predictor, dataset, dict.fromkeys(range(9), TEST), Want(looks=True))

    assert list(answers.looks) == [0, 4, 8]
    assert all(one.statistics is not None for one in answers.looks.values())


def test_images_of_one_group_are_counted_together_and_others_alone(predictor: Predictor, dataset: Dataset):
    answers = replace(answer(predictor, dataset, dict.fromkeys(range(4), TEST), Want()), groups=("a", "", "", "a"))

    assert answers.group_numbers.tolist() == [0, 1, 2, 0]
