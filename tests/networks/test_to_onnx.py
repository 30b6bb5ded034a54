import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper
from tests.cases import few_fast
from torch import nn

from vidi.errors import ModelError
from vidi.model_file.anatomy import OPSET
from vidi.networks.build import build_network
from vidi.networks.layers import Classifier
from vidi.networks.options import NetworkOptions
from vidi.networks.to_onnx import to_onnx

CASES = [
    ("compact", (8, 8), NetworkOptions()),
    ("compact", (32, 32), NetworkOptions(width=0.5)),
    ("compact", (28, 32), NetworkOptions(width=0.5, activation="gelu")),
    ("compact", (50, 75), NetworkOptions(width=0.5)),
    ("compact", (128, 64), NetworkOptions(width=0.5)),
    ("compact", (101, 130), NetworkOptions(width=0.25)),
    ("textbook", (64, 48), NetworkOptions()),
    ("textbook", (40, 40), NetworkOptions(filters=(8, 4), pooling="average", dense_width=5)),
    ("dense", (20, 30), NetworkOptions()),
    ("lite0", (64, 96), NetworkOptions()),
    ("lite2", (32, 32), NetworkOptions()),
    ("lite0", (64, 32), NetworkOptions(block_features=True)),
    ("lite2", (32, 64), NetworkOptions(block_features=True)),
    ("lite0+lite2", (32, 64), NetworkOptions()),
    ("lite0+lite2", (64, 32), NetworkOptions(block_features=True)),
    ("lite3", (32, 64), NetworkOptions(block_features=True)),
    ("mobilenetv4-small", (50, 64), NetworkOptions()),
    ("mobilenetv4-medium", (64, 32), NetworkOptions()),
    ("dinov2-small", (45, 57), NetworkOptions()),
    ("dinov2-small", (320, 224), NetworkOptions()),
    ("vgg16", (32, 32), NetworkOptions(width=0.125, dense_width=24)),
    ("vgg16", (224, 224), NetworkOptions(width=0.125, dense_width=24)),
    ("vgg16", (290, 75), NetworkOptions(width=0.125, dense_width=24)),
    ("resnet50", (32, 32), NetworkOptions(width=0.25)),
    ("resnet50", (97, 130), NetworkOptions(width=0.25)),
]


def session_of(network: Classifier, image_size: tuple[int, int]) -> onnxruntime.InferenceSession:
    graph = to_onnx(network, image_size)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def with_lived_in_statistics(network: Classifier) -> Classifier:
    """As after training: normalisation that does something."""
    random = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=random)
            module.running_var.uniform_(0.5, 2, generator=random)
            module.bias.data.normal_(0, 0.3, generator=random)
    return network.eval()


def assert_alike(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal but for what rounding adds up to, which grows with the largest value (untrained shortcuts add up)."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(10, np.abs(expected).max()))


@pytest.mark.parametrize(("name", "size", "options"), few_fast(CASES, 3))
def test_onnxruntime_answers_as_torch_does(name, size, options):
    network = with_lived_in_statistics(build_network(name, image_size=size, class_count=3, options=options))
    inputs = np.random.default_rng(0).standard_normal((3, 3, *size)).astype(np.float32)

    logits, embedding = session_of(network, size).run(["logits", "embedding"], {"inputs": inputs})

    with torch.inference_mode():
        assert_alike(logits, network(torch.from_numpy(inputs)).numpy())
        assert_alike(embedding, network.embed(torch.from_numpy(inputs)).numpy())


@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("compact", (40, 40), NetworkOptions()),
        ("resnet50", (40, 40), NetworkOptions(width=0.125)),
        ("lite0", (64, 96), NetworkOptions(block_features=True)),
        ("lite0+lite2", (64, 96), NetworkOptions(block_features=True)),
    ],
)
def test_the_mean_of_the_evidence_is_the_logit(name, size, options):
    network = with_lived_in_statistics(build_network(name, image_size=size, class_count=4, options=options))
    inputs = np.random.default_rng(0).standard_normal((2, 3, *size)).astype(np.float32)

    logits, evidence = session_of(network, size).run(["logits", "evidence"], {"inputs": inputs})

    assert evidence.shape[:2] == (2, 4)
    assert_alike(evidence.mean(axis=(2, 3)), logits)


@pytest.mark.parametrize(("name", "size"), [("compact", (33, 40)), ("textbook", (64, 48)), ("lite0", (64, 96))])
def test_a_network_that_looks_both_ways_answers_alike_in_the_model_file(name, size):
    network = with_lived_in_statistics(build_network(name, image_size=size, class_count=3))
    network.both_ways = True
    inputs = np.random.default_rng(0).standard_normal((3, 3, *size)).astype(np.float32)
    session = session_of(network, size)

    logits, embedding = session.run(["logits", "embedding"], {"inputs": inputs})
    mirrored = session.run(["logits"], {"inputs": inputs[..., ::-1].copy()})[0]

    with torch.inference_mode():
        assert_alike(logits, network(torch.from_numpy(inputs)).numpy())
        assert_alike(embedding, network.embed(torch.from_numpy(inputs)).numpy())
    assert_alike(mirrored, logits)


def test_evidence_of_both_ways_lies_where_the_image_has_it():
    size = (32, 48)
    network = with_lived_in_statistics(build_network("compact", image_size=size, class_count=3))
    network.both_ways = True
    inputs = np.random.default_rng(0).standard_normal((2, 3, *size)).astype(np.float32)
    session = session_of(network, size)

    logits, evidence = session.run(["logits", "evidence"], {"inputs": inputs})
    mirrored = session.run(["evidence"], {"inputs": inputs[..., ::-1].copy()})[0]

    assert_alike(evidence.mean(axis=(2, 3)), logits)
    assert_alike(mirrored[..., ::-1], evidence)


def test_evidence_is_absent_where_there_are_too_many_classes_or_no_global_mean():
    many = build_network("compact", image_size=(8, 8), class_count=201, options=NetworkOptions(width=0.25))
    plain = build_network("textbook", image_size=(32, 32), class_count=2)

    names = [[output.name for output in to_onnx(network, (32, 32)).output] for network in (many, plain)]

    assert names == [["logits", "embedding"], ["logits", "embedding"]]


def test_a_layer_without_translation_is_named():
    network = Classifier(nn.Sequential(nn.Flatten(), nn.Softplus()), nn.Linear(12, 2))

    with pytest.raises(ModelError, match=r"layers\.1: a layer of type Softplus cannot be written as ONNX"):
        to_onnx(network, (2, 2))
