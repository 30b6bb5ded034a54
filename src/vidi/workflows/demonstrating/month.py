"""Handwritten digits for a month of use: in light ink on dark paper as before, then in dark ink on white paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vidi.data.known_sets.named import NAMED_SETS
from vidi.files import digest_of, write_whole
from vidi.images.encode import encode_png

GREYEST: Final = 60  # level of the new ink; the new paper is white


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSize:
    """How much there is of everything."""

    learned: int = 900  # digits that the first model learns from
    as_before: int = 150  # that come in as the model knows them
    changed: int = 300  # that come in afterwards
    later: int = 200  # changed ones, too, on which both models are compared in the end
    labels: int = 30
    epochs: int = 12  # of each training


@dataclass(frozen=True, slots=True)
class MonthImage:
    """One image of the month, and what it shows."""

    data: bytes  # of its file
    digit: str

    @property
    def digest(self) -> str:
        """As the log names it."""
        return digest_of(self.data)


@dataclass(frozen=True, slots=True)
class Month:
    """What comes in, in this order."""

    as_before: Sequence[MonthImage]
    changed: Sequence[MonthImage]
    later: Sequence[MonthImage]

    def truth(self) -> Mapping[str, str]:
        """Digest → digit."""
        return {one.digest: one.digit for one in (*self.as_before, *self.changed)}


def write_digits(folder: Path, size: LoopSize) -> Month:
    """Write the digits to learn from into class folders; the others are the month."""
    load = NAMED_SETS["digits"].load
    assert load is not None  # noqa: S101  # it comes from an installed package
    images, digits = load()
    rows = iter(np.random.default_rng(0).permutation(len(images)).tolist())
    for row in islice(rows, size.learned):
        write_whole(folder / str(digits[row]) / f"{row:04}.png", encode_png(images[row]))

    def take(count: int, *, is_changed: bool) -> list[MonthImage]:
        return [
            MonthImage(encode_png(other_paper(images[row]) if is_changed else images[row]), str(digits[row]))
            for row in islice(rows, count)
        ]

    return Month(
        as_before=take(size.as_before, is_changed=False),
        changed=take(size.changed, is_changed=True),
        later=take(size.later, is_changed=True),
    )


def other_paper(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same writing in dark ink on white paper.

    >>> other_paper(np.array([[0, 255]], np.uint8)).tolist()
    [[255, 60]]
    """
    return np.round(255 - image * ((255 - GREYEST) / 255)).astype(np.uint8)
