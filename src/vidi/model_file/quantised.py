"""Rows of numbers in 8 or 16 bits each, with a scale for each row."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ModelError
from vidi.metrics.arrays import Floats
from vidi.model_file.values import Json, integer_entry, numbers_entry, text_entry

TYPES = {8: "<i1", 16: "<i2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisedRows:
    """A matrix; each number is a whole number of its row's steps."""

    columns: int
    bits: int  # of each number: 8 or 16
    steps: tuple[float, ...]  # one for each row
    coded: bytes  # signed, little-endian, row by row

    def __post_init__(self) -> None:
        if self.bits not in TYPES or len(self.coded) * 8 != len(self.steps) * self.columns * self.bits:
            raise ModelError(
                f"{len(self.steps)} rows of {self.columns} numbers of {self.bits} bits have {len(self.coded):,} bytes",
                "Use a file that vidi wrote.",
            )

    @classmethod
    def of(cls, values: Floats, *, bits: int) -> "QuantisedRows":
        """The matrix (rows, columns) in 8 or 16 bits, wrong by half a step: by 1/254 or 1/65,534 of a row's maximum.

        >>> QuantisedRows.of(np.array([[12.7, -6.44], [0.0, 0.0]]), bits=8).values().astype(str).tolist()
        [['12.7', '-6.4'], ['0.0', '0.0']]
        """
        most = np.abs(values).max(axis=1) / (2 ** (bits - 1) - 1)
        steps = np.where(most > 0, most, 1.0)
        coded = np.round(values / steps[:, None]).astype(TYPES[bits])
        return cls(columns=values.shape[1], bits=bits, steps=tuple(steps.tolist()), coded=coded.tobytes())

    def values(self) -> NDArray[np.float32]:
        """(rows, columns) float32."""
        coded = np.frombuffer(self.coded, TYPES[self.bits]).reshape(len(self.steps), self.columns)
        values: NDArray[np.float32] = (coded * np.array(self.steps)[:, None]).astype(np.float32)
        return values


def rows_to_json(rows: QuantisedRows) -> dict[str, Json]:
    """Plain values, for the file."""
    return {
        "columns": rows.columns,
        "bits": rows.bits,
        "steps": list(rows.steps),
        "data": base64.b64encode(rows.coded).decode("ascii"),
    }


def rows_from_json(document: Mapping[str, Json]) -> QuantisedRows:
    """What `rows_to_json` wrote, checked.

    Raises:
        ModelError: a value is missing or of the wrong kind, or there are not as many bytes as are stated.
    """
    try:
        coded = base64.b64decode(text_entry(document, "data"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ModelError("the data of a matrix is not base64", "Use a file that vidi wrote.") from error
    return QuantisedRows(
        columns=integer_entry(document, "columns"),
        bits=integer_entry(document, "bits"),
        steps=numbers_entry(document, "steps"),
        coded=coded,
    )
