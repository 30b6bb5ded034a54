"""`--pretrained FILE`: weights that lie on this computer."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vidi.errors import ModelError, UsageError
from vidi.files import digest_of_file, escape_path
from vidi.networks.pretrained.recognise import recognise
from vidi.networks.pretrained.restricted import read_restricted
from vidi.networks.pretrained.weights import PretrainedWeights, find_weights

SAFE, TORCH = ".safetensors", (".pth", ".pt", ".bin")
UNKNOWN_LICENSE = "unknown: ask the author"
# How the training images of each network's public weights were scaled; vidi's own: as it trains.
NORMALISATIONS: Mapping[str, str] = {
    "lite0": "symmetric",
    "lite2": "symmetric",
    "lite0+lite2": "symmetric",
    "vgg16": "imagenet",
    "resnet50": "imagenet",
    "compact": "standardise",
}


def is_file_of_weights(source: str) -> bool:
    """Whether the user's word means a file, there or not, rather than a name."""
    return Path(source).suffix in (SAFE, *TORCH, ".onnx") or Path(source).is_file()


def weights_of_file(path: Path) -> PretrainedWeights:
    """The weights in a safetensors file or a state dict of torch; no code of the file runs.

    Args:
        path: ends in .safetensors, .pth, .pt or .bin. What vidi itself kept says its network, scaling and licence;
            of other files the network is found by names and shapes, and images are taken to be scaled as usual for it.

    Raises:
        UsageError: it is a run or a model file, which are begun from with --from, or of another kind.
        ModelError: it cannot be read, holds more than tensors, or weights of no network of vidi.
    """
    shown = escape_path(path)
    if path.is_dir() or path.suffix == ".onnx":
        raise UsageError(
            f"{shown} is a run or a model file, not a file of weights", f"Start from it with: --from {shown}"
        )
    if path.suffix not in (SAFE, *TORCH):
        raise UsageError(
            f"{shown} does not have the ending of a file of weights",
            f"Use a file that ends in {', '.join((SAFE, *TORCH))}.",
        )
    try:
        digest = digest_of_file(path)
    except OSError as error:
        raise ModelError(f"{shown} cannot be read: {error.strerror}", "Check the path.") from error
    kept = find_weights(path) if path.suffix == SAFE else None
    if kept is not None:
        return kept
    found = recognise(_without_prefix(_read(path)), source=shown)
    return PretrainedWeights(
        name=path.name,
        network=found.network,
        normalisation=NORMALISATIONS[found.network],
        license=UNKNOWN_LICENSE,
        digest=digest,
        tensors=found.tensors,
    )


def _read(path: Path) -> Mapping[str, Tensor]:
    if path.suffix != SAFE:
        return read_restricted(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"{escape_path(path)} is not a complete safetensors file", "Download or copy it again."
        ) from error


def _without_prefix(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Names without what wrapping a network puts before every one of them."""
    for prefix in ("module.", "_orig_mod.", "model."):
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors
