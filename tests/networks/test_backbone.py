import dataclasses
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from tests.draw import class_folders
from tests.networks import standin_timm
from tests.networks.test_to_onnx import assert_alike, session_of, with_lived_in_statistics

import vidi
from vidi.errors import MissingPackageError, ModelError, ResourceError, UnknownNameError, UsageError
from vidi.networks.build import build_network, design_network
from vidi.networks.exported import check_export, export_body
from vidi.networks.from_onnx import start_from
from vidi.networks.options import NetworkOptions
from vidi.networks.pretrained.read import read_pretrained
from vidi.networks.pretrained.weights import begin_with

if importlib.util.find_spec("onnxscript") is None:  # to import it here would take every worker half a second
    pytest.skip("needs:onnxscript", allow_module_level=True)

SIZE = (48, 32)
exports = pytest.mark.slow  # torch's exporter takes a second or more


@pytest.fixture(autouse=True)
def timm(monkeypatch):
    """A small module named timm, which itself cannot be installed beside the torch that the tests use."""
    module = ModuleType("timm")
    module.__spec__ = ModuleSpec("timm", None)
    module.is_model, module.create_model = standin_timm.is_model, standin_timm.create_model
    monkeypatch.setitem(sys.modules, "timm", module)


@exports
def test_the_model_file_answers_as_torch_does():
    network = build_network("timm/small.made", image_size=SIZE, class_count=3)
    begin_with(network, read_pretrained("timm/small.made"))
    network = with_lived_in_statistics(network)
    inputs = np.random.default_rng(0).standard_normal((5, 3, *SIZE)).astype(np.float32)

    logits, embedding = session_of(network, SIZE).run(["logits", "embedding"], {"inputs": inputs})

    with torch.inference_mode():
        assert_alike(logits, network(torch.from_numpy(inputs)).numpy())
        assert_alike(embedding, network.embed(torch.from_numpy(inputs)).numpy())
    assert embedding.shape == (5, 16)
    assert np.ptp(logits) > 0.1


def test_a_torchvision_for_another_torch_is_named(monkeypatch):
    class Finder:
        def find_spec(self, name, *_):
            if name == "timm":
                raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.delitem(sys.modules, "timm")
    monkeypatch.setattr("vidi.networks.backbone.find_spec", lambda _name: object())
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])

    with pytest.raises(MissingPackageError, match=r"(?s)torchvision::nms does not exist.*belong together"):
        build_network("timm/small", image_size=SIZE, class_count=2)


@exports
@pytest.mark.integration  # a whole training
@pytest.mark.parametrize("named", [{"network": "timm/small", "pretrained": "none"}, {"pretrained": "timm/small.made"}])
def test_a_network_of_timm_is_trained(named: dict[str, str], tmp_path: Path):
    photos = class_folders(tmp_path / "photos", each=6)

    run = vidi.train(photos, **named, epochs=1, image_size=32, output=tmp_path / "run")

    (answer,) = vidi.load(run.folder).predict_files([str(min(photos.rglob("*.png")))])
    assert answer.prediction is not None


@exports
def test_writing_the_model_file_leaves_the_network_in_its_mode():
    network = build_network("timm/small.made", image_size=SIZE, class_count=3).train()

    session_of(network, SIZE)

    assert all(module.training for module in network.modules())


@exports
def test_weights_come_with_what_timm_says_of_them():
    weights = read_pretrained("timm/small.made")

    network = build_network("timm/small.made", image_size=SIZE, class_count=3)
    begin_with(network, weights)

    assert (weights.network, weights.normalisation, weights.license) == ("timm/small.made", "imagenet", "apache-2.0")
    assert torch.equal(network.layers[0].body.stem.weight, weights.tensors["layers.0.body.stem.weight"])
    assert dataclasses.replace(read_pretrained("timm/small.made"), tensors={}).digest == weights.digest


def test_what_no_file_of_weights_holds_is_there_and_no_global_random_number_is_drawn():
    before = torch.get_rng_state()

    first, again, other = (build_network("timm/small", image_size=SIZE, class_count=2, seed=s) for s in (0, 0, 1))

    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.layers[0].body.table, torch.linspace(0.5, 1.5, 16))
    assert torch.equal(first.layers[0].body.stem.weight, again.layers[0].body.stem.weight)
    assert not torch.equal(first.layers[0].body.stem.weight, other.layers[0].body.stem.weight)
    assert torch.isfinite(torch.cat([value.flatten() for value in first.state_dict().values()])).all()


@exports
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("timm/token", "needs operators that a model file may not hold: Expand"),
        ("timm/counted", "accepts only one fixed batch size"),
    ],
)
def test_what_cannot_become_a_model_file_is_refused_before_anything_is_trained(name, reason):
    with pytest.raises(ModelError, match=f"{name} {reason}") as raised:
        read_pretrained(name)
    assert "another network" in raised.value.remedy


@exports
def test_a_graph_that_answers_otherwise_is_noticed():
    body = standin_timm.create_model("small.made", pretrained=True, num_classes=0).eval()
    graph = export_body(body, image_size=SIZE, prefix="body")
    check_export(body, graph, image_size=SIZE)
    body.scale.data += 0.1

    with pytest.raises(ModelError, match="gives other predictions than in torch"):
        check_export(body, graph, image_size=SIZE)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("timm/none", UnknownNameError, "timm has no network called 'none'"),
        ("timm/small.nothing", UnknownNameError, r"Invalid pretrained tag \(nothing\)"),
        ("timm/odd", ModelError, r"mean \(0\.1, 0\.1, 0\.1\)"),
        ("timm/far", ResourceError, "ConnectionError: no way there"),
    ],
)
def test_weights_that_cannot_be_had_are_refused_with_the_reason(name, error, message):
    with pytest.raises(error, match=message):
        read_pretrained(name)


def test_a_size_that_the_network_does_not_take_is_refused():
    with pytest.raises(UsageError, match=r"does not take images of 64x64 pixels: input size must be 32"):
        design_network("timm/token", image_size=(64, 64), class_count=2)


def test_options_of_vidis_own_networks_are_refused():
    with pytest.raises(UsageError, match="timm/small has no option width"):
        build_network("timm/small", image_size=SIZE, class_count=2, options=NetworkOptions(width=0.5))


def test_beginning_from_its_model_file_is_refused():
    network = build_network("timm/small", image_size=SIZE, class_count=2)

    with pytest.raises(ModelError, match="timm backbone"):
        start_from(network, {}, inputs=torch.zeros(2, 3, *SIZE))


def test_a_missing_timm_is_named_with_its_remedy(monkeypatch):
    monkeypatch.delitem(sys.modules, "timm")
    if importlib.util.find_spec("timm") is not None:
        pytest.skip("needs:a place without timm")

    with pytest.raises(MissingPackageError, match="timm/small needs timm, which is not installed") as raised:
        read_pretrained("timm/small")
    assert 'pip install "vidi[timm]"' in raised.value.remedy
