import numpy as np
import torch
from torch.nn import functional

from vidi.networks.build import build_network
from vidi.networks.compact import Whitening, fit_whitening
from vidi.networks.options import NetworkOptions

SIZE = (32, 32)


def smooth_images(*, is_grey: bool = False) -> torch.Tensor:
    """Noise whose neighbouring pixels and channels resemble each other, as in photographs."""
    random = np.random.default_rng(0)
    noise = torch.from_numpy(random.standard_normal((40, 1 if is_grey else 3, *SIZE)).astype(np.float32))
    blurred = functional.avg_pool2d(noise, 3, stride=1, padding=1)
    return (blurred + blurred.mean(dim=1, keepdim=True)).expand(-1, 3, -1, -1).contiguous()


def fitted(images: torch.Tensor, *, grey: bool | None = None):
    network = build_network("compact", image_size=SIZE, class_count=2, options=NetworkOptions(grey=grey))
    fit_whitening(network, images)
    return next(network.layers.children())


def test_patches_come_out_uncorrelated_and_of_one_variance():
    images = smooth_images()
    layer = fitted(images)

    channels = layer(images).permute(1, 0, 2, 3).flatten(1)
    half = channels[: layer.out_channels // 2]
    covariance = (half @ half.T / half.shape[1]).numpy()

    assert isinstance(layer, Whitening)
    # Patches beside those it was computed from; the least of the directions are held back a little.
    np.testing.assert_allclose(covariance, np.eye(len(half)), atol=0.12)


def test_each_direction_has_its_opposite():
    weights = fitted(smooth_images()).weight
    half = len(weights) // 2

    torch.testing.assert_close(weights[half:], -weights[:half], atol=0, rtol=0)


def test_grey_images_leave_no_direction_that_is_blown_up():
    images = smooth_images(is_grey=True)

    channels = fitted(images)(images)

    assert float(channels.abs().max()) < 10


def test_without_channels_for_colours_grey_images_lose_nothing():
    images = smooth_images(is_grey=True)

    with_colours, without = fitted(images)(images), fitted(images, grey=True)(images)

    assert (with_colours.shape[1], without.shape[1]) == (24, 8)
    # The main directions come first, and there are four of a 2 x 2 patch; the rest is noise of rounding.
    torch.testing.assert_close(without[:, :4].abs(), with_colours[:, :4].abs(), atol=1e-4, rtol=1e-3)
    assert float(with_colours[:, 4:12].abs().max()) < 1e-2


def test_it_is_not_learned_and_other_networks_have_none():
    assert not fitted(smooth_images()).weight.requires_grad
    other = build_network("textbook", image_size=SIZE, class_count=2)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    fit_whitening(other, smooth_images())
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.state_dict().items())
