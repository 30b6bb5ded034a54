import pytest
import torch
from tests.networks.pretrained.published import VGG16, ResNet50, small_resnet50_weights
from torch import Tensor

from vidi.errors import ModelError
from vidi.networks.build import build_network, design_network
from vidi.networks.options import NetworkOptions
from vidi.networks.pretrained.recognise import find_naming, recognise, translate_names


def of_no_memory(network: str | type[torch.nn.Module]) -> dict[str, Tensor]:
    """Tensors of the right names and shapes, each one number seen many times."""
    with torch.device("meta"):
        made = design_network(network, image_size=(224, 224), class_count=9) if isinstance(network, str) else network()
    return {name: torch.zeros((), dtype=value.dtype).expand(value.shape) for name, value in made.state_dict().items()}


def as_timm_names_them(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    names = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2", "classifier.6": "head.fc"}
    renamed = {}
    for name, tensor in weights.items():
        layer, _, kind = name.rpartition(".")
        side = {"classifier.0": 7, "classifier.3": 1}.get(layer)
        convolution = side is not None and kind == "weight"
        shaped = tensor.reshape(tensor.shape[0], -1, side, side) if convolution else tensor
        renamed[f"{names.get(layer, layer)}.{kind}"] = shaped
    return renamed


@pytest.mark.slow  # over a second of processor time
@pytest.mark.parametrize("size", [(64, 64), (75, 101)])
def test_resnet50_answers_as_the_published_network_with_the_same_weights(size):
    weights = small_resnet50_weights(classes=4)
    published = ResNet50(4).eval()
    published.load_state_dict(weights)
    ours = build_network("resnet50", image_size=size, class_count=4).eval()
    inputs = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))

    found = recognise(weights, source="weights")
    ours.load_state_dict(dict(found.tensors))

    with torch.inference_mode():
        expected = published(inputs)
        torch.testing.assert_close(ours(inputs), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert found.network == "resnet50"


@pytest.mark.parametrize("size", [(224, 224), (256, 96)])
@pytest.mark.parametrize("rename", [dict, as_timm_names_them])
def test_vgg16_answers_as_the_published_network_with_the_same_weights(size, rename):
    torch.manual_seed(0)
    published = VGG16(4, divisor=8, dense_width=16).eval()
    options = NetworkOptions(width=0.125, dense_width=16)
    ours = build_network("vgg16", image_size=size, class_count=4, options=options).eval()
    inputs = torch.randn(2, 3, *size)
    weights = rename(published.state_dict())

    names = ours.state_dict()
    translated, unknown = translate_names(weights, find_naming(weights), frozenset(names))
    ours.load_state_dict({name: tensor.reshape(names[name].shape) for name, tensor in translated.items()})

    with torch.inference_mode():
        torch.testing.assert_close(ours(inputs), published(inputs), rtol=1e-4, atol=1e-6)
    assert unknown == []


@pytest.mark.parametrize("rename", [dict, as_timm_names_them])
def test_both_names_of_vgg16_are_understood_at_full_width(rename):
    found = recognise(rename(of_no_memory(VGG16)), source="weights")

    wanted = design_network("vgg16", image_size=(224, 224), class_count=1000).state_dict()
    assert found.network == "vgg16"
    assert {name: tensor.shape for name, tensor in found.tensors.items()} == {
        name: tensor.shape for name, tensor in wanted.items()
    }


@pytest.mark.parametrize("network", ["lite0", "lite2", "vgg16", "resnet50", "compact"])
def test_our_own_names_are_recognised(network):
    assert recognise(of_no_memory(network), source="weights").network == network


@pytest.mark.parametrize("side", [10, 32, 64, 128])
def test_compact_is_recognised_in_each_of_its_shapes(side):
    weights = build_network("compact", image_size=(side, side), class_count=2).state_dict()

    assert recognise(weights, source="weights").network == "compact"


def test_layers_are_matched_by_name_whatever_their_order():
    weights = small_resnet50_weights(classes=4)
    turned = dict(reversed(list(weights.items())))

    ours, again = (recognise(tensors, source="weights").tensors for tensors in (weights, turned))

    assert all(torch.equal(again[name], tensor) for name, tensor in ours.items())


def test_a_head_may_be_absent_and_older_files_lack_counters():
    weights = small_resnet50_weights(classes=4)
    backbone = {name: tensor for name, tensor in weights.items() if not name.startswith("fc.")}
    older = {name: tensor for name, tensor in weights.items() if "num_batches" not in name}

    assert "head.weight" not in recognise(backbone, source="weights").tensors
    assert recognise(older, source="weights").tensors["layers.0.norm.num_batches_tracked"] == 0


def test_half_precision_becomes_single():
    weights = {name: t.half() if t.is_floating_point() else t for name, t in small_resnet50_weights(4).items()}

    assert recognise(weights, source="weights").tensors["head.weight"].dtype == torch.float32


def without(name: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in of_no_memory(ResNet50).items() if key != name}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (lambda: {}, "no weights of a known network"),
        (lambda: {"encoder.patch.weight": torch.zeros(2)}, r"it starts with encoder\.patch\.weight"),
        (
            lambda: without("layer2.0.bn1.bias"),
            r"resnet50, but are not; missing layers: layers\.3\.0\.body\.0\.norm\.bias",
        ),
        (lambda: without("fc.bias"), r"missing layers: head\.bias"),
        (
            lambda: {**of_no_memory(ResNet50), "layer3.6.conv1.weight": torch.zeros(256, 1024, 1, 1)},
            r"unknown names: layer3\.6\.conv1\.weight",
        ),
        (
            lambda: {**of_no_memory(ResNet50), "conv1.weight": torch.zeros(64, 1, 7, 7)},
            r"layer layers\.0\.convolution\.weight needs 64x3x7x7, but the file has 64x1x7x7",
        ),
        (
            lambda: {**of_no_memory(ResNet50), "fc.bias": torch.full((1000,), torch.nan)},
            r"head\.bias holds values that are not finite",
        ),
    ],
)
def test_what_does_not_fit_is_named(weights, message):
    with pytest.raises(ModelError, match=message):
        recognise(weights(), source="weights.pth")
