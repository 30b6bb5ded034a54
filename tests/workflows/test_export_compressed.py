"""`vidi export --to int8 | fp16`: calibrated again, held to its parent on test images, refused where it is worse."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.draw import class_folders
from tests.export.test_precisions import wide_network
from tests.model_file.tiny import tiny_metadata, with_provenance

from vidi.data.splitting.split_plan import Assignment, write_assignments
from vidi.errors import GateError, ModelError, UsageError
from vidi.export.precisions import to_fp16
from vidi.files import digest_of
from vidi.images.framing import Framing
from vidi.metrics.paired import PairedComparison, compare_paired
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.write import finished_bytes, set_metadata, write_model
from vidi.prediction.predictor import Predictor
from vidi.workflows.calibrate import calibrate
from vidi.workflows.export import export
from vidi.workflows.exporting import fewer_bits, judged
from vidi.workflows.exporting.images import find_images
from vidi.workflows.exporting.judged import Agreement
from vidi.workflows.interaction.run_folder import write_request
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.model_file import CalibrateRequest, ExportRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run.start import read_start

KINDS = ("disc", "stripes", "square")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty images of each class, under the model's names."""
    root = class_folders(tmp_path_factory.mktemp("data") / "data", kinds=KINDS, each=60)
    for number, kind in enumerate(KINDS):
        (root / kind).rename(root / f"class {number}")
    return root


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    folder = tmp_path_factory.mktemp("model")
    metadata = with_provenance(tiny_metadata(framing=Framing(size=(16, 16), mode="stretch")), run="wide")
    bare = write_model(folder / "bare.onnx", wide_network(), metadata)
    calibrate(CalibrateRequest(model=bare.path, data=DataRequest(source=str(data)), output=folder / "model.onnx"))
    made = read_model(folder / "model.onnx")
    return set_metadata(made.path, with_provenance(made.metadata, learned_from=None))  # so that the images may test it


def request(model: ModelFile, data: Path | None, output: Path, **more: object) -> ExportRequest:
    given = ExportRequest(model=model.path, to="int8", output=output, data=None if data is None else str(data))
    return replace(given, **more)  # type: ignore[arg-type]


@pytest.mark.slow  # three passes over images, and a process of its own that replays the golden vectors
def test_a_lighter_file_is_calibrated_again_names_its_parent_and_answers(model: ModelFile, data: Path, tmp_path: Path):
    done = export(request(model, data, tmp_path / "int8", max_drop=100.0))

    made = read_model(tmp_path / "int8" / "model.onnx")
    assert made.metadata.provenance.derived_from == model.metadata.weights_digest
    assert made.metadata.verdict is not None
    assert made.metadata.verdict.image_count == 90  # half of the images; the other half tests
    assert made.metadata.test is not None
    assert made.metadata.test["images"] == 90
    assert "DequantizeLinear" in made.contents.operators
    assert done.lighter is not None
    figures = json.loads((tmp_path / "int8" / "export.json").read_text())
    assert figures["accuracy"]["images"] == 90
    assert figures["fused_and_unfused"]["other_labels"] <= 0.02
    assert {"comparison", "evaluation", "export.md"} <= {path.name for path in (tmp_path / "int8").iterdir()}
    assert not (tmp_path / "int8" / "work").exists()
    kept = str(tmp_path / "int8" / "model.onnx")
    assert json.loads((tmp_path / "int8" / "comparison" / "compare.json").read_text())["models"]["B"]["path"] == kept
    assert json.loads((tmp_path / "int8" / "evaluation" / "evaluation.json").read_text())["model"] == kept
    predictions = list(Predictor.load(tmp_path / "int8").predict_files([next(data.rglob("*.png"))]))
    assert predictions[0].prediction is not None


@pytest.mark.integration  # as above
def test_a_run_without_calibration_images_keeps_its_calibration_and_counts_the_use_of_its_test(
    model: ModelFile, data: Path, tmp_path: Path
):
    run = run_of(model, data, tmp_path / "run", parts=("train", "validation", "test"))

    done = export(ExportRequest(model=run, to="fp16", output=tmp_path / "fp16", max_drop=100.0))

    made = read_model(tmp_path / "fp16")
    assert done.lighter is not None
    assert done.lighter.calibrated_on == 0
    assert (made.metadata.calibration, made.metadata.verdict) == (model.metadata.calibration, model.metadata.verdict)
    assert made.metadata.test is not None
    assert made.metadata.test["images"] == 60
    uses = [json.loads(line)["model"] for line in (run / "test-uses.jsonl").read_text().splitlines()]
    assert {model.model_id, made.model_id} <= set(uses)


def run_of(model: ModelFile, data: Path, folder: Path, *, parts: tuple[str, ...]) -> Path:
    """A run folder of the model: of each class equally many images in each part."""
    folder.mkdir()
    (folder / "model.onnx").write_bytes(model.data)
    write_request(folder, TrainRequest(data=DataRequest(source=str(data))).as_dict())
    rows = []
    for kind in sorted(data.iterdir()):
        for number, path in enumerate(sorted(kind.iterdir())):
            place, part = path.relative_to(data).as_posix(), parts[number % len(parts)]
            rows.append(Assignment(digest=digest_of(path.read_bytes()), path=place, group="", part=part, rule="drawn"))
    write_assignments(folder / "splits.csv", rows)
    return folder


