"""The one place where a file of torch's own format is opened: by the reader that makes tensors and nothing else."""

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from vidi.errors import ModelError
from vidi.files import escape_path

WRAPPED = ("state_dict", "model")  # where training programs keep it


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


_SAFER = "Use a state dict, or better a .safetensors file, which can only hold tensors."
