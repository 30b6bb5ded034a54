"""Steps that turn all directions of a convolution alike, so that a network learns more from each image."""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn, optim

from vidi.networks.layers import ConvNorm

TURNS = 3  # of the iteration; singular values between 0.2 and 1 end within 0.7 to 1.2, which is even enough
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the polynomial that lifts small singular values fastest


def orthogonalised(matrix: Tensor, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """A matrix with the same singular vectors whose singular values are near 1.

    Args:
        matrix: (rows, columns).
        dtype: of the products in between.

    Source: Jordan et al. 2024, Muon: an optimizer for hidden layers in neural networks.
    """
    first, third, fifth = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    values = (matrix.T if tall else matrix).to(dtype)
    values = values / (values.norm() + 1e-7)
    for _ in range(TURNS):
        square = values @ values.T
        values = first * values + (third * square + fifth * square @ square) @ values
    even: Tensor = (values.T if tall else values).to(matrix.dtype)
    return even


def turning_weights(network: nn.Module) -> list[Tensor]:
    """Weights of the convolutions that are normalised right afterwards: their direction counts, not their length.

    Those that look at one channel each are left out: they have no directions to make alike.
    """
    return [
        module.convolution.weight
        for module in network.modules()
        if isinstance(module, ConvNorm) and module.convolution.groups == 1 and module.convolution.weight.requires_grad
    ]


class Muon(optim.Optimizer):
    """Nesterov's momentum, whose steps are orthogonalised in the groups that have `turns` set.

    There the weights keep the length that they begin with, and a step is in proportion to it: the rate is an angle.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], *, lr: float, momentum: float, dtype: torch.dtype) -> None:
        """An optimizer that has not stepped yet.

        Args:
            groups: of parameters, each with `turns` and `weight_decay`.
            lr: learning rate of the groups that have none of their own.
            momentum: how much of the running sum of gradients a step keeps.
            dtype: of the products that orthogonalise.
        """
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0, "turns": False})
        self._dtype = dtype

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """New weights from the gradients; parameters without one stay."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)
        return loss

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        gradient = gradient.add(parameter, alpha=group["weight_decay"])
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
            state["length"] = parameter.norm()
        sums = state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        change = gradient.add(sums, alpha=group["momentum"])
        if group["turns"]:
            # Channels last, as they lie in memory where the processor wants it so; the order of columns means nothing.
            columns = change.permute(0, 2, 3, 1)
            even = orthogonalised(columns.reshape(len(columns), -1), dtype=self._dtype)
            change = even.view_as(columns).permute(0, 3, 1, 2) * (state["length"] / len(parameter) ** 0.5)
            parameter.mul_(state["length"] / parameter.norm())
        parameter.add_(change, alpha=-group["lr"])
