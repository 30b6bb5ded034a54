"""Checkpoints: tensors and JSON in one safetensors file with a digest over every byte; never a pickle."""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from vidi.errors import ModelError
from vidi.files import TEMPORARY_PREFIX, escape_path, write_atomic

NAME, PREVIOUS_NAME = "checkpoint.safetensors", "checkpoint-previous.safetensors"
SCHEMA = 1
_DIGEST_KEY = b'"vidi_digest":"'
_DIGITS = 64
_START_ANEW = "Start a new training, or restore a copy of the run folder."


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint file holds."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]  # plain JSON
    fault: str = ""  # why the one after it cannot be used: an error's cause


def write_checkpoint(folder: Path, tensors: Mapping[str, Tensor], *, values: Mapping[str, object]) -> None:
    """Write `checkpoint.safetensors`; the one before it stays as `checkpoint-previous.safetensors`.

    At every moment at least one whole checkpoint stands under one of the two names.

    Raises:
        ResourceError: the disk is full or refuses; both earlier files are untouched.
    """
    path = folder / NAME
    if path.exists():
        _keep_previous(path, folder / PREVIOUS_NAME)
    write_atomic(path, encode(tensors, values))


def _keep_previous(path: Path, previous: Path) -> None:
    """A second name for the file, so that the new one can take over the first name in one step."""
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        os.link(path, temporary)
        os.replace(temporary, previous)
    except OSError:  # no hard links here: for a moment only the previous name exists, which reading copes with
        with contextlib.suppress(OSError):
            os.replace(path, previous)
    finally:
        temporary.unlink(missing_ok=True)


def encode(tensors: Mapping[str, Tensor], values: Mapping[str, object]) -> bytes:
    """The bytes of a checkpoint file: its digest is that of the same bytes with the digest's digits as zeros."""
    content = json.dumps({"schema": SCHEMA, **values}, sort_keys=True)
    data = bytearray(save(dict(tensors), metadata={"vidi": content, "vidi_digest": "0" * _DIGITS}))
    start = data.index(_DIGEST_KEY) + len(_DIGEST_KEY)
    data[start : start + _DIGITS] = hashlib.sha256(data).hexdigest().encode()
    return bytes(data)


def decode(data: bytes, *, name: str) -> Checkpoint:
    """The checkpoint that `encode` wrote.

    Raises:
        ModelError: a byte is not as it was written, or the file is from another version.
    """
    mutable = bytearray(data)
    start = mutable.find(_DIGEST_KEY) + len(_DIGEST_KEY)
    written = bytes(mutable[start : start + _DIGITS])
    mutable[start : start + _DIGITS] = b"0" * _DIGITS
    if hashlib.sha256(mutable).hexdigest().encode() != written:
        raise ModelError(f"{name} is damaged: its digest does not match its bytes", _START_ANEW)
    try:
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        values = json.loads(metadata["vidi"])
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{name} is not a checkpoint of vidi", _START_ANEW) from error
    if values["schema"] != SCHEMA:
        raise ModelError(
            f"{name} has schema {values['schema']}; this version of vidi reads schema {SCHEMA}",
            "Use the version of vidi that wrote it, or start a new training.",
        )
    return Checkpoint(tensors, values)


def read_checkpoint(folder: Path) -> Checkpoint:
    """The last whole checkpoint of a run; a damaged one falls back to the one before it, with its `fault`.

    Raises:
        ModelError: there is no checkpoint that can be trusted.
    """
    failures: list[str] = []
    for path in (folder / NAME, folder / PREVIOUS_NAME):
        try:
            checkpoint = decode(path.read_bytes(), name=escape_path(path))
        except FileNotFoundError:
            failures.append(f"{escape_path(path)} does not exist")
        except OSError as error:
            failures.append(f"{escape_path(path)} cannot be read: {error.strerror}")
        except ModelError as error:
            failures.append(error.cause)
        else:
            return Checkpoint(checkpoint.tensors, checkpoint.values, failures[0] if failures else "")
    raise ModelError("; ".join(failures), _START_ANEW)
