"""The layers of a network: their shapes, weights and work, against the network that was written."""

from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.draw import draw
from vidi.images.framing import Framing
from vidi.model_file.anatomy import dissect_network
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.model_file.write import write_model
from vidi.networks.build import blank_network, build_network
from vidi.networks.options import NetworkOptions
from vidi.networks.side_by_side import Ensemble
from vidi.networks.to_onnx import to_onnx
from vidi.report.pages.network import (
    describe_graph,
    describe_layers,
    draw_filters,
    draw_maps,
    draw_network,
    fold_layers,
    show_layers,
    show_network,
)

SIZE = (32, 64)
NARROW = NetworkOptions(width=0.25)
NETWORKS = {"textbook": None, "dense": None, "compact": NARROW, "lite0": None, "resnet50": NARROW, "vgg16": NARROW}


def file_of(path: Path, network: nn.Module) -> ModelFile:
    metadata = ModelMetadata(classes=("a", "b", "c"), framing=Framing(size=SIZE))
    return write_model(path / "model.onnx", to_onnx(network.eval(), SIZE), metadata)


def layers_of(tmp_path, name, *, example=None):
    network = build_network(name, image_size=SIZE, class_count=3, options=NETWORKS[name])
    return network, describe_layers(file_of(tmp_path, network), example)


def counted_by_hooks(network: nn.Module) -> tuple[int, list[tuple[int, ...]]]:
    """Multiply-adds of one image and the shapes that convolutions and dense layers give, told by torch as it runs."""
    work, shapes = [], []

    def note(module: nn.Module, _: object, given: torch.Tensor) -> None:
        work.append(given.numel() * prod(module.weight.shape[1:]))
        shapes.append(tuple(given.shape[1:]))

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(note)
    with torch.inference_mode():
        network.eval()(torch.zeros(1, 3, *SIZE))
    return sum(work), shapes


@pytest.mark.parametrize("name", ["textbook", "dense"])
def test_trained_numbers_add_up_to_those_of_the_network(tmp_path, name):
    network, layers = layers_of(tmp_path, name)

    assert sum(layer.parameter_count for layer in layers) == sum(one.numel() for one in network.parameters())


@pytest.mark.parametrize("name", ["textbook", "dense", "compact", "lite0", "resnet50"])
def test_work_is_what_torch_does(name):
    network = blank_network(name, image_size=SIZE, class_count=3, options=NETWORKS[name]).eval()

    layers = describe_graph(dissect_network(to_onnx(network, SIZE)))

    work, _ = counted_by_hooks(network)
    assert sum(layer.multiply_adds for layer in layers) == work


def test_shapes_are_those_of_the_values_that_pass_through(tmp_path):
    _, layers = layers_of(tmp_path, "compact", example=draw("disc"))

    seen = [layer for layer in layers if layer.maps is not None]
    assert len(seen) == sum(layer.has_places for layer in layers)
    assert [layer.shape for layer in seen] == [layer.maps.shape for layer in seen]


def test_textbook_network_is_told_as_every_introduction_tells_it(tmp_path):
    _, layers = layers_of(tmp_path, "textbook")

    assert [layer.name for layer in layers][:1] == ["Convolution 3×3"]
    assert "the largest of each 2×2 is kept (max pooling)" in layers[0].steps
    assert "negative values become 0 (ReLU)" in layers[0].steps
    assert layers[0].shape_text == "32 maps of 15 × 31"
    assert layers[0].arithmetic == "32 filters of 3 maps × 3 × 3 = 864 weights, and 32 biases"
    assert layers[0].multiply_adds == 30 * 62 * 32 * 27  # before the pooling
    assert layers[-1].name == "Answer: one number for each class"
    assert layers[-1].shape_text == "3 numbers"


def test_evidence_and_preprocessing_are_no_layers(tmp_path):
    _, layers = layers_of(tmp_path, "compact")

    assert layers[-1].name == "Answer: one number for each class"
    assert not [layer for layer in layers if layer.name in ("Resize", "Pad", "Reshape", "Softmax")]


