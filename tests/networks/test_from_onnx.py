import pytest
import torch
from tests.cases import few_fast
from tests.networks.test_to_onnx import with_lived_in_statistics

from vidi.errors import ModelError
from vidi.networks.build import build_network
from vidi.networks.from_onnx import start_from, weights_of
from vidi.networks.options import NetworkOptions
from vidi.networks.to_onnx import to_onnx

SIZE = (32, 32)


def some_inputs(count: int = 64) -> torch.Tensor:
    return torch.randn(count, 3, *SIZE, generator=torch.Generator().manual_seed(0))


NARROW = {"vgg16": NetworkOptions(width=0.125, dense_width=16), "resnet50": NetworkOptions(width=0.25)}


@pytest.mark.parametrize("name", few_fast(["compact", "textbook", "dense", "lite0", "vgg16", "resnet50"], 3))
def test_a_network_started_from_a_model_answers_as_the_model(name):
    options = NARROW.get(name)
    trained = with_lived_in_statistics(build_network(name, image_size=SIZE, class_count=3, options=options))
    network = build_network(name, image_size=SIZE, class_count=3, options=options, seed=1)

    left = start_from(network, weights_of(to_onnx(trained, SIZE))[0], inputs=some_inputs())

    assert left == []
    with torch.inference_mode():
        expected = trained(some_inputs())
        tolerance = 1e-4 * max(10.0, float(expected.abs().max()))
        torch.testing.assert_close(network.eval()(some_inputs()), expected, atol=tolerance, rtol=0)


@pytest.mark.slow  # over a second of processor time
def test_normalisation_by_batch_goes_on_where_the_running_statistics_were():
    inputs, narrow = some_inputs(), NetworkOptions(width=0.25)
    trained = build_network("compact", image_size=SIZE, class_count=3, options=narrow).train()
    for _ in range(80):  # statistics as training leaves them
        trained(inputs)
    network = build_network("compact", image_size=SIZE, class_count=3, options=narrow, seed=1)

    start_from(network, weights_of(to_onnx(trained.eval(), SIZE))[0], inputs=inputs)

    with torch.no_grad():
        torch.testing.assert_close(network.train()(inputs), trained.train()(inputs), atol=2e-2, rtol=1e-2)


def test_statistics_that_do_not_fit_the_weights_change_nothing_in_training_mode():
    inputs, narrow = some_inputs(64), NetworkOptions(width=0.25)
    given = with_lived_in_statistics(build_network("compact", image_size=SIZE, class_count=3, options=narrow))
    network = build_network("compact", image_size=SIZE, class_count=3, options=narrow, seed=1)

    start_from(network, weights_of(to_onnx(given, SIZE))[0], inputs=inputs)

    with torch.no_grad():
        torch.testing.assert_close(network.train()(inputs), given(inputs), atol=1e-3, rtol=1e-3)


def test_a_head_for_other_classes_stays_new():
    trained = build_network("compact", image_size=SIZE, class_count=3).eval()
    network = build_network("compact", image_size=SIZE, class_count=5, seed=1)
    before = network.head.weight.detach().clone()

    left = start_from(network, weights_of(to_onnx(trained, SIZE))[0], inputs=some_inputs())

    assert left == ["head"]
    assert torch.equal(network.head.weight, before)


def test_weights_of_another_network_are_refused():
    trained = build_network("textbook", image_size=SIZE, class_count=3).eval()
    network = build_network("compact", image_size=SIZE, class_count=3)

    with pytest.raises(ModelError, match=r"another network: layer layers\.0 needs 24x3x2x2, but the file has 32x3x3x3"):
        start_from(network, weights_of(to_onnx(trained, SIZE))[0], inputs=some_inputs())
