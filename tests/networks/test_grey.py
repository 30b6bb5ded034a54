"""A network trained on grey images sees of a colour image its brightness."""

import numpy as np
import pytest
import torch

from vidi.networks.build import build_network
from vidi.networks.layers import LUMA, average_colour_filters


@pytest.mark.parametrize(
    ("name", "size"), [("compact", (25, 25)), ("compact", (64, 64)), ("textbook", (28, 28)), ("dense", (16, 16))]
)
def test_grey_images_give_the_same_and_colour_images_what_their_grey_gives(name, size):
    network = build_network(name, image_size=size, class_count=3).eval()
    random = np.random.default_rng(0)
    colour = torch.from_numpy(random.normal(size=(4, 3, *size)).astype(np.float32))
    grey = (colour * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    with torch.no_grad():
        before = network(grey)
        average_colour_filters(network)

        torch.testing.assert_close(network(grey), before, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(network(colour), before, atol=1e-4, rtol=1e-4)
