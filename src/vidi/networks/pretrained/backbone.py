"""Pretrained weights in a network for other classes: all of it but the head, which is new."""

import torch

from vidi.errors import ModelError
from vidi.networks.build import build_network
from vidi.networks.layers import Classifier
from vidi.networks.pretrained.weights import PretrainedWeights


def with_weights(
    weights: PretrainedWeights, *, image_size: tuple[int, int], class_count: int, seed: int = 0
) -> Classifier:
    """The weights' network for images of that size; its head has the weights that the seed gives.

    Raises:
        UsageError: the network does not take images of that size.
        ModelError: the weights are not those of the network that they claim to be of.
    """
    network = build_network(weights.network, image_size=image_size, class_count=class_count, seed=seed)
    body = {name: tensor for name, tensor in weights.tensors.items() if not name.startswith("head.")}
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items() if not name.startswith("head.")}
    wrong = sorted(name for name in wanted if name not in body or body[name].shape != wanted[name])
    if wrong or len(body) != len(wanted):
        raise ModelError(
            f"{weights.name}: the weights do not fit {weights.network}: {len(wrong)} layers are missing or of another "
            f"shape{', first ' + wrong[0] if wrong else ''}",
            "Use the file as it was published, or leave out --pretrained.",
        )
    network.load_state_dict({**network.state_dict(), **body})
    return network


def set_head(network: Classifier, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Give a network the head with these weights (classes, features) and biases (classes,)."""
    with torch.no_grad():
        network.head.weight.copy_(weight)
        network.head.bias.copy_(bias)
