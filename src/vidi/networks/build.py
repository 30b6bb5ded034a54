"""From a name and a size to an initialised network."""

import math
from importlib import import_module

import numpy as np
import torch
from torch import nn

from vidi.errors import UnknownNameError, UsageError
from vidi.networks.backbone import timm_network
from vidi.networks.catalog import NETWORKS, TIMM
from vidi.networks.layers import Classifier
from vidi.networks.options import NetworkOptions

SMALLEST_SIDE = 8  # pixels
SMALL = 0.1  # what a single number begins as


def build_network(
    name: str,
    *,
    image_size: tuple[int, int],
    class_count: int,
    options: NetworkOptions | None = None,
    seed: int = 0,
) -> Classifier:
    """An untrained network whose weights depend on the seed alone: no global random state is read or changed.

    Args:
        image_size: (height, width) in pixels, at least 8 each.
        class_count: at least 2.
        options: the network's shape; None leaves it as it is.
        seed: 0 or more.

    Raises:
        UnknownNameError: no such network.
        UsageError: the size or the options do not fit the network.
    """
    network = design_network(name, image_size=image_size, class_count=class_count, options=options)
    if network.head.weight.is_meta:
        network.to_empty(device="cpu")
    initialise(network, seed=seed)
    return network


def design_network(
    name: str, *, image_size: tuple[int, int], class_count: int, options: NetworkOptions | None = None
) -> Classifier:
    """The layers and their shapes alone, without memory for weights: whether a recipe can be built is known at once.

    Raises:
        UnknownNameError, UsageError: as `build_network`.
    """
    if min(image_size) < SMALLEST_SIDE:
        raise UsageError(
            f"the network's images would be {image_size[0]}x{image_size[1]} pixels",
            f"Use at least {SMALLEST_SIDE} pixels each way with --imgsz.",
        )
    if class_count < 2:
        raise UsageError(f"{class_count} class is not enough", "Use images of at least two classes.")
    options = options or NetworkOptions()
    if name.startswith(TIMM):
        return timm_network(name, image_size=image_size, class_count=class_count, options=options)
    if name not in NETWORKS:
        raise UnknownNameError(f"no network is called {name!r}", f"Use one of: {', '.join(NETWORKS)}.")
    entry = NETWORKS[name]
    build = getattr(import_module(f"vidi.networks.{entry.family}"), entry.builder)
    with torch.device("meta"):  # shapes only, so that no global random number is drawn
        network: Classifier = build(image_size=image_size, class_count=class_count, options=options)
    return network


def blank_network(
    name: str, *, image_size: tuple[int, int], class_count: int, options: NetworkOptions | None = None
) -> Classifier:
    """A network whose weights are all 0: for its layers and shapes, or for weights that are loaded into it.

    Nothing is drawn, which takes a while where there are very many weights. A network of timm has its own values.

    Raises:
        UnknownNameError, UsageError: as `build_network`.
    """
    network = design_network(name, image_size=image_size, class_count=class_count, options=options)
    if network.head.weight.is_meta:
        network.to_empty(device="cpu")
        with torch.no_grad():
            for tensor in (*network.parameters(), *network.buffers()):
                tensor.zero_()
    return network


def initialise(network: nn.Module, *, seed: int) -> None:
    """Fill every weight in the order of the layers, from one generator.

    Layers without a bias of their own (those with batch normalisation) start as He et al. 2015, the others as
    Glorot and Bengio 2010, which is what the introductions use.
    """
    random = np.random.default_rng([seed, 0x1B17])
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            shape = tuple(module.weight.shape)
            area = math.prod(shape[2:])
            fan_in, fan_out = shape[1] * area, shape[0] * area
            if module.bias is None:
                values = random.standard_normal(shape) * math.sqrt(2 / fan_in)
            else:
                values = random.uniform(-1, 1, shape) * math.sqrt(6 / (fan_in + fan_out))
                nn.init.zeros_(module.bias)
            with torch.no_grad():
                module.weight.copy_(torch.from_numpy(values.astype(np.float32)))
        elif isinstance(module, nn.LayerNorm):
            module.reset_parameters()
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        else:  # tokens, their places and scales
            for parameter in module.parameters(recurse=False):
                nn.init.constant_(parameter, SMALL)
