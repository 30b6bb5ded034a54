"""Golden vectors hold the file's final answers, and any host can tell whether its own are these."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.model_file.tiny import recalibrate, tiny_metadata, tiny_model, tiny_network
from vidi.errors import ModelError
from vidi.metrics.novelty import fit_novelty
from vidi.model_file.golden import SIZES, Replay, draw_golden_image, replay_golden
from vidi.model_file.limits import ClassPoint, OperatingPoints, VerdictLimits
from vidi.model_file.metadata import Calibration, GoldenTolerance, GoldenVector, ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.model_file.schema import metadata_from_json, metadata_to_json
from vidi.model_file.values import as_plain, read_part
from vidi.model_file.write import write_model
from vidi.prediction.prediction import decide


def limits(**changes: object) -> VerdictLimits:
    usual = VerdictLimits(basis="calibration", image_count=40, max_error=0.05, level=0.95, coverage=0.9)
    return replace(usual, **changes)


def written(path: Path, metadata: ModelMetadata) -> ModelFile:
    """A file that measures novelty, too."""
    score = fit_novelty(np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32), np.arange(30) % 3)
    return write_model(path, tiny_network(), metadata, novelty=score)


def replayed(model: ModelFile, metadata: ModelMetadata | None = None) -> Replay:
    return replay_golden(onnxruntime.InferenceSession(model.data), metadata or model.metadata)


def judged(path: Path, *, novelty: float = 1e9) -> ModelFile:
    """A file whose limits lie far from its answers about the drawn images: some are sure, some are not."""
    bare = written(path, tiny_metadata())
    tops = sorted(max(vector.probabilities) for vector in bare.metadata.golden)
    metadata = replace(tiny_metadata(), verdict=limits(sure=(tops[0] + tops[-1]) / 2, candidate=0.01, novelty=novelty))
    return written(path, metadata)


def test_the_vectors_hold_what_the_file_answers_at_last(tmp_path: Path):
    model = judged(tmp_path / "model.onnx")
    after = recalibrate(model.path, Calibration(scale=(0.5,), shift=(0.3, 0.0, -0.3), image_count=9))
    session = onnxruntime.InferenceSession(after.data)

    for size, vector in zip(SIZES, after.metadata.golden, strict=True):
        row, novelty = session.run(["probabilities", "novelty"], {"images": draw_golden_image(size)[None]})
        answer = decide(row[0], after.metadata, novelty=float(novelty[0]))
        np.testing.assert_allclose(vector.probabilities, answer.probabilities, rtol=1e-6)
        assert vector.novelty == pytest.approx(answer.novelty, rel=1e-6)
        assert vector.verdict == answer.verdict
        assert tuple(after.metadata.classes[index] for index in vector.candidates) == answer.candidates
    assert [one.probabilities for one in after.metadata.golden] != [one.probabilities for one in model.metadata.golden]
    assert replayed(after).passed


def test_all_three_verdicts_are_told(tmp_path: Path):
    model = judged(tmp_path / "model.onnx")
    strange = judged(tmp_path / "strange.onnx", novelty=0.0)

    assert {vector.verdict for vector in model.metadata.golden} == {"sure", "unsure"}
    assert {vector.verdict for vector in strange.metadata.golden} == {"unknown"}


def test_what_lies_on_a_limit_is_left_to_each_host(tmp_path: Path):
    bare = written(tmp_path / "model.onnx", tiny_metadata())
    first = bare.metadata.golden[0]
    top, second = sorted(first.probabilities)[:-3:-1]

    on_sure = written(bare.path, replace(tiny_metadata(), verdict=limits(sure=top + 5e-5)))
    on_novelty = written(bare.path, replace(tiny_metadata(), verdict=limits(novelty=first.novelty)))
    on_candidate = written(bare.path, replace(tiny_metadata(), verdict=limits(candidate=second - 5e-5)))

    assert [one.metadata.golden[0].verdict for one in (on_sure, on_novelty)] == [None, None]
    assert on_candidate.metadata.golden[0].candidates is None
    assert on_candidate.metadata.golden[0].verdict == "unsure"
    assert all(replayed(one).passed for one in (on_sure, on_novelty, on_candidate))


def test_several_labels_or_none_are_candidates_too(tmp_path: Path):
    counts = {"bound": None, "image_count": 5, "found": 5, "other_count": 5, "alarms": 0}
    points = OperatingPoints(
        measure="f1",
        share=None,
        level=0.95,
        basis="calibration",
        image_count=10,
        points=tuple(
            ClassPoint(name=f"class {index}", threshold=threshold, is_promised=False, **counts)
            for index, threshold in enumerate((0.0, 1.0, 1.0))
        ),
    )
    metadata = replace(
        tiny_metadata(),
        multi_label=True,
        operating_points=points,
        verdict=limits(ranking="all-classes"),
        calibration=Calibration(scale=(0.01,)),
    )

    model = write_model(tmp_path / "model.onnx", tiny_network(), metadata)

    assert [vector.candidates for vector in model.metadata.golden] == [(0,)] * 4
    assert replayed(model).passed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verdict": "unknown"}, "golden vector 1: the verdict is "),
        ({"candidates": ()}, r"golden vector 1: the candidates are \[0.*, not \[\]"),
        ({"novelty": 1e6}, r"of a novelty 1\.0e\+00 \(allowed: 1e-03\)"),
        ({"probabilities": (0.2, 0.3, 0.5)}, r"largest difference of a probability \d\.\de-01 \(allowed: 1e-04\)"),
    ],
)
def test_every_part_of_an_answer_that_is_another_fails(tmp_path: Path, change: dict[str, object], said: str):
    model = judged(tmp_path / "model.onnx")
    first, *others = model.metadata.golden

    outcome = replayed(model, replace(model.metadata, golden=(replace(first, **change), *others)))

    assert not outcome.passed
    assert re.search(said, outcome.sentence())


def test_a_file_may_allow_its_hosts_more(tmp_path: Path):
    model = written(tmp_path / "model.onnx", tiny_metadata())
    moved = tuple(replace(one, novelty=1.02 * one.novelty) for one in model.metadata.golden)
    wide = GoldenTolerance(probability=0.02, novelty=0.05)

    narrow = replayed(model, replace(model.metadata, golden=moved))
    allowed = replayed(model, replace(model.metadata, golden=moved, golden_tolerance=wide))

    assert (narrow.passed, allowed.passed) == (False, True)
    assert allowed.novelty_difference == pytest.approx(0.02 / 1.02, rel=0.01)
    assert "(allowed: 2e-02)" in allowed.sentence()
    with pytest.raises(ModelError, match="tolerance is 0"):
        GoldenTolerance(probability=0)


def test_the_own_tolerance_comes_back_from_the_file(tmp_path: Path):
    tolerance = GoldenTolerance(probability=0.02, novelty=0.1)

    model = write_model(tmp_path / "m.onnx", tiny_network(), replace(tiny_metadata(), golden_tolerance=tolerance))

    assert model.metadata.golden_tolerance == tolerance


def test_files_of_an_older_vidi_are_compared_by_what_they_hold(tmp_path: Path):
    model = judged(tmp_path / "model.onnx")
    document = dict(metadata_to_json(model.metadata))
    del document["golden_tolerance"]
    document["golden"] = [
        {name: vector[name] for name in ("image", "size", "probabilities")} for vector in document["golden"]
    ]

    older = metadata_from_json(document)

    assert older.golden_tolerance == GoldenTolerance()
    assert {(one.novelty, one.verdict, one.candidates) for one in older.golden} == {(None, None, None)}
    outcome = replayed(model, older)
    assert (outcome.passed, outcome.novelty_difference) == (True, None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verdict": "certain"}, "verdict should be sure, unsure or unknown"),
        ({"candidates": [0, 3]}, "golden candidates should be indexes of classes"),
        ({"candidates": [True]}, "candidates should be a list of whole numbers"),
        ({"novelty": "much"}, "novelty should be a finite number"),
    ],
)
def test_damaged_vectors_are_named(tmp_path: Path, changes: dict[str, object], said: str):
    plain = as_plain(tiny_model(tmp_path / "model.onnx").metadata.golden[0])

    with pytest.raises(ModelError, match=said):
        read_part(GoldenVector, plain | changes)


def test_a_file_without_novelty_does_not_fit_vectors_with_it(tmp_path: Path):
    plain, measured = tiny_model(tmp_path / "plain.onnx"), written(tmp_path / "model.onnx", tiny_metadata())

    with pytest.raises(ModelError, match="does not fit the model's outputs"):
        replayed(plain, measured.metadata)
