"""What pretrained weights are once they are read: tensors under our layers' names, and where they came from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vidi.files import write_whole

_KEY = "vidi"


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedWeights:
    """Weights to begin from."""

    name: str  # as the user says it
    network: str  # in `vidi.networks.registry.NETWORKS`
    normalisation: str  # how the images were scaled that they were learnt from; a choice of `Recipe.normalisation`
    license: str  # SPDX name, or a sentence
    digest: str  # SHA-256 of the file that they came from
    tensors: Mapping[str, Tensor]  # of `Classifier.layers` and, where its classes are of use, `head`


def keep_weights(path: Path, weights: PretrainedWeights) -> None:
    """Write them as safetensors, with a digest over every tensor.

    Raises:
        ResourceError: the disk refuses.
    """
    about = {
        "name": weights.name,
        "network": weights.network,
        "normalisation": weights.normalisation,
        "license": weights.license,
        "digest": weights.digest,
        "tensors": digest_of_tensors(weights.tensors),
    }
    tensors = {name: tensor.contiguous() for name, tensor in weights.tensors.items()}
    write_whole(path, save(tensors, metadata={_KEY: json.dumps(about, sort_keys=True)}))


def find_weights(path: Path, *, digest: str) -> PretrainedWeights | None:
    """The weights that `keep_weights` wrote; None where there are none, or not a byte for byte whole set.

    Args:
        path: of the safetensors file.
        digest: SHA-256 of the file that they must have come from.
    """
    try:
        with safe_open(path, framework="pt") as kept:
            about = json.loads(kept.metadata()[_KEY])
            tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118  # no mapping
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    if about.pop("tensors") != digest_of_tensors(tensors) or about["digest"] != digest:
        return None
    return PretrainedWeights(**about, tensors=tensors)


def digest_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, sorted by name."""
    hashed = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        hashed.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        hashed.update(tensor.numpy().tobytes())
    return hashed.hexdigest()
