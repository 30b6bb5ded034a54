import pytest
import torch

from vidi.errors import UnknownNameError, UsageError
from vidi.networks.build import build_network, design_network
from vidi.networks.catalog import NETWORKS
from vidi.networks.lite import BLOCK_SCALE
from vidi.networks.options import NetworkOptions

ANY_SIZE = ("compact", "textbook", "dense")
HALVED = ("vgg16", "resnet50", "mobilenetv4-small", "mobilenetv4-medium", "dinov2-small")  # to 32 pixels


@pytest.mark.parametrize("name", ANY_SIZE)
@pytest.mark.parametrize("size", [(8, 8), (9, 31), (32, 32), (128, 64), (97, 130)])
def test_every_network_answers_at_every_size(name, size):
    network = build_network(name, image_size=size, class_count=3).eval()

    with torch.inference_mode():
        logits = network(torch.zeros(2, 3, *size))

    assert logits.shape == (2, 3)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {*ANY_SIZE, *HALVED, "lite0-grid"}))
def test_networks_of_even_halves_take_multiples_of_32(name):
    with torch.inference_mode():
        logits = build_network(name, image_size=(64, 32), class_count=3).eval()(torch.zeros(2, 3, 64, 32))
    assert logits.shape == (2, 3)

    with pytest.raises(UsageError, match="64x96") as raised:
        build_network(name, image_size=(65, 100), class_count=3)
    assert "multiples of 32" in str(raised.value)


@pytest.mark.parametrize("name", HALVED)
def test_the_well_known_networks_take_any_size_from_32_pixels_on(name):
    narrow = {"vgg16": NetworkOptions(width=0.125, dense_width=16), "resnet50": NetworkOptions(width=0.125)}.get(name)
    for size in ((32, 32), (33, 65)):
        network = build_network(name, image_size=size, class_count=3, options=narrow).eval()
        with torch.inference_mode():
            assert network(torch.zeros(2, 3, *size)).shape == (2, 3)

    with pytest.raises(UsageError, match="at least 32 pixels a side, not 31x64"):
        build_network(name, image_size=(31, 64), class_count=3)


# Published by Simonyan and Zisserman 2015 (138 million) and, to the last weight, by torchvision's tables.
@pytest.mark.parametrize(("name", "count"), [("vgg16", 138_357_544), ("resnet50", 25_557_032)])
def test_the_well_known_networks_have_as_many_weights_as_published(name, count):
    network = design_network(name, image_size=(224, 224), class_count=1000)

    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_weights_depend_on_the_seed_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()

    first, again, other = (build_network("compact", image_size=(32, 32), class_count=2, seed=s) for s in (0, 0, 1))

    pairs = list(zip(first.parameters(), again.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert any(not torch.equal(a, c) for a, _, c in pairs)
    assert torch.equal(before, torch.get_rng_state())


def test_the_textbook_network_is_the_one_of_the_introductions():
    network = build_network("textbook", image_size=(256, 256), class_count=3)

    # Six valid 3x3 convolutions (32, then five of 64), 2x2x64 values flattened, 64 dense, 3 classes.
    expected = (27 + 1) * 32 + (288 + 1) * 64 + 4 * (576 + 1) * 64 + (256 + 1) * 64 + (64 + 1) * 3
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_more_blocks_than_fit_are_refused():
    with pytest.raises(UsageError, match="4 convolution blocks do not fit into images of 32x32 pixels"):
        build_network("textbook", image_size=(32, 32), class_count=2, options=NetworkOptions(filters=(8, 8, 8, 8)))


@pytest.mark.parametrize(("size", "classes", "message"), [((7, 32), 2, "7x32"), ((32, 32), 1, "1 class")])
def test_what_cannot_be_a_network_is_refused(size, classes, message):
    with pytest.raises(UsageError, match=message):
        build_network("compact", image_size=size, class_count=classes)


def test_an_unknown_network_is_answered_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="compact, textbook, dense"):
        build_network("resnet", image_size=(32, 32), class_count=2)


def test_an_option_that_the_network_does_not_have_is_refused():
    with pytest.raises(UsageError, match="dense has no option filters"):
        build_network("dense", image_size=(32, 32), class_count=2, options=NetworkOptions(filters=(8,)))


def test_a_network_for_windows_takes_multiples_of_16_and_sees_their_places():
    network = build_network("lite0-grid", image_size=(64, 48), class_count=3)

    assert network.head.in_features == 112 * 4 * 3
    with pytest.raises(UsageError, match="multiples of 16 pixels above 32"):
        build_network("lite0-grid", image_size=(64, 32), class_count=3)


@pytest.mark.parametrize(("name", "channels"), [("lite0", (192, 192, 192, 192, 320)), ("lite2", (208,) * 5 + (352,))])
def test_features_of_the_last_blocks_stand_behind_the_usual_ones(name, channels):
    joined = build_network(name, image_size=(64, 96), class_count=2, options=NetworkOptions(block_features=True)).eval()
    usual = build_network(name, image_size=(64, 96), class_count=2).eval()
    usual.layers.load_state_dict(joined.layers.state_dict())
    inputs = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))

    with torch.inference_mode():
        features, known = joined.embed(inputs), usual.embed(inputs)
        before_last = usual.layers[:-2](inputs).mean(dim=(2, 3))

    assert features.shape == (2, 1280 + sum(channels))
    torch.testing.assert_close(features[:, :1280], known)
    torch.testing.assert_close(features[:, -channels[-1] :], BLOCK_SCALE * before_last)
