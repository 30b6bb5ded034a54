"""A file of every released schema version stays readable, and keeps its answers.

`schema-1.onnx` is from before the optional keys that `later-keys-1.onnx` has. A new schema adds a file here
(written with `tests/model_file/tiny.py`); none is ever rewritten or taken away.
"""

from pathlib import Path

import pytest

from vidi.model_file.metadata import GoldenTolerance
from vidi.model_file.read import read_model
from vidi.model_file.schema import SCHEMA_VERSION
from vidi.workflows.inspect import inspect_model, self_test

FILES = sorted((Path(__file__).parent / "files").glob("schema-*.onnx"))


def test_there_is_a_file_of_every_schema():
    assert [path.name for path in FILES] == [f"schema-{number}.onnx" for number in range(1, SCHEMA_VERSION + 1)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_released_file_is_read_and_answers_as_it_did(path: Path):
    model, document = inspect_model(path)

    assert model.metadata.classes == ("cat", "dog", "Köln")
    assert model.metadata.test == {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95, "n": 40}}
    assert document["metadata"]
    assert self_test(model).passed


def test_the_first_schemas_file_keeps_its_digests():
    model = read_model(FILES[0])

    assert (model.model_id, model.weights_digest()[:12]) == ("3bf2e2463558", "bdc25f854f24")


def test_the_first_schemas_file_lacks_what_came_later():
    metadata = read_model(FILES[0]).metadata

    assert (metadata.drift_reference, metadata.provenance.derived_from) == (None, None)
    assert metadata.golden_tolerance == GoldenTolerance()
    assert {(one.novelty, one.verdict, one.candidates) for one in metadata.golden} == {(None, None, None)}


def test_optional_keys_stay_readable():
    model = read_model(FILES[0].with_name("later-keys-1.onnx"))
    metadata = model.metadata

    assert metadata.drift_reference.classes == (10, 0, 20)
    assert metadata.drift_reference.images.embeddings.placed().shape == (7, 2)
    assert metadata.provenance.derived_from == "ab" * 32
    assert metadata.golden_tolerance.probability == 2e-4
    assert all(None not in (one.novelty, one.verdict, one.candidates) for one in metadata.golden)
    assert self_test(model).passed
