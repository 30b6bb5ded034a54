"""The network of a model file in 8 and 16 bits: what is changed, what is not, and that both still answer alike."""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from tests.draw import draw
from tests.model_file.tiny import tiny_metadata, tiny_network
from vidi.errors import ModelError
from vidi.export.precisions import LEAST_WEIGHT, MOST_WEIGHT, network_nodes, to_fp16, to_int8
from vidi.images.framing import Framing
from vidi.model_file.metadata import Normalisation
from vidi.model_file.read import read_model_bytes
from vidi.model_file.write import finished_bytes, model_bytes
from vidi.networks.build import build_network
from vidi.networks.pretrained.read import read_pretrained
from vidi.networks.pretrained.weights import with_weights
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.engines import ENGINES, open_session
from vidi.prediction.predictor import Predictor
from vidi.workflows.exporting.judged import compare_sessions, open_unfused

METADATA = tiny_metadata(framing=Framing(size=(16, 16), mode="stretch"))


def wide_network() -> onnx.GraphProto:
    """The tiny network with a convolution before it that has enough weights to be worth fewer bits."""
    network, random = tiny_network(), np.random.default_rng(1)
    first = onnx.helper.make_node("Conv", ["inputs", "first.weight", "first.bias"], ["first"], pads=[1, 1, 1, 1])
    weight = random.normal(size=(32, 3, 3, 3)).astype(np.float32)
    bias = random.normal(size=32).astype(np.float32)
    second = random.normal(size=(4, 32, 1, 1)).astype(np.float32) / 6
    kept = [tensor for tensor in network.initializer if tensor.name != "layer.weight"]
    del network.initializer[:]
    network.initializer.extend(
        [*kept]
        + [
            numpy_helper.from_array(value, name)
            for name, value in (("first.weight", weight), ("first.bias", bias), ("layer.weight", second))
        ]
    )
    nodes = [first, *network.node]
    nodes[1].input[0] = "first"
    del network.node[:]
    network.node.extend(nodes)
    return network


@pytest.fixture(scope="module")
def parent() -> Predictor:
    return Predictor.from_bytes(model_bytes(wide_network(), METADATA))


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (64, 16, 16, 3), np.uint8)


def graph_of(predictor: Predictor) -> onnx.ModelProto:
    return onnx.load_model_from_string(predictor.model.data)


def lighter(parent: Predictor, write: Callable[[onnx.ModelProto], onnx.ModelProto]) -> Predictor:
    return Predictor.from_bytes(finished_bytes(write(graph_of(parent)), parent.metadata))


def tensors_of(predictor: Predictor) -> dict[str, NDArray[np.generic]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph_of(predictor).graph.initializer}


def test_the_network_is_what_makes_the_embedding_and_nothing_of_the_head(parent: Predictor):
    names = [node.output[0] for node in network_nodes(graph_of(parent).graph)]

    assert names == ["first", "mixed", "maps", "pooled", "embedding"]


def test_weights_of_8_bits_lie_within_7_so_that_no_kernel_overflows(parent: Predictor, images: NDArray[np.uint8]):
    found = tensors_of(lighter(parent, lambda model: to_int8(model, images)))
    weights = {name: value for name, value in found.items() if value.dtype == np.int8 and value.ndim == 4}

    assert len(weights) == 2  # both convolutions of the network
    assert all(value.min() >= LEAST_WEIGHT and value.max() <= MOST_WEIGHT for value in weights.values())
    assert found["head.weight"].dtype == np.float32


def test_8_bits_use_the_standard_operators_alone_and_answer_nearly_alike(parent: Predictor, images: NDArray[np.uint8]):
    child = lighter(parent, lambda model: to_int8(model, images))

    assert [(one.domain, one.version) for one in graph_of(child).opset_import] == [("", 18)]
    assert child.model.outputs == parent.model.outputs
    apart = compare_sessions(open_session(parent.model), open_session(child.model), images)
    assert apart.mean_difference < 0.02
    unfused = compare_sessions(open_unfused(child.model), open_session(child.model), images)
    assert unfused.other_labels <= 0.02


@pytest.mark.parametrize(
    "normalisation",
    [
        Normalisation(mean=(127.5, 127.5, 127.5), standard_deviation=(127.5, 127.5, 127.5)),
        Normalisation(mean=(128.0, 128.0, 128.0), standard_deviation=(64.0, 64.0, 64.0)),
        Normalisation(mean=(123.675, 116.28, 103.53), standard_deviation=(58.395, 57.12, 57.375)),
    ],
    ids=["lite", "whole", "per colour"],
)
def test_no_pixel_lies_in_the_middle_between_two_levels_where_engines_may_round_it_differently(
    images: NDArray[np.uint8], normalisation: Normalisation
):
    metadata = replace(METADATA, normalisation=normalisation)
    parent = Predictor.from_bytes(model_bytes(wide_network(), metadata))
    found = tensors_of(lighter(parent, lambda model: to_int8(model, images)))

    step, zero = float(found["vidi.inputs_scale"]), int(found["vidi.inputs_zero_point"])
    pixels = np.arange(256)[:, None]
    levels = (pixels - np.array(normalisation.mean)) / np.array(normalisation.standard_deviation) / step + zero
    assert levels.min() > -0.5
    assert levels.max() < 255.5
    assert np.abs(levels - np.floor(levels) - 0.5).min() > 1e-4