@pytest.mark.parametrize(
    ("more", "cause"), [({"to": "web"}, "--data is not used"), ({"max_drop": float("nan")}, "--max-drop is nan")]
)
def test_options_that_mean_nothing_are_refused(model: ModelFile, data: Path, tmp_path: Path, more: dict, cause: str):
    with pytest.raises(UsageError, match=cause):
        export(request(model, data, tmp_path / "out", **more))
    assert not (tmp_path / "out").exists()


def test_half_of_other_images_test_and_no_image_does_both(model: ModelFile, data: Path):
    found = find_images(Predictor.load(model.path), str(data))

    assert Counter(row.part for row in found.assigned) == {"calibration": 90, "test": 90}
    assert len({row.digest for row in found.assigned}) == 180
    assert len(found.of("test").images) == 90


@pytest.mark.integration  # as above
def test_a_file_that_loses_more_than_is_allowed_is_not_written(
    model: ModelFile, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def corrupt(graph: onnx.ModelProto, _: object) -> onnx.ModelProto:
        for tensor in graph.graph.initializer:
            if tensor.name == "head.weight":
                values = np.zeros_like(onnx.numpy_helper.to_array(tensor))
                tensor.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
        return graph

    monkeypatch.setitem(fewer_bits.WRITERS, "fp16", corrupt)  # type: ignore[misc, arg-type]

    monkeypatch.setattr(judged, "CHANCE", 1.0)  # the model is about as good as chance itself

    with pytest.raises(GateError, match=r"more of 90 test images wrong than its parent, .* points"):
        export(request(model, data, tmp_path / "out", to="fp16", max_drop=0.0))
    assert not (tmp_path / "out").exists()


def counts_of(images: int, *, lost: int, won: int = 0) -> PairedComparison:
    parent, made = np.ones(images, np.bool_), np.ones(images, np.bool_)
    parent[:won], made[images - lost :] = False, False
    found = compare_paired(parent, made)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("counts", "cause"),
    [
        (counts_of(90, lost=1), None),  # 1.1 points
        (counts_of(40, lost=1), None),
        (counts_of(10_000, lost=70, won=30), None),  # 0.4 points, beyond chance
        (counts_of(10_000, lost=100, won=30), r"0\.7 points, which is more than chance \(allowed: 0\.5\)"),
        (counts_of(90, lost=5), r"5 more of 90 test images"),
        (counts_of(40, lost=2), r"with 40 test images a loss of up to 16\.5 points could go unnoticed"),
    ],
)
def test_a_loss_within_chance_is_no_reason_and_one_that_may_be_large_is(counts: PairedComparison, cause: str | None):
    if cause is None:
        judged.require_as_good(counts, max_drop=0.5)
    else:
        with pytest.raises(GateError, match=cause):
            judged.require_as_good(counts, max_drop=0.5)


def test_too_few_test_images_are_refused_before_any_work(
    model: ModelFile, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(fewer_bits.WRITERS, "int8", lambda *_: pytest.fail("work began"))  # type: ignore[misc, arg-type]
    for kind in data.iterdir():
        (tmp_path / "few" / kind.name).mkdir(parents=True)
        for path in sorted(kind.iterdir())[:8]:
            (tmp_path / "few" / kind.name / path.name).write_bytes(path.read_bytes())

    with pytest.raises(GateError, match="could go unnoticed, even if the lighter file loses none"):
        export(request(model, tmp_path / "few", tmp_path / "out"))


def test_without_a_run_the_images_must_be_named(model: ModelFile, tmp_path: Path):
    with pytest.raises(UsageError, match="lies in no run folder"):
        export(request(model, None, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_an_unfinished_model_is_refused(model: ModelFile, data: Path, tmp_path: Path):
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(model.path.read_bytes())
    set_metadata(
        cut,
        replace(model.metadata, unfinished="stopped by the user", calibration=None, verdict=None, drift_reference=None),
    )

    with pytest.raises(ModelError, match="unfinished"):
        export(ExportRequest(model=cut, to="int8", output=tmp_path / "out", data=str(data)))


def test_kernels_that_answer_otherwise_than_their_arithmetic_are_refused():
    agreement = Agreement(
        image_count=100, other_labels=0.03, other_verdicts=None, largest_difference=0.5, mean_difference=0.1
    )

    with pytest.raises(GateError, match="another label"):
        judged.require_sound_kernels(agreement)
    judged.require_sound_kernels(replace(agreement, other_labels=0.02))


def test_a_lighter_file_is_neither_trained_further_nor_made_lighter_again(model: ModelFile, tmp_path: Path):
    light = tmp_path / "light.onnx"
    graph = onnx.load_model_from_string(model.data)
    light.write_bytes(finished_bytes(to_fp16(graph), model.metadata))

    assert (model.bits, read_model(light).bits) == (32, 16)
    with pytest.raises(ModelError, match="16 bits, which are not trained further"):
        read_start(light)
    with pytest.raises(ModelError, match="in 16 bits already"):
        judged.require_possible(read_model(light))
