"""Networks side by side: one answer of several trainings."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vidi.metrics.outputs import SIGMOID, SOFTMAX, Outputs
from vidi.networks.layers import Classifier


class Ensemble(nn.Module):
    """Networks of one kind whose probabilities are averaged; the first is the best of them.

    Where images may show several classes, each told by itself, the logits are averaged in place of the probabilities.
    """

    def __init__(self, members: Sequence[Classifier], *, outputs: Outputs = SOFTMAX) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.outputs = outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalised inputs (batch, 3, height, width) to logits (batch, classes): logs of the mean probabilities."""
        if self.outputs == SIGMOID:
            return torch.stack([member(inputs).to(torch.float32) for member in members_of(self)]).mean(dim=0)
        logs = torch.stack([member(inputs).to(torch.float32).log_softmax(dim=1) for member in members_of(self)])
        return logs.logsumexp(dim=0) - math.log(len(self.members))

    def embed(self, inputs: Tensor) -> Tensor:
        """Normalised inputs (batch, 3, height, width) to embeddings (batch, features of all members in turn)."""
        return torch.cat([member.embed(inputs) for member in members_of(self)], dim=1)


Network = Classifier | Ensemble  # what a training may end in, and a model file hold


def members_of(network: Network) -> list[Classifier]:
    """The networks that answer: one, or those of an ensemble."""
    if isinstance(network, Classifier):
        return [network]
    return [member for member in network.members if isinstance(member, Classifier)]
