"""Which files a model was trained on, without their names: a compact filter of their digests."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ModelError
from vidi.model_file.values import key

LOW_BITS = 10  # one foreign digest in 1,024 is taken for a known one
SPREAD = 1 << LOW_BITS  # places for each digest
MOST_BYTES = (1 << 20) // 4 * 3  # 1 MB of text in the file; a filter that would take more is left out
DIGITS = 16  # of a digest, as a number of 64 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestFilter:
    """A set of SHA-256 digests in about 11.6 bits each; one in 1,000 others seems to be in it.

    Each digest has a place among `image_count * 1024`. The gaps between the places, in order, are Golomb-Rice coded:
    first the low ten bits of every gap, then for every gap as many zeros as it holds whole 1,024s and a one.

    Source: Golomb 1966, Run-length encodings; Putze, Sanders and Singler 2009, Cache-, hash- and space-efficient
    Bloom filters, section 4 (compressed sequences of hash values).
    """

    image_count: int = field(metadata=key("images"))
    coded: bytes = field(metadata=key("digests"))

    def __post_init__(self) -> None:
        if not 1 <= self.image_count <= len(self.coded) * 8 // (LOW_BITS + 1):
            raise _damaged()

    @classmethod
    def of(cls, digests: Iterable[str]) -> "DigestFilter | None":
        """The filter of some files; None for no files, or if it would take more than 1 MB.

        Args:
            digests: 64 hex digits each.
        """
        known = set(digests)
        if not known:
            return None
        places = np.sort(np.array([_place(digest, len(known)) for digest in known], np.int64))
        gaps = places - np.concatenate([[0], places[:-1]])
        low = (gaps[:, None] >> np.arange(LOW_BITS)) & 1
        ends = np.cumsum((gaps >> LOW_BITS) + 1) - 1
        high = np.zeros(int(ends[-1]) + 1, np.uint8)
        high[ends] = 1
        coded = np.packbits(np.concatenate([low.astype(np.uint8).ravel(), high])).tobytes()
        return cls(image_count=len(known), coded=coded) if len(coded) <= MOST_BYTES else None

    def asker(self) -> Callable[[str], bool]:
        """A function that says of a digest whether it seems to be in the set; the set is decoded once.

        Raises:
            ModelError: the filter is damaged.
        """
        places = self._decoded()

        def holds(digest: str) -> bool:
            place = _place(digest, self.image_count)
            found = int(np.searchsorted(places, place))
            return place >= 0 and found < len(places) and int(places[found]) == place

        return holds

    def _decoded(self) -> NDArray[np.int64]:
        """The places, in order."""
        bits = np.unpackbits(np.frombuffer(self.coded, np.uint8))
        ends = np.flatnonzero(bits[LOW_BITS * self.image_count :])
        if len(ends) != self.image_count:
            raise _damaged()
        low = bits[: LOW_BITS * self.image_count].reshape(-1, LOW_BITS).astype(np.int64) @ (1 << np.arange(LOW_BITS))
        gaps = (np.diff(ends, prepend=-1) - 1 << LOW_BITS) | low
        return np.cumsum(gaps)


def with_files(filters: tuple[DigestFilter, ...] | None, digests: Iterable[str]) -> tuple[DigestFilter, ...] | None:
    """Add a filter for the files that the others do not hold; None if the training images are not stated."""
    if filters is None:
        return None
    askers = [one.asker() for one in filters]
    more = [digest for digest in digests if not any(holds(digest) for holds in askers)]
    own = DigestFilter.of(more)
    if own is None:
        return None if more else filters
    return (*filters, own)


def _place(digest: str, count: int) -> int:
    """Where a digest stands among `count * 1024` places; -1 where it is not one."""
    try:
        return int(digest[:DIGITS], 16) * count * SPREAD >> 4 * DIGITS
    except ValueError:
        return -1


def _damaged() -> ModelError:
    return ModelError("the list of training files is damaged", "Use a file that vidi wrote, or write it again.")
