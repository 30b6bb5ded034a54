"""The processes of one training, as the training loop sees them: what they share out, add up and agree on."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class GroupBrokenError(Exception):
    """Another process of the training is gone, or does not answer."""


class Group(Protocol):
    """Processes that train one network; all must call the same functions in the same order."""

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""

    @property
    def size(self) -> int:
        """Number of processes."""

    def add_up(self, values: Tensor) -> Tensor:
        """The sum over the processes, the same bits in each; may change what it is given."""

    def gather(self, values: Tensor) -> Tensor:
        """(size, …) what each process gave."""

    def from_first(self, number: int) -> int:
        """What process 0 gave, for decisions by its clock or its user."""

    def bytes_from_first(self, data: bytes) -> bytes:
        """What process 0 gave; what the others give does not count."""


@dataclass(frozen=True, slots=True)
class Alone:
    """One process: there is nothing to share out or to add up."""

    rank: int = 0
    size: int = 1

    def add_up(self, values: Tensor) -> Tensor:
        """The values themselves."""
        return values

    def gather(self, values: Tensor) -> Tensor:
        """(1, …) the values."""
        return values[None]

    def from_first(self, number: int) -> int:
        """The number itself."""
        return number

    def bytes_from_first(self, data: bytes) -> bytes:
        """The bytes themselves."""
        return data


ALONE = Alone()


def share_of(rows: NDArray[np.int64], group: Group) -> NDArray[np.int64]:
    """Those of the rows that this process takes; the shares differ by one row at most.

    >>> share_of(np.arange(5), ALONE).tolist()
    [0, 1, 2, 3, 4]
    """
    return rows if group.size == 1 else np.array_split(rows, group.size)[group.rank]


def add_gradients(network: nn.Module, group: Group, *, loss: float, correct: int) -> tuple[float, int]:
    """Replace each gradient by its sum over the processes; the sums of loss and of right answers come back.

    Everything travels as one piece, so that a step waits for the others once.
    """
    if group.size == 1:
        return loss, correct
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    told = torch.tensor([loss, correct], dtype=torch.float32)
    summed = group.add_up(torch.cat([told, *(gradient.reshape(-1).to(torch.float32) for gradient in gradients)]))
    start = len(told)
    for gradient in gradients:
        gradient.copy_(summed[start : start + gradient.numel()].view(gradient.shape))
        start += gradient.numel()
    return float(summed[0]), int(summed[1])
