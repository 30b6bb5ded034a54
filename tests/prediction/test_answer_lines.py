"""Answers as lines: nothing is lost on the way, and foreign lines are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.draw import class_folders
from tests.model_file.tiny import tiny_model
from vidi.distributed.predict import decode_answers, encode_answers
from vidi.errors import ModelError
from vidi.prediction.prediction import Answer
from vidi.prediction.predictor import Predictor


def same(one: Answer, other: Answer) -> bool:
    if one.error is not None or other.error is not None:
        return one.error is not None and other.error is not None and one.error.args == other.error.args
    ours, theirs = one.prediction, other.prediction
    assert ours is not None
    assert theirs is not None
    return (
        np.array_equal(ours.probabilities, theirs.probabilities)
        and (ours.label, ours.verdict, ours.candidates, ours.novelty, ours.decision)
        == (theirs.label, theirs.verdict, theirs.candidates, theirs.novelty, theirs.decision)
        and np.array_equal(ours.embedding, theirs.embedding)
        and one.statistics == other.statistics
    )


def test_answers_come_back_bit_for_bit(tmp_path: Path):
    root = class_folders(tmp_path / "images", each=2)
    broken = root / "broken é\udcff.jpg"
    broken.write_bytes(b"nothing")
    predictor = Predictor.load(tiny_model(tmp_path / "model.onnx").path)
    paths = [*sorted(map(str, root.rglob("*.png"))), str(broken)]
    answers = list(predictor.predict_files(paths, embedding=True, statistics=True))

    found = decode_answers(encode_answers(answers), predictor.metadata)

    assert [one.path for one in found] == [one.path for one in answers]
    assert [(one.digest, one.size, one.notes) for one in found] == [(o.digest, o.size, o.notes) for o in answers]
    assert all(same(one, other) for one, other in zip(found, answers, strict=True))
    assert found[-1].error is not None


@pytest.mark.parametrize("data", [b"{}\n", b"[1]\n", b'{"path": "a"', b"\xff\n"])
def test_lines_that_are_none_are_refused(data: bytes, tmp_path: Path):
    metadata = tiny_model(tmp_path / "model.onnx").metadata

    with pytest.raises(ModelError, match="cannot be read"):
        decode_answers(data, metadata)
    assert decode_answers(b"", replace(metadata)) == []
