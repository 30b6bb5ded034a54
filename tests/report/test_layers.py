"""The layers of a model file: their shapes and numbers, against the network that was written."""

import pytest

from tests.draw import draw
from vidi.images.framing import Framing
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.write import write_model
from vidi.networks.build import build_network
from vidi.networks.to_onnx import to_onnx
from vidi.report.layers import describe_layers


def layers_of(tmp_path, name, *, example=None):
    network = build_network(name, image_size=(32, 48), class_count=3).eval()
    metadata = ModelMetadata(classes=("a", "b", "c"), framing=Framing(size=(32, 48)))
    model = write_model(tmp_path / "model.onnx", to_onnx(network, (32, 48)), metadata)
    return network, describe_layers(model, example)


@pytest.mark.parametrize("name", ["textbook", "dense"])
def test_trained_numbers_add_up_to_those_of_the_network(tmp_path, name):
    network, layers = layers_of(tmp_path, name)

    assert sum(layer.parameter_count for layer in layers) == sum(one.numel() for one in network.parameters())


def test_textbook_network_is_told_as_every_introduction_tells_it(tmp_path):
    _, layers = layers_of(tmp_path, "textbook")

    assert [layer.name for layer in layers][:1] == ["Convolution 3×3"]
    assert "of each 2×2 the largest is kept (max pooling)" in layers[0].steps
    assert "negative values become 0 (ReLU)" in layers[0].steps
    assert layers[0].shape_text == "32 maps of 15 × 23"
    assert layers[-1].name == "Answer: one number for each class"
    assert layers[-1].shape_text == "3 numbers"


def test_evidence_and_preprocessing_are_no_layers(tmp_path):
    _, layers = layers_of(tmp_path, "compact")

    assert layers[-1].name == "Answer: one number for each class"
    assert not [layer for layer in layers if layer.name in ("Resize", "Pad", "Reshape", "Softmax")]


def test_maps_are_pictured_only_for_an_example(tmp_path):
    _, without = layers_of(tmp_path, "compact")
    _, pictured = layers_of(tmp_path, "compact", example=draw("disc"))

    assert not any(layer.picture for layer in without)
    assert pictured[0].picture.uri.startswith("data:image/webp;base64,")
