"""Networks side by side: in torch, in the graph, and in the model file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.cases import few_fast
from tests.model_file.tiny import recalibrate
from tests.networks.test_to_onnx import session_of, with_lived_in_statistics

from vidi.images.framing import Framing
from vidi.metrics.outputs import Sigmoid
from vidi.model_file.metadata import Calibration, ModelMetadata
from vidi.model_file.read import read_model
from vidi.model_file.write import write_model
from vidi.networks.build import build_network
from vidi.networks.from_onnx import start_from, weights_of
from vidi.networks.layers import Classifier
from vidi.networks.options import NetworkOptions
from vidi.networks.side_by_side import Ensemble
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.predictor import Predictor

SIZE = (24, 32)
SMALL = NetworkOptions(width=0.25)


def member(seed: int, *, name: str = "compact", size: tuple[int, int] = SIZE) -> Classifier:
    options = SMALL if name == "compact" else NetworkOptions()
    network = build_network(name, image_size=size, class_count=3, options=options, seed=seed)
    return with_lived_in_statistics(network)


def some_inputs(size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((4, 3, *size)).astype(np.float32)


@pytest.mark.parametrize(("name", "size"), few_fast([("compact", SIZE), ("lite0", (32, 32)), ("textbook", SIZE)]))
def test_onnxruntime_answers_as_torch_does(name, size):
    ensemble = Ensemble([member(seed, name=name, size=size) for seed in range(3)]).eval()
    inputs = some_inputs(size)

    logits, embedding = session_of(ensemble, size).run(["logits", "embedding"], {"inputs": inputs})

    with torch.inference_mode():
        np.testing.assert_allclose(logits, ensemble(torch.from_numpy(inputs)).numpy(), atol=1e-4)
        np.testing.assert_allclose(embedding, ensemble.embed(torch.from_numpy(inputs)).numpy(), atol=1e-4)


def test_the_logits_are_the_logs_of_the_mean_probability():
    members = [member(seed) for seed in range(3)]
    inputs = torch.from_numpy(some_inputs())

    with torch.inference_mode():
        mean = torch.stack([one(inputs).softmax(dim=1) for one in members]).mean(dim=0)
        torch.testing.assert_close(Ensemble(members)(inputs).exp(), mean)


def test_the_mean_of_the_evidence_is_the_logit_also_where_the_members_disagree():
    members = [member(seed) for seed in range(3)]
    with torch.no_grad():
        members[0].head.weight.mul_(20)  # very sure of itself
    inputs = some_inputs()

    logits, evidence = session_of(Ensemble(members), SIZE).run(["logits", "evidence"], {"inputs": inputs})

    np.testing.assert_allclose(evidence.mean(axis=(2, 3)), logits, atol=2e-4 * np.abs(evidence).max())


def test_members_that_are_the_same_show_the_evidence_of_one():
    one = member(0)
    inputs = some_inputs()

    alone, logits = session_of(one, SIZE).run(["evidence", "logits"], {"inputs": inputs})
    together = session_of(Ensemble([one, one]), SIZE).run(["evidence"], {"inputs": inputs})[0]

    total = np.log(np.exp(logits).sum(axis=1))[:, None, None, None]
    np.testing.assert_allclose(together, alone - total, atol=1e-4)


def test_members_that_tell_each_class_by_itself_give_the_mean_of_their_logits_and_evidence():
    members = [member(seed) for seed in range(3)]
    ensemble, inputs = Ensemble(members, outputs=Sigmoid()).eval(), some_inputs()

    logits, evidence = session_of(ensemble, SIZE).run(["logits", "evidence"], {"inputs": inputs})

    alone = [session_of(one, SIZE).run(["logits", "evidence"], {"inputs": inputs}) for one in members]
    np.testing.assert_allclose(logits, np.mean([one[0] for one in alone], axis=0), atol=1e-4)
    np.testing.assert_allclose(evidence, np.mean([one[1] for one in alone], axis=0), atol=1e-4)
    with torch.inference_mode():
        np.testing.assert_allclose(logits, ensemble(torch.from_numpy(inputs)).numpy(), atol=1e-4)


def test_no_probability_is_too_small():
    members = [member(seed) for seed in range(2)]
    with torch.no_grad():
        for one in members:
            one.head.bias.copy_(torch.tensor([0.0, -500.0, -900.0]))
    inputs = some_inputs()

    (logits,) = session_of(Ensemble(members), SIZE).run(["logits"], {"inputs": inputs})

    assert np.isfinite(logits).all()
    assert (np.diff(logits, axis=1) < -300).all()


def test_the_model_file_keeps_its_contract_and_its_weights_under_another_calibration(tmp_path: Path):
    ensemble = Ensemble([member(seed) for seed in range(3)]).eval()
    framing = Framing(size=SIZE, mode="stretch")
    path = tmp_path / "model.onnx"
    write_model(path, to_onnx(ensemble, SIZE), ModelMetadata(classes=("a", "b", "c"), framing=framing))
    images = np.random.default_rng(1).integers(0, 256, (5, *SIZE, 3), dtype=np.uint8)
    bare = Predictor.load(path)
    before, digest = bare.run(images), bare.metadata.weights_digest

    recalibrate(path, Calibration(scale=(0.5,), shift=(0.1, 0.0, -0.2), image_count=9))

    after = Predictor.load(path)
    assert after.metadata.weights_digest == digest == read_model(path).weights_digest()
    logits = before["evidence"].mean(axis=(2, 3)) * 0.5 + np.array([0.1, 0.0, -0.2])
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(after.run(images)["probabilities"], expected, atol=1e-4)


def test_a_new_training_begins_from_the_first_member():
    members = [member(seed) for seed in range(3)]
    graph = to_onnx(Ensemble(members), SIZE)
    network = build_network("compact", image_size=SIZE, class_count=3, options=SMALL)
    inputs = torch.from_numpy(some_inputs())

    start_from(network, weights_of(graph)[0], inputs=inputs)

    with torch.inference_mode():
        torch.testing.assert_close(network.eval()(inputs), members[0](inputs), atol=1e-3, rtol=1e-3)