@pytest.mark.skipif(find_spec("openvino") is None, reason="needs:openvino")
def test_openvino_gives_the_labels_of_a_file_of_8_bits(images: NDArray[np.uint8]):
    plain = Normalisation(mean=(127.5, 127.5, 127.5), standard_deviation=(127.5, 127.5, 127.5))
    parent = Predictor.from_bytes(model_bytes(wide_network(), replace(METADATA, normalisation=plain)))
    child = lighter(parent, lambda model: to_int8(model, images))

    ours, theirs = (
        ENGINES[name](child.model).run(images, ["probabilities"])[0] for name in ("onnxruntime", "openvino")
    )

    assert np.mean(ours.argmax(axis=1) != theirs.argmax(axis=1)) <= 0.02
    assert np.abs(ours - theirs).mean() < 1e-3


@pytest.mark.integration  # reads the weights of two networks
def test_two_networks_side_by_side_answer_nearly_alike_in_8_bits():
    network = with_weights(read_pretrained("lite0+lite2"), image_size=(64, 64), class_count=3).eval()
    images = np.stack([draw(("disc", "stripes", "square")[seed % 3], size=(64, 64), seed=seed) for seed in range(24)])
    plain = Normalisation(mean=(127.5, 127.5, 127.5), standard_deviation=(127.5, 127.5, 127.5))
    metadata = replace(METADATA, framing=Framing(size=(64, 64), mode="stretch"), normalisation=plain)
    parent = Predictor.from_bytes(model_bytes(to_onnx(network, (64, 64)), metadata))

    child = lighter(parent, lambda model: to_int8(model, images))

    assert len(child.model.data) < 0.4 * len(parent.model.data)
    theirs, ours = (one.run(images, ("embedding",))["embedding"] for one in (parent, child))
    assert ours.shape == (24, 2 * 1280)
    for part in np.split(np.arange(2 * 1280), 2):  # the features of either network
        assert np.corrcoef(theirs[:, part].ravel(), ours[:, part].ravel())[0, 1] > 0.9  # each by itself: 0.94 and 0.92


@pytest.mark.integration  # builds large networks
@pytest.mark.parametrize("name", ["mobilenetv4-small", "mobilenetv4-medium", "lite3", "lite4", "dinov2-small"])
def test_networks_of_the_hub_answer_nearly_alike_in_8_bits(name: str):
    network = build_network(name, image_size=(64, 64), class_count=3).eval()
    images = np.stack([draw(("disc", "stripes", "square")[seed % 3], size=(64, 64), seed=seed) for seed in range(24)])
    metadata = replace(METADATA, framing=Framing(size=(64, 64), mode="stretch"))
    parent = Predictor.from_bytes(model_bytes(to_onnx(network, (64, 64)), metadata))

    child = lighter(parent, lambda model: to_int8(model, images))

    assert len(child.model.data) < 0.4 * len(parent.model.data)
    theirs, ours = (one.run(images, ("embedding",))["embedding"] for one in (parent, child))
    assert np.corrcoef(theirs.ravel(), ours.ravel())[0, 1] > 0.9


def test_16_bits_round_the_weights_and_nothing_else(parent: Predictor, images: NDArray[np.uint8]):
    child = lighter(parent, to_fp16)
    before, after = tensors_of(parent), tensors_of(child)

    assert np.array_equal(after["first.weight.fp16"], before["first.weight"].astype(np.float16))
    assert np.array_equal(after["head.weight"], before["head.weight"])
    assert len(child.model.data) < len(parent.model.data)
    assert compare_sessions(open_session(parent.model), open_session(child.model), images).largest_difference < 0.02


def test_another_number_of_images_or_order_of_them_gives_a_file_that_is_read(
    parent: Predictor, images: NDArray[np.uint8]
):
    for some in (images[:1], images[:11], images[::-1]):
        child = lighter(parent, lambda model, some=some: to_int8(model, some))
        assert read_model_bytes(child.model.data).model_id == child.model.model_id


def test_a_network_without_large_weights_is_refused_16_bits():
    small = Predictor.from_bytes(model_bytes(tiny_network(), METADATA))

    with pytest.raises(ModelError, match="no weights"):
        to_fp16(graph_of(small))