def test_a_network_that_looks_both_ways_has_the_same_layers(tmp_path):
    network = build_network("compact", image_size=SIZE, class_count=3, options=NARROW)
    once = describe_layers(file_of(tmp_path, network), None)

    network.both_ways = True
    twice = describe_layers(file_of(tmp_path, network), draw("disc"))

    assert [layer.name for layer in twice] == [layer.name for layer in once]
    assert [layer.shape for layer in twice] == [layer.shape for layer in once]
    assert twice[0].maps.shape == once[0].shape


def test_of_several_networks_the_first_is_shown(tmp_path):
    members = [build_network("compact", image_size=SIZE, class_count=3, options=NARROW, seed=seed) for seed in (0, 1)]
    alone = describe_layers(file_of(tmp_path, members[0]), None)

    together = describe_layers(file_of(tmp_path, Ensemble(members)), None)

    assert [(layer.name, layer.parameter_count) for layer in together] == [
        (layer.name, layer.parameter_count) for layer in alone
    ]
    np.testing.assert_array_equal(together[0].filters, alone[0].filters)


def test_a_network_of_nothing_but_zeros_has_the_same_layers():
    built, blank = (
        describe_graph(
            dissect_network(to_onnx(make("resnet50", image_size=SIZE, class_count=3, options=NARROW).eval(), SIZE))
        )
        for make in (build_network, blank_network)
    )

    assert [(one.name, one.shape, one.parameter_count) for one in built] == [
        (one.name, one.shape, one.parameter_count) for one in blank
    ]


def test_maps_are_there_only_for_an_example(tmp_path):
    _, without = layers_of(tmp_path, "compact")
    _, pictured = layers_of(tmp_path, "compact", example=draw("disc"))

    assert not any(shown.maps for shown in show_layers(without, with_filters=True))
    assert show_layers(pictured, with_filters=True)[0].maps.uri.startswith("data:image/webp;base64,")


@pytest.mark.slow  # builds a ResNet-50
def test_of_a_long_network_the_ends_of_stages_stand_open(tmp_path):
    _, layers = layers_of(tmp_path, "lite0", example=draw("disc"))

    runs = fold_layers(show_layers(layers, with_filters=True))

    assert [one.layer for _, run in runs for one in run] == list(layers)
    assert [is_open for is_open, _ in runs[:3]] == [True, False, True]
    standing = [one for is_open, run in runs for one in run if is_open]
    assert all(one.maps for one in standing if one.layer.has_places)
    assert {one.layer.shape[1:] for one in standing if one.layer.has_places} == {
        layer.shape[1:] for layer in layers if layer.has_places
    }


def test_the_filters_of_the_first_layer_are_its_weights(tmp_path):
    for name, shape in (("textbook", (32, 3, 3, 3)), ("dense", (128, 3, *SIZE))):
        network, layers = layers_of(tmp_path, name)
        weight = next(network.parameters()).detach().numpy()

        np.testing.assert_array_equal(layers[0].filters, weight.reshape(shape))
        assert all(layer.filters is None for layer in layers[1:])


def test_a_network_without_maps_has_none_to_show(tmp_path):
    _, layers = layers_of(tmp_path, "dense", example=draw("disc"))

    assert [layer.maps for layer in layers] == [None, None]


def test_pictures_of_anything_can_be_drawn():
    flat = np.zeros((3, 5, 4), np.float32)

    assert draw_maps(flat).width > 0
    assert draw_filters(np.zeros((1, 3, 1, 1), np.float32)).height > 0


def test_the_drawing_says_what_can_be_seen():
    slabs = [("image", (3, 64, 32)), ("convolution", (8, 16, 8)), ("dense", (10,)), ("other", ())]

    svg = draw_network(slabs, description="Three <layers>.")

    assert '<desc id="network-drawing-text">Three &lt;layers&gt;.</desc>' in svg
    assert "64×32" in svg
    assert "8 maps" in svg


def test_a_page_shows_shares_that_add_up(tmp_path):
    _, layers = layers_of(tmp_path, "compact")

    shown = show_network(layers, image_size=SIZE, class_count=3)

    assert sum(one.work_share for one in shown.layers) == pytest.approx(1)
    assert any("convolution" in text for text in shown.words)
