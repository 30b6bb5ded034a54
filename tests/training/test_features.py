"""Features: every engine computes the same, whatever the order and the size of the pieces."""

import os
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from tests.cases import few_fast

from vidi.networks.build import build_network
from vidi.networks.layers import folded
from vidi.training.heads import features
from vidi.training.heads.features import ENGINES, choose_feature_engine, embed_images
from vidi.training.loop.objective import FIXED, InputNormalisation

NORMALISATION = InputNormalisation(*FIXED["symmetric"])


@pytest.fixture(scope="module")
def network():
    return build_network("lite0", image_size=(32, 32), class_count=3).eval()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)


def expected(network, images) -> np.ndarray:
    with torch.inference_mode():
        return network.embed(NORMALISATION.inputs(images)).numpy()


@pytest.mark.parametrize("engine", few_fast(ENGINES, 3))
def test_every_engine_computes_the_networks_embeddings(network, images, engine):
    if engine.startswith("openvino") and find_spec("openvino") is None:
        pytest.skip("needs:openvino")
    if engine == "openvino bfloat16" and "ONEDNN_MAX_CPU_ISA" in os.environ:
        pytest.skip("hardware:OpenVINO asks the processor itself, and fails where its kernels are held back")

    found = embed_images(network, images, np.arange(40), normalisation=NORMALISATION, engine=engine)

    tolerance = 0.05 if "bfloat16" in engine else 1e-4
    wanted = expected(network, images)
    assert np.abs(found - wanted).max() <= tolerance * np.abs(wanted).max()


def test_features_do_not_depend_on_the_order_or_on_who_stands_beside(network, images):
    rows = np.random.default_rng(1).permutation(40)

    alone = embed_images(network, images, rows[:1], normalisation=NORMALISATION, engine="torch float32")
    together = embed_images(network, images, rows, normalisation=NORMALISATION, engine="torch float32")

    np.testing.assert_allclose(together[0], alone[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(together, expected(network, images)[rows], rtol=1e-3, atol=1e-4)


def test_progress_ends_with_all_images(network, images):
    told: list[tuple[int, int]] = []

    embed_images(
        network,
        images,
        np.arange(40),
        normalisation=NORMALISATION,
        engine="onnxruntime",
        on_progress=lambda done, total: told.append((done, total)),
    )

    assert told == [(32, 40), (40, 40)]


def rated(monkeypatch, rates: dict[str, float] | None, precision: str = "float32") -> None:
    """The fast precision here, and images per second by engine; None where OpenVINO is not installed."""
    monkeypatch.setattr(features, "choose_precision", lambda: (precision, ""))
    monkeypatch.setattr(features, "find_spec", lambda _: None if rates is None else object())
    monkeypatch.setattr(features, "feature_rate", lambda *_, engine: (rates or {})[engine])


@pytest.mark.parametrize(("precision", "usual"), [("bfloat16", "torch bfloat16"), ("float32", "onnxruntime")])
def test_without_openvino_the_processor_decides(network, images, precision, usual, monkeypatch):
    rated(monkeypatch, None, precision)

    assert choose_feature_engine(network, images, NORMALISATION, image_count=1_000)[0] == usual


@pytest.mark.parametrize(("rate", "chosen"), [(129.0, "onnxruntime"), (131.0, "openvino float32")])
def test_openvino_is_taken_where_it_is_clearly_faster(network, images, rate, chosen, monkeypatch):
    rated(monkeypatch, {"onnxruntime": 100.0, "openvino float32": rate})

    engine, reason = choose_feature_engine(network, images, NORMALISATION, image_count=1_000)

    assert engine == chosen
    assert "100 images/s by onnxruntime" in reason
    assert choose_feature_engine(network, images, NORMALISATION, image_count=299)[0] == "onnxruntime"  # not worth it


def test_for_a_few_images_no_engine_is_timed(network, images, monkeypatch):
    rated(monkeypatch, {})

    engine, reason = choose_feature_engine(network, images, NORMALISATION, image_count=64)

    assert (engine, reason) == ("onnxruntime", "comparing engines would take longer than it saves")


def test_a_folded_network_answers_as_before_and_leaves_the_original_alone(network, images):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    inputs = NORMALISATION.inputs(images)

    with torch.inference_mode():
        torch.testing.assert_close(folded(network)(inputs), network(inputs), atol=1e-4, rtol=1e-4)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
