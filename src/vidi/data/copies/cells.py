"""Descriptors sorted into cells of like ones: what is like another is looked for in the few cells where it can be."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indexes = NDArray[np.int64]

FREQUENCIES = 8  # a side: the coarse structure that survives a resize, a re-encoding and a small shift
EVEN = FREQUENCIES * (FREQUENCIES // 2) - 1  # descriptors that stay as they are when an image is mirrored
MOST_CELLS = 1_000  # up to which a descriptor is compared with the centre of each; beyond with those near it alone
FAN = 64  # centres in a region, on average, where there are more
REGIONS = 8  # in which a descriptor is looked for
PROBES = 4  # cells in which a descriptor is looked for
SAMPLED = 40  # images for each centre, from which the centres are found
BLOCK = 512  # queries compared at once: what comes out stays in a processor's cache
_ROOM = 1 << 21  # values held at once where the likest centres are chosen


def likeness_of(queries: Floats, whole: Floats) -> Floats:
    """(queries, images): correlation of each, or with the mirror image where that is greater: where odd is < 0."""
    likeness = odd_part(queries, whole)
    np.abs(likeness, out=likeness)
    likeness += queries[:, :EVEN] @ whole[:, :EVEN].T
    return likeness


def odd_part(queries: Floats, whole: Floats) -> Floats:
    """(queries, images): the part of the correlation that changes its sign when one of both is mirrored."""
    return queries[:, EVEN:] @ whole[:, EVEN:].T


class Centres:
    """Centres of cells. Many are sorted into regions, by centres of their own; a query meets those of a few regions.

    What a query takes grows with the logarithm of the number of centres.
    """

    def __init__(self, centres: Floats, regions: Self | None = None, ends: Indexes | None = None) -> None:
        """
        Args:
            centres: (cells, 63), those of one region beside one another.
            regions: the centres of the regions, where there are several.
            ends: (regions,) where the centres of each region end.
        """
        self._centres, self._regions = centres, regions
        self._ends = np.array([len(centres)]) if ends is None else ends
        self._starts = np.concatenate([[0], self._ends[:-1]])

    @classmethod
    def among(cls, sample: Floats, count: int, *, most: int) -> Self:
        """About as many centres of descriptors.

        Args:
            sample: (images, 63) descriptors of length 1, in random order.
            count: of the centres.
            most: up to which they are not sorted into regions; at least 2.
        """
        if count <= most:
            return cls(_means(sample, count))
        fan = min(FAN, most // 2)
        region_count = count // fan
        regions = cls.among(sample[: SAMPLED * region_count], region_count, most=most)
        parts = by_cell(regions.nearest(sample, 1), len(regions))
        shares = [round(count * len(rows) / len(sample)) for rows in parts]
        inner = [_means(sample[rows], min(max(1, share), 2 * fan)) for rows, share in zip(parts, shares, strict=True)]
        return cls(np.concatenate(inner), regions, np.cumsum([len(part) for part in inner]))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._centres)

    def nearest(self, queries: Floats, count: int) -> NDArray[np.int32]:
        """(queries, count): the cells whose centres are most alike."""
        widest = int((self._ends - self._starts).max())
        together = max(1, min(8 * BLOCK, _ROOM // (widest * (1 if self._regions is None else REGIONS))))
        blocks = [queries[start : start + together] for start in range(0, len(queries), together)]
        choose = self._among_all if self._regions is None else self._among_regions
        return np.concatenate([choose(block, count) for block in blocks]).astype(np.int32)

    def _among_all(self, queries: Floats, count: int) -> Indexes:
        return _greatest(likeness_of(queries, self._centres), count)

    def _among_regions(self, queries: Floats, count: int) -> Indexes:
        assert self._regions is not None  # noqa: S101  # the caller has looked
        regions = self._regions.nearest(queries, min(REGIONS, len(self._regions)))
        asked, widest = regions.shape[1], int((self._ends - self._starts).max())
        values = np.empty((regions.size, widest), np.float32)  # likeness to the centres of a region, region by region
        places, done = by_place(regions, len(self._regions)), 0
        for one, start, end in zip(places, self._starts, self._ends, strict=True):
            if len(one):
                rows = values[done : done + len(one)]
                rows[:, : end - start] = likeness_of(queries.take(one // asked, axis=0), self._centres[start:end])
                rows[:, end - start :] = -np.inf
                done += len(one)
        back = np.empty(regions.size, np.int64)
        back[np.concatenate(places)] = np.arange(regions.size)
        values = values.take(back, axis=0)
        chosen = _greatest(values.reshape(len(queries), -1), count)
        region = np.take_along_axis(regions, chosen // widest, axis=1)
        return self._starts[region] + chosen % widest


class Cells:
    """Images sorted into cells of like ones, by their nearest centre."""

    def __init__(self, whole: Floats, count: int, most: int = MOST_CELLS) -> None:
        """
        Args:
            whole: (images, 63) descriptors of length 1.
            count: of the cells, about.
            most: up to which a descriptor is compared with the centre of each.
        """
        picked = np.random.default_rng(0).permutation(len(whole))[: SAMPLED * count] if count > 1 else [0]
        self._centres = Centres.among(whole[picked], count, most=most)
        self.cell = self._centres.nearest(whole, 1)[:, 0]  # (images,) and the place of each image in its cell
        self.members = by_cell(self.cell[:, None], len(self._centres))
        self.place = np.zeros(len(whole), np.int32)
        for members in self.members:
            self.place[members] = np.arange(len(members))

    def probes(self, queries: Floats) -> list[Indexes]:
        """For each cell, which queries are to be looked for in it."""
        return by_cell(self._centres.nearest(queries, min(PROBES, len(self._centres))), len(self._centres))


def by_cell(chosen: NDArray[np.int32], cell_count: int) -> list[Indexes]:
    """For each cell, the rows that have chosen it, in ascending order."""
    return [places // chosen.shape[1] for places in by_place(chosen, cell_count)]


def by_place(chosen: NDArray[np.int32], cell_count: int) -> list[Indexes]:
    """For each cell, where it stands in the flat array, in ascending order."""
    keys = chosen.ravel().astype(np.uint16 if cell_count <= 1 << 16 else np.int32)  # 16 bits are sorted by counting
    ends = np.cumsum(np.bincount(keys, minlength=cell_count))
    return np.split(np.argsort(keys, kind="stable"), ends[:-1])


def _greatest(values: Floats, count: int) -> Indexes:
    """(rows, count): the places of the greatest values of each row, which are lost."""
    rows = np.arange(len(values))
    places = np.empty((len(values), count), np.int64)
    for place in range(count):  # the greatest, again and again: faster than a partition for so few
        places[:, place] = values.argmax(axis=1)
        values[rows, places[:, place]] = -np.inf
    return places


def _means(sample: Floats, count: int) -> Floats:
    """Centres by a few rounds of k-means; they begin at the first descriptors."""
    centres = sample[:count].copy()
    for _ in range(4 if count > 1 else 0):
        sums = np.zeros_like(centres)
        for start in range(0, len(sample), BLOCK):
            upright = sample[start : start + BLOCK].copy()
            nearest = likeness_of(upright, centres).argmax(axis=1)
            odd = (upright[:, EVEN:] * centres[nearest, EVEN:]).sum(axis=1)
            upright[odd < 0, EVEN:] *= -1
            np.add.at(sums, nearest, upright)
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(norms > 0, sums / np.maximum(norms, 1e-6), centres)
    return centres
