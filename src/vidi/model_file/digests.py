"""The two digests of a model file, of its trained tensors and of the whole file; names of several networks' tensors."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

OWN_PREFIX = "vidi."  # tensors of the preprocessing and the calibration; what lacks it was trained
DIGEST_KEY = "vidi_digest"
DIGEST_LENGTH = 64  # hex digits; they are the last bytes of the file
MEMBERS = "members"  # with a member's number it stands before the names of its tensors: `members.0.head.weight`
MIRRORED = "mirrored"  # how the names begin of what a network that looks both ways adds


@dataclass(frozen=True, slots=True)
class TensorView:
    """One tensor as it stands in the file."""

    name: str
    type_name: str  # ONNX's word: FLOAT, INT64 …
    shape: tuple[int, ...]
    data: bytes | memoryview  # little-endian


def digest_weights(tensors: Iterable[TensorView]) -> str:
    """SHA-256 over name, type, shape and bytes of the trained tensors, sorted by name, as 64 hex digits.

    Each tensor adds `name NUL type NUL shape NUL bytes`, the shape as `3,4`. Trained are all tensors but whole numbers
    of 64 bits, which are shapes, and the file's own (`vidi.`). So calibrating a model leaves the digest as it is.
    """
    digest = hashlib.sha256()
    for tensor in sorted(tensors, key=lambda tensor: tensor.name):
        if tensor.type_name != "INT64" and not tensor.name.startswith(OWN_PREFIX):
            shape = ",".join(map(str, tensor.shape))
            digest.update(f"{tensor.name}\0{tensor.type_name}\0{shape}\0".encode())
            digest.update(tensor.data)
    return digest.hexdigest()


def digest_file(data: bytes) -> str:
    """SHA-256 of a model file's bytes with its last 64, the digest itself, read as zeros."""
    digest = hashlib.sha256(memoryview(data)[:-DIGEST_LENGTH])
    digest.update(b"0" * DIGEST_LENGTH)
    return digest.hexdigest()


def is_digest(text: str) -> bool:
    """Whether a text is a SHA-256 as this file writes them.

    >>> is_digest(digest_weights([])), is_digest("0123")
    (True, False)
    """
    return len(text) == DIGEST_LENGTH and set(text) <= set("0123456789abcdef")


def member_count(tensor_names: Iterable[str]) -> int:
    """How many networks answer together in a file with these tensors; usually 1.

    >>> member_count(["members.0.head.weight", "members.1.head.weight", "vidi.mean"])
    2
    """
    numbers = {name.split(".")[1] for name in tensor_names if name.startswith(f"{MEMBERS}.")}
    return max(1, len(numbers))
