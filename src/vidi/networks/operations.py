"""How much work a network is."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from vidi.networks.layers import Classifier


def operations_of(network: Classifier, image_size: tuple[int, int]) -> int:
    """Nominal floating-point operations of one image on its way forward: products and sums, padding included.

    Args:
        network: put into evaluation mode; its shapes are enough, as `design_network` gives them.
        image_size: (height, width), pixels.
    """
    network.eval()
    example = torch.zeros(1, 3, *image_size, device=network.head.weight.device)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(example)
    return int(counter.get_total_flops())
