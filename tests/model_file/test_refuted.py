"""Guarantees that a model's own test refutes are marked in its file, and said before its answers."""

from dataclasses import replace

import pytest

from tests.model_file.tiny import tiny_metadata, tiny_model
from vidi.errors import ModelError
from vidi.model_file.limits import Refuted
from vidi.model_file.schema import metadata_from_text, metadata_to_text
from vidi.model_file.values import read_part
from vidi.model_file.write import set_metadata
from vidi.prediction.prediction import model_as_json
from vidi.prediction.words import warning_about
from vidi.workflows.inspect import describe_model, inspect_model

REFUTED = Refuted(sure=True, candidates=True, classes=("class 1",))


def test_the_mark_is_optional_in_the_metadata():
    marked = replace(tiny_metadata(), refuted=REFUTED)

    assert metadata_from_text(metadata_to_text(marked)) == marked
    assert '"refuted"' not in metadata_to_text(tiny_metadata())


@pytest.mark.parametrize("entry", [{}, {"sure": 1, "candidates": False, "classes": []}, {"sure": True, "classes": []}])
def test_a_damaged_mark_is_refused(entry):
    with pytest.raises(ModelError):
        read_part(Refuted, entry)


def test_before_its_answers_and_in_its_description_a_model_says_what_is_refuted(tmp_path):
    model = tiny_model(tmp_path / "model.onnx")
    assert warning_about(model) is None

    marked = set_metadata(model.path, replace(model.metadata, refuted=REFUTED))

    assert warning_about(marked) == (
        "warning: its own test refutes what “sure” and the candidates guarantee and what is guaranteed for class 1; "
        "do not rely on it (see its report)"
    )
    assert model_as_json(marked)["refuted"] == {"sure": True, "candidates": True, "classes": ["class 1"]}
    assert "refuted     what “sure” and the candidates guarantee" in describe_model(*inspect_model(marked.path))
