"""Benchmark: every model by every engine that agrees, timed in turn; figures for people and programs."""

import json
import os
from pathlib import Path

import pytest
from tests.draw import class_folders
from tests.model_file.tiny import tiny_metadata, tiny_model, tiny_network, with_provenance

import vidi as package
from vidi.errors import DataError, MissingPackageError, ModelError, UnknownNameError
from vidi.images.framing import Framing
from vidi.model_file.write import write_model
from vidi.prediction import engines
from vidi.workflows import benchmark as story
from vidi.workflows.benchmark import COUNT, drawn_images, given_images
from vidi.workflows.requests.model_file import BenchmarkRequest


def request_for(*models: Path, **options: object) -> BenchmarkRequest:
    given = {"seconds": 0.1, "engines": ("onnxruntime",), **options}
    return BenchmarkRequest(models=tuple(map(str, models)), **given)


def lighter_of(parent: package.Predictor, folder: Path, *, derived_from: str = "") -> Path:
    """What `vidi export --to int8` leaves: a model of other weights that names its parent."""
    folder.mkdir(parents=True)
    metadata = with_provenance(tiny_metadata(), derived_from=derived_from or parent.metadata.weights_digest)
    write_model(folder / "model.onnx", tiny_network(seed=7), metadata)
    (folder / "export.json").write_text("{}")
    return folder / "model.onnx"


def test_every_model_is_timed_on_one_thread_and_on_one_per_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(story, "core_count", lambda: 2)
    models = [tiny_model(tmp_path / f"{name}.onnx", seed=seed).path for seed, name in enumerate("ab")]
    told: list[tuple[int, int]] = []

    done = story.benchmark(request_for(*models), progress=lambda *turn: told.append(turn))

    document = json.loads(json.dumps(done.as_json(), allow_nan=False))
    assert list(document["models"]) == ["a", "b"]
    assert document["models"]["a"]["bytes"] == os.path.getsize(models[0])
    for one in document["measured"]:
        assert [speed["threads"] for speed in one["speeds"]] == [1, 2]
        for speed in one["speeds"]:
            assert 0 < speed["share_of_decoding"] <= 1
            assert speed["images_per_second"].keys() == {"1", "8", "32"}
            assert speed["latency_seconds"]["p50"] > 0
    assert told == [(turn, told[-1][1]) for turn in range(1, told[-1][1] + 1)]
    assert [len(row) for row in done.rows()] == [len(done.rows()[0])] * 5


def test_lighter_files_of_the_model_are_found_in_folders_beside_it_and_no_others(tmp_path: Path):
    parent = package.load(tiny_model(tmp_path / "run" / "model.onnx").path)
    lighter_of(parent, tmp_path / "light")
    lighter_of(parent, tmp_path / "run" / "inside")
    lighter_of(parent, tmp_path / "strange", derived_from="0" * 64)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "export.json").write_text("{}")

    found = story.find_models([str(tmp_path / "run")])

    assert list(found) == ["run", "light"]  # the same file lies in both folders, and counts once


def test_two_models_of_one_name_are_told_apart_by_their_paths(tmp_path: Path):
    paths = [tiny_model(tmp_path / side / "a.onnx", seed=seed).path for seed, side in enumerate("xy")]

    assert list(story.find_models([str(path) for path in paths])) == [str(path) for path in paths]


class Wrong:
    """An engine that answers otherwise."""

    name = "openvino"

    def __init__(self, model):
        self.inner = engines.open_onnxruntime(model)

    def run(self, images, outputs):
        return [values + 0.1 for values in self.inner.run(images, outputs)]


def test_an_engine_that_answers_otherwise_is_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    both = {"onnxruntime": engines.open_onnxruntime, "openvino": Wrong}
    for module in (engines, story):
        monkeypatch.setattr(module, "ENGINES", both)
        monkeypatch.setattr(module, "is_installed", lambda _: True)
    model = tiny_model(tmp_path / "a.onnx").path

    done = story.benchmark(request_for(model, engines=None))

    assert [one.engine for one in done.measured] == ["onnxruntime"]
    assert "a by openvino is left out" in "\n".join(done.sentences())
    assert list(done.as_json()["refused"]) == ["a by openvino"]
    with pytest.raises(ModelError, match="answers otherwise"):
        story.benchmark(request_for(model, engines=("openvino",)))


def test_an_engine_that_is_unknown_or_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = tiny_model(tmp_path / "a.onnx").path
    with pytest.raises(UnknownNameError, match="'onyx'"):
        story.benchmark(request_for(model, engines=("onyx",)))
    monkeypatch.setattr(engines, "is_installed", lambda _: False)
    with pytest.raises(MissingPackageError, match="openvino"):
        story.benchmark(request_for(model, engines=("openvino",)))


def test_images_of_the_user_are_spread_over_all_of_them_and_drawn_ones_fit_the_model(tmp_path: Path):
    folder = class_folders(tmp_path / "images", each=30)
    given = given_images(str(folder))
    assert len(given.contents) == COUNT
    assert len({Path(path).parent for path in given.contents}) > 1

    framed = drawn_images((20, 12)).framed(Framing(size=(20, 12)))
    assert framed.shape == (COUNT, 20, 12, 3)

    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match="can be read"):
        given_images(str(tmp_path / "empty"))
    with pytest.raises(DataError, match="no image was found"):
        given_images(str(tmp_path / "nowhere"))


@pytest.mark.slow  # two seconds of measuring
def test_the_python_function_takes_one_model_or_several(tmp_path: Path):
    models = [tiny_model(tmp_path / f"{name}.onnx", seed=seed).path for seed, name in enumerate("ab")]
    options = {"engines": ["onnxruntime"], "seconds": 1}

    assert [one.model for one in package.benchmark(models[0], **options).measured] == ["a"]
    assert [one.model for one in package.benchmark(list(map(str, models)), **options).measured] == ["a", "b"]
