"""Averaged weights: several trainings of one network in a single one that costs no more than each."""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vidi.networks.layers import Classifier
from vidi.training.loop.objective import InputNormalisation

BATCH = 128
MOST_FOR_STATISTICS = 2_048  # training images that show what the averaged network's normalisations see


@torch.no_grad()
def average_weights(
    networks: Sequence[Classifier],
    images: NDArray[np.uint8],
    *,
    rows: NDArray[np.int64] | None,
    normalisation: InputNormalisation,
) -> Classifier:
    """One network whose weights are the mean of the given ones', its normalisations measured again.

    Args:
        networks: of one kind and shape.
        images: (images, height, width, 3) uint8, framed.
        rows: training images; of very many some are looked at. None: what the normalisations remember is averaged too.
        normalisation: what the networks want to see.

    Source: Wortsman et al. 2022, Model soups: averaging weights of multiple fine-tuned models improves accuracy
    without increasing inference time.
    """
    mean = copy.deepcopy(networks[0])
    others = [network.state_dict() for network in networks]
    for name, tensor in mean.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.stack([weights[name].to(torch.float64) for weights in others]).mean(dim=0))
    if rows is not None:
        renew_statistics(mean, images, rows=rows, normalisation=normalisation)
    return mean.eval().requires_grad_(False)


@torch.no_grad()
def renew_statistics(
    network: Classifier, images: NDArray[np.uint8], *, rows: NDArray[np.int64], normalisation: InputNormalisation
) -> None:
    """Measure on training images what each batch normalisation gets to see, in place of what it remembers.

    Args:
        network: changed in place.
        images: (images, height, width, 3) uint8, framed.
        rows: training images; of very many, evenly spaced ones are used. Of a single one nothing can be measured.
        normalisation: what the network wants to see.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms or len(rows) < 2:
        return
    some = rows[:: -(-len(rows) // MOST_FOR_STATISTICS)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    network.train()
    for piece in np.array_split(some, -(-len(some) // BATCH)):
        network(normalisation.inputs(images[piece]))
    network.eval()


def greedy_soup(
    networks: Sequence[Classifier],
    *,
    average: Callable[[Sequence[Classifier]], Classifier],
    loss: Callable[[Classifier], float],
) -> tuple[Classifier, list[int]]:
    """Networks are added one after the other, and kept in the mean where it then does no worse.

    Args:
        networks: the best first.
        average: makes one network of several.
        loss: of a network, on images that none of them was trained on; lower is better.

    Returns:
        The mean, and which of the networks are in it; the first alone where no other helps.

    Source: Wortsman et al. 2022, Model soups, algorithm 1.
    """
    chosen, mean = [0], networks[0]
    best = loss(mean)
    for number in range(1, len(networks)):
        candidate = average([networks[index] for index in (*chosen, number)])
        candidate_loss = loss(candidate)
        if candidate_loss <= best:
            chosen, mean, best = [*chosen, number], candidate, candidate_loss
    return mean, chosen
