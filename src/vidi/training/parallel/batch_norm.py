"""Batch normalisation over the whole batch, of which each process has a share."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from vidi.errors import UsageError
from vidi.training.parallel.group import Group

PLACES = (0, 2, 3)  # images, rows and columns: what a channel's mean is taken over


class SummedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation whose mean and variance are those of the shares of all processes."""

    def __init__(self, plain: nn.BatchNorm2d, group: Group) -> None:
        """The same layer, with the same parameters and statistics.

        Args:
            plain: the layer of one process.
            group: the processes that have the batch.
        """
        super().__init__(plain.num_features, eps=plain.eps, momentum=plain.momentum)
        self.weight, self.bias = plain.weight, plain.bias
        for name, buffer in plain.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        self.train(plain.training)
        self._group = group

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise (share of the batch, channels, rows, columns)."""
        if not self.training:
            return super().forward(inputs)
        result: tuple[Tensor, ...] = _Normalised.apply(  # type: ignore[no-untyped-call]
            inputs, self.weight, self.bias, self.eps, self._group
        )
        outputs, mean, variance, count = result
        self._note(mean, variance * (count / (count - 1).clamp(min=1)))
        return outputs

    @torch.no_grad()
    def _note(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics as one process would."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


class _Normalised(torch.autograd.Function):
    """Forward and backward of the normalisation, each with one exchange between the processes.

    Source: Ioffe and Szegedy 2015, Batch normalization, section 3; Chan et al. 1979 for adding up variances.
    """

    @staticmethod
    def forward(  # noqa: PLR0917  # torch calls it by place
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, epsilon: float, group: Group
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values = inputs.to(torch.float32)
        variance, mean = torch.var_mean(values, dim=PLACES, unbiased=False)
        count = torch.tensor([values.numel() / values.shape[1]])
        shares = group.gather(torch.cat([count, mean, variance])).to(torch.float64)
        counts, means, variances = shares[:, :1], shares[:, 1 : 1 + len(mean)], shares[:, 1 + len(mean) :]
        total = counts.sum()
        mean = (counts * means).sum(dim=0) / total
        variance = (counts * (variances + (means - mean) ** 2)).sum(dim=0) / total
        mean, variance = mean.to(torch.float32), variance.to(torch.float32)
        ctx.save_for_backward(inputs, weight, mean, torch.rsqrt(variance + epsilon))
        ctx.total, ctx.group = float(total), group
        outputs = functional.batch_norm(inputs, mean, variance, weight, bias, training=False, eps=epsilon)
        told = (mean, variance, total.to(torch.float32))
        ctx.mark_non_differentiable(*told)
        return (outputs, *told)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight, mean, inverse = ctx.saved_tensors
        given = gradients[0].to(torch.float32)
        normalised = (inputs.to(torch.float32) - _each(mean)).mul_(_each(inverse))
        own_bias, own_weight = given.sum(dim=PLACES), (given * normalised).sum(dim=PLACES)
        # The gradients of weight and bias stay this process's own: they are added up with all others after the step.
        summed = ctx.group.add_up(torch.cat([own_bias, own_weight])) / ctx.total
        of_bias, of_weight = summed.split(len(mean))
        result = given.sub(_each(of_bias)).sub_(normalised.mul_(_each(of_weight))).mul_(_each(weight * inverse))
        return result.to(inputs.dtype), own_weight, own_bias, None, None


def _each(values: Tensor) -> Tensor:
    """(channels,) to (channels, 1, 1), to be combined with maps."""
    return values[:, None, None]


def sum_batch_norms(network: nn.Module, group: Group) -> None:
    """Let every batch normalisation of a network see the shares of all processes; its parameters stay the same."""
    for parent in list(network.modules()):
        for name, module in list(parent.named_children()):
            if type(module) is nn.BatchNorm2d:
                setattr(parent, name, SummedBatchNorm(module, group))


def require_shareable(network: nn.Module, *, called: str, frozen_batch_norm: bool = False) -> None:
    """Make sure that several processes can train a network as one would.

    Args:
        network: to be trained.
        called: its name, for the message.
        frozen_batch_norm: its batch statistics are not computed, so they need not be added up.

    Raises:
        UsageError: a layer looks at a whole batch in a way that cannot be added up, or draws random numbers.
    """
    for name, module in network.named_modules():
        kind = type(module).__name__
        is_other = isinstance(module, _BatchNorm) and type(module) is not nn.BatchNorm2d
        if is_other and not frozen_batch_norm:
            reason = "has batch statistics that cannot be summed"
        elif (isinstance(module, _DropoutNd) and module.p > 0) or kind in ("DropPath", "StochasticDepth"):
            reason = "draws random numbers, other ones in each process"
        else:
            continue
        raise UsageError(
            f"{called} cannot be trained by several processes: its layer {name} ({kind}) {reason}",
            "Leave out --processes, or use another --network.",
        )
