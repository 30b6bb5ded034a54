"""Tensors as the protocol carries them: as bytes behind the JSON, or as lists within it."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vidi.model_file.values import Json
from vidi.serving.json_body import MOST_VALUES
from vidi.serving.problems import Problem

Values = NDArray[np.float32] | NDArray[np.object_]  # the latter holds bytes

LENGTH: Final = struct.Struct("<I")  # before each element of a BYTES tensor


@dataclass(frozen=True, slots=True, eq=False)
class OutputTensor:
    """A tensor of an answer."""

    name: str
    values: Values
    binary: bool = False  # behind the JSON, not within it

    @property
    def datatype(self) -> str:
        """The protocol's name of the type.

        >>> OutputTensor("label", texts(["a"])).datatype
        'BYTES'
        """
        return "BYTES" if self.values.dtype == object else "FP32"


def texts(values: Sequence[str]) -> NDArray[np.object_]:
    """Texts as a BYTES tensor (values,), in UTF-8; what UTF-8 cannot hold is escaped by a backslash."""
    array = np.empty(len(values), object)
    array[:] = [value.encode("utf-8", "backslashreplace") for value in values]
    return array


def to_binary(values: Values) -> bytes:
    r"""A tensor row by row, little-endian; BYTES with each element's length before it, in four bytes.

    >>> to_binary(texts(["ab", ""]))
    b'\x02\x00\x00\x00ab\x00\x00\x00\x00'
    """
    if values.dtype != object:
        return np.ascontiguousarray(values, "<f4").tobytes()
    return b"".join(part for value in _elements(values) for part in (LENGTH.pack(len(value)), value))


def _elements(values: Values) -> list[bytes]:
    """The elements of a BYTES tensor, row by row."""
    elements: list[Any] = values.ravel().tolist()
    return elements


def to_json(tensor: OutputTensor) -> list[Json]:
    """A tensor's values in one flat list, row by row; a float32 read as float64 and rounded is itself again.

    Raises:
        Problem: `invalid-input`; there are too many values, or one is no number.
    """
    if tensor.values.size > MOST_VALUES:
        raise Problem(
            "invalid-input",
            f"The output {tensor.name!r} has {tensor.values.size:,} values; JSON takes at most {MOST_VALUES:,}.",
            'Ask for it in binary form, or for other `outputs`: {"binary_data": true} among its parameters.',
        )
    if tensor.values.dtype == object:
        return [value.decode("utf-8") for value in _elements(tensor.values)]
    if not np.isfinite(np.asarray(tensor.values, np.float32)).all():
        raise Problem(
            "invalid-input",
            f"The output {tensor.name!r} holds a value that is no number, which JSON cannot carry.",
            'Ask for it in binary form: {"binary_data": true} among its parameters.',
        )
    return [*np.asarray(tensor.values, np.float64).ravel().tolist()]


def split_elements(data: memoryview | bytes, count: int, where: str) -> tuple[bytes, ...]:
    r"""The elements of a BYTES tensor.

    Args:
        data: each element with its length before it.
        count: how many there must be.
        where: what messages call the tensor.

    Raises:
        Problem: `bad-request`; a length leads over the end, or there are more or fewer elements.

    >>> split_elements(b"\x02\x00\x00\x00ab\x00\x00\x00\x00", 2, "`images`")
    (b'ab', b'')
    """
    found: list[bytes] = []
    place = 0
    while place < len(data):
        if len(found) == count:
            raise Problem("bad-request", f"{where} holds more than the {count} elements that its shape states.")
        start = place + LENGTH.size
        end = start + LENGTH.unpack_from(data, place)[0] if start <= len(data) else start
        if end > len(data):
            raise Problem(
                "bad-request",
                f"Element {len(found)} of {where} ends {end - len(data):,} bytes behind the tensor.",
                "Put each element's length before it, as four bytes, the lowest first.",
            )
        found.append(bytes(data[start:end]))
        place = end
    if len(found) < count:
        raise Problem("bad-request", f"{where} holds {len(found)} elements; its shape states {count}.")
    return tuple(found)


def flatten(data: Sequence[Any], shape: Sequence[int], where: str) -> Sequence[Any]:
    """Lists within lists, one for each dimension, as one list; a list that is flat already stays as it is.

    Args:
        data: of a tensor.
        shape: that its request states.
        where: what messages call the data.

    Raises:
        Problem: `bad-request`; there are more or fewer values, or the lists have other lengths.

    >>> flatten([[1, 2], [3, 4]], (2, 2), "`data`")
    [1, 2, 3, 4]
    """
    level = data
    for length in shape[1:] if data and isinstance(data[0], list) else ():
        rows = [row for row in level if isinstance(row, list) and len(row) == length]
        if len(rows) < len(level):
            raise Problem("bad-request", f"{where} is nested otherwise than its shape {list(shape)}.")
        level = list(chain.from_iterable(rows))
    if any(isinstance(value, list) for value in level):
        raise Problem("bad-request", f"{where} is nested otherwise than its shape {list(shape)}.")
    if len(level) != math.prod(shape):
        raise Problem(
            "bad-request",
            f"{where} holds {len(level):,} values; its shape {list(shape)} states {math.prod(shape):,}.",
        )
    return level
