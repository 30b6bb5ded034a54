"""Handwritten digits for a month of use: light ink on dark paper as ever, then dark ink on white paper."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vidi.data.known_sets.named import NAMED_SETS
from vidi.files import digest_of, write_whole
from vidi.images.encode import encode_png

LEARNED: Final = 900  # digits that the first model learns from
AS_EVER: Final = 150  # that come in as the model knows them
CHANGED: Final = 500  # that come in afterwards
GREYEST: Final = 60  # level of the new ink; the new paper is white


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

    as_ever: Sequence[MonthImage]
    changed: Sequence[MonthImage]

    def truth(self) -> Mapping[str, str]:
        """Digest → digit."""
        return {one.digest: one.digit for one in (*self.as_ever, *self.changed)}


def write_digits(folder: Path) -> Month:
    """Write the digits to learn from into class folders; the others are the month."""
    load = NAMED_SETS["digits"].load
    assert load is not None  # noqa: S101  # it comes from an installed package
    images, digits = load()
    order = np.random.default_rng(0).permutation(len(images))
    for row in order[:LEARNED].tolist():
        write_whole(folder / str(digits[row]) / f"{row:04}.png", encode_png(images[row]))
    rest = order[LEARNED : LEARNED + AS_EVER + CHANGED].tolist()
    shown = [(images[row], str(digits[row])) for row in rest]
    return Month(
        as_ever=list(_files(shown[:AS_EVER])),
        changed=list(_files([(other_paper(image), digit) for image, digit in shown[AS_EVER:]])),
    )


def other_paper(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same writing in dark ink on white paper.

    >>> other_paper(np.array([[0, 255]], np.uint8)).tolist()
    [[255, 60]]
    """
    return np.round(255 - image * ((255 - GREYEST) / 255)).astype(np.uint8)


def _files(shown: Sequence[tuple[NDArray[np.uint8], str]]) -> Iterator[MonthImage]:
    for image, digit in shown:
        yield MonthImage(encode_png(image), digit)
