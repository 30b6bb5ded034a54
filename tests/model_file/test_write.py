"""What a written model file holds and keeps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.draw import draw
from tests.model_file.tiny import recalibrate, tiny_metadata, tiny_model, tiny_network, with_provenance
from vidi.errors import ModelError
from vidi.metrics.novelty import fit_novelty
from vidi.model_file.limits import ClassPoint, OperatingPoints, VerdictLimits
from vidi.model_file.metadata import Calibration
from vidi.model_file.read import read_model
from vidi.model_file.schema import metadata_to_json
from vidi.model_file.values import as_plain, read_part
from vidi.model_file.write import model_bytes, set_metadata, write_model


def run(data: bytes, images: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(data)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"images": images}), strict=True))


def test_a_written_file_is_valid_onnx_with_the_stated_input_and_outputs(tmp_path: Path):
    model = tiny_model(tmp_path / "model.onnx")

    proto = onnx.load_model_from_string(model.data)

    onnx.checker.check_model(proto, full_check=True)
    assert [value.name for value in proto.graph.input] == ["images"]
    assert [value.name for value in proto.graph.output] == ["probabilities", "embedding", "evidence"]
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 18)]
    assert not proto.functions


def test_the_answer_is_that_of_the_network_worked_out_by_hand(tmp_path: Path):
    network = tiny_network()
    metadata = replace(tiny_metadata(), calibration=Calibration(scale=(0.5,), shift=(0.1, 0.0, -0.2)))
    model = write_model(tmp_path / "model.onnx", network, metadata)
    images = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)

    answer = run(model.data, images)

    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in network.initializer}
    inputs = (images.astype(np.float64) - 127.5) / 127.5
    maps = np.maximum(inputs @ weights["layer.weight"][:, :, 0, 0].T + weights["layer.bias"], 0)
    embedding = maps.mean(axis=(1, 2))
    logits = embedding @ weights["head.weight"][:, :, 0, 0].T + weights["head.bias"]
    powers = np.exp(logits * 0.5 + [0.1, 0.0, -0.2])
    np.testing.assert_allclose(answer["embedding"], embedding, atol=1e-5)
    np.testing.assert_allclose(answer["evidence"].mean(axis=(2, 3)), logits, atol=1e-5)
    np.testing.assert_allclose(answer["probabilities"], powers / powers.sum(axis=1, keepdims=True), atol=1e-6)


def test_the_same_network_and_metadata_give_the_same_bytes():
    first = model_bytes(tiny_network(), tiny_metadata())
    second = model_bytes(tiny_network(), tiny_metadata())

    assert first == second


def test_metadata_comes_back_as_it_was_given(tmp_path: Path):
    metadata = replace(
        with_provenance(tiny_metadata(), recipe={"epochs": 3, "sources": {"epochs": "default"}}),
        classes=("Köln", "a, b", "\udcff"),
        calibration=Calibration(scale=(0.7,), image_count=12, figures={"before": 0.1, "after": None}),
        test={"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95, "n": 40}},
    )

    model = write_model(tmp_path / "model.onnx", tiny_network(), metadata)

    filled = replace(model.metadata, golden=(), weights_digest="")
    assert filled == metadata
    assert model.metadata.weights_digest == model.weights_digest()


def test_what_a_file_was_made_of_comes_back_and_is_a_digest(tmp_path: Path):
    parent = tiny_model(tmp_path / "parent.onnx", seed=1).metadata.weights_digest

    model = write_model(
        tmp_path / "model.onnx",
        tiny_network(),
        with_provenance(tiny_metadata(), derived_from=parent),
    )

    assert model.metadata.provenance.derived_from == parent
    assert model.metadata.known_digests == {parent, model.weights_digest()}
    assert "derived_from" not in metadata_to_json(tiny_metadata())  # so that files of no other keep their bytes
    with pytest.raises(ModelError, match="the model is derived from 'abc'"):
        with_provenance(tiny_metadata(), derived_from="abc")


def test_viewers_find_their_keys(tmp_path: Path):
    model = tiny_model(tmp_path / "model.onnx")

    entries = {entry.key: entry.value for entry in onnx.load_model_from_string(model.data).metadata_props}

    assert entries["names"] == "{0: 'class 0', 1: 'class 1', 2: 'class 2'}"
    assert entries["imgsz"] == "[16, 16]"
    assert (entries["task"], entries["version"], entries["license"]) == ("classify", "tiny-run", "Apache-2.0")
    assert entries["Image.BitmapPixelFormat"] == "Rgb8"


def test_the_digest_is_that_of_the_bytes_with_its_digits_as_zeros(tmp_path: Path):
    import hashlib

    data = tiny_model(tmp_path / "model.onnx").data

    assert hashlib.sha256(data[:-64] + b"0" * 64).hexdigest().encode() == data[-64:]


def test_calibrating_changes_the_answer_and_the_file_but_not_the_weights(tmp_path: Path):
    before = tiny_model(tmp_path / "model.onnx")
    images = np.full((1, 16, 16, 3), 200, np.uint8)

    after = recalibrate(before.path, Calibration(scale=(0.1,), image_count=50))

    assert after.weights_digest() == before.weights_digest()
    assert after.digest != before.digest
    assert after.metadata.calibration == Calibration(scale=(0.1,), image_count=50)
    assert run(after.data, images)["probabilities"].max() < run(before.data, images)["probabilities"].max()


def test_taking_a_calibration_back_gives_the_old_bytes(tmp_path: Path):
    before = tiny_model(tmp_path / "model.onnx")

    recalibrate(before.path, Calibration(scale=(0.1, 0.2, 0.3), shift=(0.0, 1.0, 2.0)))
    after = recalibrate(before.path, None)

    assert after.data == before.data


def test_a_matrix_is_what_the_metadata_says_and_can_be_taken_back(tmp_path: Path):
    before = tiny_model(tmp_path / "model.onnx")
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    matrix = (1.0, 0.5, 0.0, -0.2, 0.8, 0.1, 0.0, 0.0, 1.5)

    after = recalibrate(before.path, Calibration(method="matrix", scale=matrix, shift=(0.1, 0.0, -0.1)))

    logits = run(before.data, images)["evidence"].mean(axis=(2, 3))
    moved = logits @ np.array(matrix).reshape(3, 3).T + [0.1, 0.0, -0.1]
    powers = np.exp(moved)
    np.testing.assert_allclose(
        run(after.data, images)["probabilities"], powers / powers.sum(axis=1, keepdims=True), atol=1e-5
    )
    assert after.metadata.calibration is not None
    np.testing.assert_allclose(after.metadata.calibration.apply(logits), moved)
    assert after.weights_digest() == before.weights_digest()
    assert recalibrate(before.path, None).data == before.data


@pytest.mark.parametrize(
    ("components", "with_counter_examples", "with_head"),
    [(128, False, False), (2, False, False), (2, True, False), (128, False, True), (2, True, True)],
)
def test_novelty_in_the_graph_is_what_numpy_computes(
    tmp_path: Path, components: int, with_counter_examples: bool, with_head: bool
):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)
    head = (random.normal(size=(3, 4)), random.normal(size=3)) if with_head else None
    score = fit_novelty(random.normal(size=(60, 4)), np.arange(60) % 3, components=components, head=head)
    if with_counter_examples:
        score = replace(score.knowing(random.normal(size=(6, 4)), np.arange(6) % 2), offset=3.0)
    plain = tiny_model(tmp_path / "plain.onnx")

    model = write_model(tmp_path / "model.onnx", tiny_network(), tiny_metadata(), novelty=score)

    given = run(model.data, images)
    np.testing.assert_allclose(given["novelty"], score.of(given["embedding"]), rtol=1e-3, atol=1e-3)
    assert model.weights_digest() == plain.weights_digest()
    recalibrate(model.path, Calibration(scale=(0.5,)))
    np.testing.assert_array_equal(run(read_model(model.path).data, images)["novelty"], given["novelty"])
    assert recalibrate(model.path, None).data == model.data


def test_limits_are_read_back_as_they_were_written(tmp_path: Path):
    limits = VerdictLimits(
        basis="out-of-fold",
        image_count=180,
        ranking="margin",
        max_error=0.02,
        level=0.95,
        sure=0.75,
        sure_images=160,
        sure_errors=0,
        error_bound=0.0185,
        coverage=0.9,
        candidate=0.125,
    )
    model = tiny_model(tmp_path / "model.onnx")

    set_metadata(model.path, replace(model.metadata, verdict=limits))

    assert read_model(model.path).metadata.verdict == limits


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"basis": "guessed"}, "basis should be calibration or out-of-fold, not 'guessed'"),
        ({"ranking": "mood"}, "ranking should be .*, not 'mood'"),
        ({"image_count": "many"}, "image_count should be a whole number"),
        ({"sure": {}}, "has no max_error"),
        ({"candidates": {"coverage": 1.5, "limit": None}}, "coverage is 1.5"),
    ],
)
def test_limits_that_make_no_sense_are_refused(change, wrong):
    document = as_plain(VerdictLimits(basis="calibration", image_count=1, max_error=0.05, level=0.95, coverage=0.9))

    with pytest.raises(ModelError, match=wrong):
        read_part(VerdictLimits, {**document, **change})


POINTS = OperatingPoints(
    measure="precision",
    share=0.9,
    level=0.95,
    basis="out-of-fold",
    image_count=180,
    positive="class 1",
    points=(
        ClassPoint(
            name="class 1",
            threshold=0.75,
            is_promised=True,
            bound=0.91,
            image_count=60,
            found=40,
            other_count=120,
            alarms=1,
        ),
    ),
)


def test_operating_points_are_read_back_as_they_were_written(tmp_path: Path):
    model = tiny_model(tmp_path / "model.onnx")

    set_metadata(model.path, replace(model.metadata, operating_points=POINTS))

    assert read_model(model.path).metadata.operating_points == POINTS


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"measure": "mood"}, "measure should be recall, precision, false-alarms, costs or f1, not 'mood'"),
        ({"basis": "guessed"}, "basis should be"),
        ({"share": 1.5}, "target for 1.5"),
        ({"costs": [[0, 1], [1, 0]]}, "share 0.9 and costs"),
        ({"thresholds": [{"class": "class 1"}]}, "has no threshold"),
        ({"thresholds": [as_plain(POINTS.points[0]) | {"promised": 1}]}, "promised should be true or false"),
        ({"share": 10**400}, "share should be a finite number"),
    ],
)
def test_operating_points_that_make_no_sense_are_refused(change, wrong):
    with pytest.raises(ModelError, match=wrong):
        read_part(OperatingPoints, {**as_plain(POINTS), **change})


@pytest.mark.parametrize("change", [{"positive": "class 2"}, {"points": POINTS.points * 2}])
def test_operating_points_of_other_classes_are_refused(change):
    with pytest.raises(ModelError, match="operating points hold"):
        replace(tiny_metadata(), operating_points=replace(POINTS, **change))
    with pytest.raises(ModelError, match="classes are"):
        replace(tiny_metadata(classes=2), classes=("a", "b"), operating_points=POINTS)


def test_a_trained_tensor_that_changes_changes_the_weights_digest(tmp_path: Path):
    first = tiny_model(tmp_path / "a.onnx", seed=0)
    second = tiny_model(tmp_path / "b.onnx", seed=1)

    assert first.weights_digest() != second.weights_digest()


def test_classes_cannot_be_changed_afterwards(tmp_path: Path):
    model = tiny_model(tmp_path / "model.onnx")

    with pytest.raises(ModelError, match=r"classes of model\.onnx cannot be changed"):
        set_metadata(model.path, replace(model.metadata, classes=("x", "y", "z")))

    assert read_model(model.path).data == model.data


def test_evidence_is_left_out_above_two_hundred_classes(tmp_path: Path):
    model = tiny_model(tmp_path / "model.onnx", classes=201)

    assert model.outputs == ("probabilities", "embedding")


def test_an_unfinished_model_carries_no_promise():
    with pytest.raises(ModelError, match="unfinished"):
        replace(tiny_metadata(), unfinished="stopped by Ctrl-C", calibration=Calibration())


def test_too_few_outputs_are_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(ModelError, match="answers with 3 classes, the metadata names 4"):
        write_model(tmp_path / "model.onnx", tiny_network(classes=3), tiny_metadata(classes=4))

    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_finite_are_refused(tmp_path: Path):
    network = tiny_network()
    network.initializer[1].CopyFrom(onnx.numpy_helper.from_array(np.full(4, np.nan, np.float32), "layer.bias"))

    with pytest.raises(ModelError, match="not finite"):
        write_model(tmp_path / "model.onnx", network, tiny_metadata())


def test_evidence_that_does_not_add_up_to_the_logit_is_refused(tmp_path: Path):
    network = tiny_network()
    (node,) = [node for node in network.node if node.output[0] == "evidence"]
    node.output[0] = "maps of the head"
    network.node.insert(5, onnx.helper.make_node("Relu", ["maps of the head"], ["evidence"]))
    (pool,) = [node for node in network.node if node.output[0] == "head"]
    pool.input[0] = "maps of the head"

    with pytest.raises(ModelError, match="mean of the evidence"):
        write_model(tmp_path / "model.onnx", network, tiny_metadata())


def test_a_network_for_another_size_is_refused(tmp_path: Path):
    network = tiny_network(evidence=False)
    network.initializer.append(onnx.numpy_helper.from_array(np.zeros((8 * 8 * 4, 3), np.float32), "dense"))
    flatten = onnx.helper.make_node("Flatten", ["maps"], ["flat"])
    network.node[-1].CopyFrom(onnx.helper.make_node("MatMul", ["flat", "dense"], ["logits"]))
    network.node.insert(3, flatten)

    with pytest.raises(ModelError, match="fails on an image of 12 x 16 pixels"):
        write_model(tmp_path / "model.onnx", network, tiny_metadata())


def test_a_multi_label_file_answers_about_each_class_by_itself(tmp_path: Path):
    images = np.stack([draw("disc"), draw("stripes")])
    step = Calibration(method="sigmoid", scale=(0.5, 1.0, 2.0), shift=(0.1, 0.0, -0.1))
    single = write_model(tmp_path / "one.onnx", tiny_network(), replace(tiny_metadata(), calibration=step))
    several = write_model(
        tmp_path / "many.onnx", tiny_network(), replace(tiny_metadata(), calibration=step, multi_label=True)
    )

    softmax, sigmoid = (run(model.data, images)["probabilities"] for model in (single, several))

    logits = step.apply(run(several.data, images)["evidence"].mean(axis=(2, 3)))
    np.testing.assert_allclose(sigmoid, 1 / (1 + np.exp(-logits)), atol=1e-5)
    odds = sigmoid / (1 - sigmoid)
    np.testing.assert_allclose(softmax, odds / odds.sum(axis=1, keepdims=True), atol=1e-5)
    assert read_model(several.path).metadata.multi_label
    assert not read_model(single.path).metadata.multi_label
    recalibrate(several.path, None)
    bare = run(read_model(several.path).data, images)["probabilities"]
    np.testing.assert_allclose(np.log(bare / (1 - bare)) * step.scale + step.shift, logits, atol=1e-4)


def test_one_label_each_and_several_are_not_exchanged(tmp_path: Path):
    model = tiny_model(tmp_path / "model.onnx")

    with pytest.raises(ModelError, match=r"task of model\.onnx cannot be changed"):
        set_metadata(model.path, replace(model.metadata, multi_label=True))


def test_limits_of_answers_of_one_class_do_not_fit_a_multi_label_model():
    limits = VerdictLimits(basis="calibration", image_count=1, max_error=0.05, level=0.95, coverage=0.9)

    with pytest.raises(ModelError, match="ranking is 'probability', which is not that of such a model"):
        replace(tiny_metadata(), multi_label=True, verdict=limits)
