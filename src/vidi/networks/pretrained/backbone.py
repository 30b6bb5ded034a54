"""Pretrained weights in a network for other classes: all of it but the head, which is new."""

import torch

from vidi.networks.build import build_network
from vidi.networks.layers import Classifier
from vidi.networks.options import NetworkOptions
from vidi.networks.pretrained.weights import PretrainedWeights, begin_with


def with_weights(
    weights: PretrainedWeights,
    *,
    image_size: tuple[int, int],
    class_count: int,
    options: NetworkOptions | None = None,
    seed: int = 0,
) -> Classifier:
    """The weights' network for images of that size; a head for other classes is new.

    Args:
        weights: of `read_pretrained`.
        image_size: (height, width), pixels.
        class_count: number of classes.
        options: the network's shape; None leaves it as it is.
        seed: of the new head.

    Raises:
        UsageError: the network does not take images of that size.
        ModelError: the weights are not those of the network that they claim to be of.
    """
    network = build_network(weights.network, image_size=image_size, class_count=class_count, options=options, seed=seed)
    begin_with(network, weights)
    return network


def set_head(network: Classifier, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Give a network the head with these weights (classes, features) and biases (classes,)."""
    with torch.no_grad():
        network.head.weight.copy_(weight)
        network.head.bias.copy_(bias)
