"""Pretrained weights in a network for other classes: all of it but the head."""

import torch

from vidi.networks.build import blank_network
from vidi.networks.layers import Classifier
from vidi.networks.options import NetworkOptions
from vidi.networks.pretrained.weights import PretrainedWeights, begin_with


def with_weights(
    weights: PretrainedWeights,
    *,
    image_size: tuple[int, int],
    class_count: int,
    options: NetworkOptions | None = None,
) -> Classifier:
    """The weights' network for images of that size; a head for other classes is all 0, until `set_head`.

    Args:
        weights: of `read_pretrained`.
        image_size: (height, width), pixels.
        class_count: number of classes.
        options: the network's shape; None leaves it as it is.

    Raises:
        UsageError: the network does not take images of that size.
        ModelError: the weights are not those of the network that they claim to be of.
    """
    network = blank_network(weights.network, image_size=image_size, class_count=class_count, options=options)
    begin_with(network, weights)
    return network


def set_head(network: Classifier, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Give a network the head with these weights (classes, features) and biases (classes,)."""
    with torch.no_grad():
        network.head.weight.copy_(weight)
        network.head.bias.copy_(bias)
