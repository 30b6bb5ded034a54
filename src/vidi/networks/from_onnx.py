"""Weights of a model file back into a network, to begin a new training from them."""

from collections.abc import Mapping

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from vidi.errors import ModelError
from vidi.model_file.digests import MEMBERS, member_count
from vidi.networks.backbone import Backbone
from vidi.networks.layers import Classifier, ConvNorm
from vidi.networks.vit import VisionTransformer

Weights = Mapping[str, NDArray[np.float32]]
Weighted = ConvNorm | nn.Conv2d | nn.Linear


def weights_of(graph: onnx.GraphProto) -> tuple[dict[str, NDArray[np.float32]], ...]:
    """The trained tensors of a graph that `to_onnx` wrote, by name, for each network in it; the best is the first.

    Names are those of a single network.
    """
    count = member_count(tensor.name for tensor in graph.initializer)
    starts = [f"{MEMBERS}.{number}." for number in range(count)] if count > 1 else [""]
    return tuple(
        {
            tensor.name.removeprefix(start): numpy_helper.to_array(tensor)
            for tensor in graph.initializer
            if tensor.name.endswith((".weight", ".bias"))
            and tensor.name.startswith(start)
            and tensor.data_type == onnx.TensorProto.FLOAT
        }
        for start in starts
    )


def start_from(network: Classifier, weights: Weights, *, inputs: Tensor) -> list[str]:
    """Fill a new network with trained weights; a head for other classes stays new.

    A model file holds batch normalisation folded into the convolutions. It is unfolded here with the means and spreads
    that the given inputs have, so that the network answers as the file does, in training mode too.

    Args:
        inputs: (batch, 3, height, width) float32, normalised; some training images.

    Returns:
        Names of the layers that stay new: the head, where the number of classes differs.

    Raises:
        ModelError: the weights are of another network, or of one of timm's.
    """
    if any(isinstance(module, Backbone | VisionTransformer) for module in network.modules()):
        raise ModelError(
            "a model file with a timm backbone or a transformer cannot be trained further",
            "Start from its public weights with --pretrained.",
        )
    left = []
    layers = {name: module for name, module in network.named_modules() if isinstance(module, Weighted)}
    inside = tuple(f"{name}." for name, module in layers.items() if isinstance(module, ConvNorm))
    for name, module in layers.items():
        if name.startswith(inside):
            continue
        weight = _target(module).weight
        given = weights.get(f"{name}.weight")
        if name == "head" and given is not None and given.shape != tuple(weight.shape):
            left.append(name)
        elif given is None or given.shape != tuple(weight.shape):
            found = "none" if given is None else "x".join(str(side) for side in given.shape)
            raise ModelError(
                f"the weights are for another network: layer {name} needs {'x'.join(str(s) for s in weight.shape)}, "
                f"but the file has {found}",
                "Use a model with the same network, image size and options, or leave out --from.",
            )
        else:
            _fill(module, torch.from_numpy(given.copy()), torch.from_numpy(weights[f"{name}.bias"].copy()))
    _unfold(network, inputs)
    return left


def _target(module: Weighted) -> nn.Conv2d | nn.Linear:
    return module.convolution if isinstance(module, ConvNorm) else module


@torch.no_grad()
def _fill(module: Weighted, weight: Tensor, bias: Tensor) -> None:
    """Take over a layer; folded normalisation is at first one that changes nothing but adds the bias."""
    target = _target(module)
    target.weight.copy_(weight)
    if isinstance(module, ConvNorm):
        module.norm.bias.copy_(bias)
        module.norm.running_mean.zero_()  # type: ignore[union-attr]
        module.norm.running_var.fill_(1 - module.norm.eps)  # type: ignore[union-attr]
    elif target.bias is not None:
        target.bias.copy_(bias)


@torch.no_grad()
def _unfold(network: Classifier, inputs: Tensor) -> None:
    """Give each normalisation the mean and variance that its inputs have, and what takes their effect away again."""
    statistics: dict[nn.BatchNorm2d, tuple[Tensor, Tensor]] = {}

    def note(norm: nn.BatchNorm2d, given: tuple[Tensor]) -> None:
        variance, mean = torch.var_mean(given[0], dim=(0, 2, 3), correction=0)
        statistics[norm] = (mean, variance)

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    network.eval()
    network(inputs)
    for hook in hooks:
        hook.remove()
    for norm, (mean, variance) in statistics.items():
        norm.running_mean.copy_(mean)  # type: ignore[union-attr]
        norm.running_var.copy_(variance)  # type: ignore[union-attr]
        norm.weight.copy_((variance + norm.eps).sqrt())  # above 0, so that it commutes with max pooling still
        norm.bias.add_(mean)
