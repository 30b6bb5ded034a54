"""What a network that was trained on grey images sees of colour: brightness, and nothing else."""

import torch
from torch import nn

from vidi.networks.layers import Classifier

LUMA = (0.299, 0.587, 0.114)  # red, green, blue; ITU-R BT.601, as in every conversion to grey


def look_through_grey(network: Classifier) -> None:
    """Change the first layer so that a colour image gives what its grey version would.

    On grey images, whose three channels are equal, a layer's answer depends only on the sum of its weights over the
    channels; how that sum is shared among red, green and blue is what chance left there, and a colour photograph
    would bring it to light. Shared by brightness, the answers for grey images stay as they are.

    Args:
        network: its normalisation has equal numbers for the three channels; changed in place.
    """
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear))
    with torch.no_grad():
        # Red first, then green, then blue, both in patches and after `Flatten`.
        weights = first.weight.view(first.weight.shape[0], 3, -1)
        shares = torch.tensor(LUMA).view(1, 3, 1)
        weights.copy_(weights.sum(dim=1, keepdim=True) * shares)
