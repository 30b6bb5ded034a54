"""Pretrained weights once they are read, where they came from, and a network that begins with them."""

import hashlib
import json
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vidi.errors import ModelError
from vidi.files import escape_path, written_atomically
from vidi.networks.build import blank_network
from vidi.networks.layers import Classifier
from vidi.networks.options import NetworkOptions

_KEY = "vidi"
WRAPPED = ("state_dict", "model")  # where training programs keep it
_SAFER = "Use a state dict, or better a .safetensors file, which can only hold tensors."


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedWeights:
    """Weights to begin from."""

    name: str  # as the user says it
    network: str  # in `vidi.networks.catalog.NETWORKS`
    normalisation: str  # how their training images were scaled; a choice of `Recipe.normalisation`
    license: str  # SPDX name, or a sentence
    digest: str  # SHA-256 of the file that they came from
    tensors: Mapping[str, Tensor]  # of `Classifier.layers` and, where its classes are of use, `head`


def keep_weights(path: Path, weights: PretrainedWeights) -> None:
    """Write them as safetensors, with a digest over every tensor.

    Raises:
        ResourceError: the disk refuses.
    """
    about = {item.name: getattr(weights, item.name) for item in fields(weights)}
    about["tensors"] = digest_of_tensors(weights.tensors)
    tensors = {name: tensor.contiguous() for name, tensor in weights.tensors.items()}
    with written_atomically(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={_KEY: json.dumps(about, sort_keys=True)})
        except SafetensorError as error:  # its word for what the disk says
            raise OSError(str(error)) from error


def find_weights(path: Path, *, digest: str | None = None) -> PretrainedWeights | None:
    """The weights that `keep_weights` wrote; None where there are none, or not a byte for byte whole set.

    Args:
        digest: SHA-256 of the file that they must have come from; None: of any.
    """
    try:
        with safe_open(path, framework="pt") as kept:
            about = json.loads(kept.metadata()[_KEY])
            tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118  # no mapping
        whole = about.pop("tensors")
        found = PretrainedWeights(**about, tensors=tensors)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if whole != digest_of_tensors(tensors) or digest not in (None, found.digest):
        return None
    return found


def begin_with(network: Classifier, weights: PretrainedWeights) -> None:
    """Fill a network with pretrained weights; a head for other classes stays as it is.

    Args:
        network: of the kind that `weights.network` says, for images of any size.

    Raises:
        ModelError: the network has another shape than the one that the weights are of.
    """
    ours = network.state_dict()
    heads = {name for name in ours if name.startswith("head.")}
    fitting = {name for name in heads if name in weights.tensors and weights.tensors[name].shape == ours[name].shape}
    left = set() if fitting == heads else heads
    given = {name: tensor for name, tensor in weights.tensors.items() if name not in left}
    for name, tensor in ours.items():
        if name not in left and (name not in given or given[name].shape != tensor.shape):
            raise ModelError(
                f"the weights {weights.name} are for another {weights.network}: {name} does not fit",
                "Leave out options that change the network's shape (--set options…). For compact, use the image size "
                "of the weights.",
            )
    network.load_state_dict(given, strict=False)


def digest_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, sorted by name."""
    hashed = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        hashed.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        hashed.update(tensor.numpy().tobytes())
    return hashed.hexdigest()


def read_restricted(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict by name; no code of the file runs.

    Training programs often keep it under `state_dict` or `model` beside other values; that is understood.

    Raises:
        ModelError: it is not such a file, or holds more than tensors.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own about how the file was written: it is read or refused
            found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{escape_path(path)} cannot be read: {error.strerror}", "Check the path.") from error
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise ModelError(f"{escape_path(path)} is not a plain file of weights", _SAFER) from error
    if isinstance(found, Mapping):
        found = next((found[key] for key in WRAPPED if isinstance(found.get(key), Mapping)), found)
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ModelError(f"{escape_path(path)} holds something other than named weights", _SAFER)
    return {str(name): tensor for name, tensor in found.items()}


def with_weights(
    weights: PretrainedWeights,
    *,
    image_size: tuple[int, int],
    class_count: int,
    options: NetworkOptions | None = None,
) -> Classifier:
    """The weights' network for images of that size; a head for other classes is all 0, until `set_head`.

    Args:
        image_size: (height, width), pixels.
        options: the network's shape; None leaves it as it is.

    Raises:
        UsageError: the network does not take images of that size.
        ModelError: the weights are not those of the network that they claim to be of.
    """
    network = blank_network(weights.network, image_size=image_size, class_count=class_count, options=options)
    begin_with(network, weights)
    return network


def set_head(network: Classifier, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Give a network the head with these weights (classes, features) and biases (classes,)."""
    with torch.no_grad():
        network.head.weight.copy_(weight)
        network.head.bias.copy_(bias)
