"""Which pairs of images are worth laying over one another: a search that need not look at every pair.

Descriptors are sorted into cells of like ones: what is like another is looked for in the few cells where it can be.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vidi.machine import core_count

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
OUTLINE = 16  # frequencies a side from which windows are described; one of 80 % reaches up to the tenth
NEAR = 0.955  # least correlation of two descriptors: 98 % of cuts to 80 % of the area lie above, measured
SAME = 0.995  # the same of two images in the same frame
TO_VERIFY = 4  # candidates of one image that are looked at closely
CROWD = 30  # look-alikes of one image beyond which only those in the same frame are looked at
CELL_IMAGES = 200
ALL_PAIRS = 1_000  # images up to which every pair is compared
IMAGES_TOGETHER = 1 << 18  # described at once, so that memory does not grow with the images
MOST_PARTS = 16  # in which the images are described: each part visits every cell
_DESCRIBED_TOGETHER = 4096  # images
_SAMPLES = 64


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
            ends: (regions,) where the centres of each region end.
        """
        self._centres, self._regions = centres, regions
        self._ends = np.array([len(centres)]) if ends is None else ends
        self._starts = np.concatenate([[0], self._ends[:-1]])

    @classmethod
    def among(cls, sample: Floats, count: int) -> Self:
        """About as many centres of descriptors: (images, 63) of length 1, in random order."""
        if count <= MOST_CELLS:
            return cls(_means(sample, count))
        fan = min(FAN, MOST_CELLS // 2)
        region_count = count // fan
        regions = cls.among(sample[: SAMPLED * region_count], region_count)
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

    def __init__(self, whole: Floats, count: int) -> None:
        """About as many cells of descriptors: (images, 63) of length 1."""
        picked = np.random.default_rng(0).permutation(len(whole))[: SAMPLED * count] if count > 1 else [0]
        self._centres = Centres.among(whole[picked], count)
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


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of images that may be copies; the second may show a window of the first."""

    first: Indexes  # (pairs,) image index
    second: Indexes
    mirrored: NDArray[np.bool_]
    windows: Floats  # (pairs, 4) height, vertical shift, width, horizontal shift of the window, as a first guess
    crowded: NDArray[np.bool_]  # (images,) which images have too many look-alikes to trust a likeness


def find_candidates(grey: NDArray[np.uint8], rows: Indexes) -> Candidates:
    """Pairs whose coarse structure agrees, plain or mirrored, whole or as a window of at least 80 % of the area.

    Every image is described by 63 low frequencies, and once more for each of 24 windows of it; the descriptors of
    windows are looked up among those of whole images, in the few cells of like images where they can be.
    The work grows with images times the size of a cell, and with images times the logarithm of the cells.

    Args:
        grey: (all images, side, side) thumbnails.
        rows: (images,) which of them, each with some contrast. Indexes in the answer count these.
    """
    if len(rows) < 2:
        nothing = np.zeros(0, np.int64)
        empty = np.zeros((0, 4), np.float32)
        return Candidates(nothing, nothing, np.zeros(0, bool), empty, np.zeros(len(rows), bool))
    windows = _windows()
    together = max(IMAGES_TOGETHER, len(rows) // MOST_PARTS)
    starts = range(0, len(rows), together)
    whole = np.concatenate([_describe(_outline(grey, rows[start : start + together]), windows[0]) for start in starts])
    cells = Cells(whole, 1 if len(whole) <= ALL_PAIRS else len(whole) // CELL_IMAGES)
    crowd = np.zeros(len(rows), np.int64)

    def search_from(start: int, threads: ThreadPoolExecutor) -> Iterator[NDArray[np.void]]:
        outline = _outline(grey, rows[start : start + together])

        def search(number: int) -> NDArray[np.void]:
            queries = whole[start : start + together] if number == 0 else _describe(outline, windows[number])
            hits = _search(queries, whole, cells, start, crowd if number == 0 else None)
            hits["window"] = number
            return hits

        yield from threads.map(search, range(len(windows)))

    with ThreadPoolExecutor(core_count(), thread_name_prefix="vidi-copies") as threads:
        found = np.concatenate([hits for start in starts for hits in search_from(start, threads)])
    crowded = crowd > CROWD
    close = found["likeness"] >= np.where(crowded[found["first"]] | crowded[found["second"]], SAME, NEAR)
    kept = _best_of_each(found[close], len(rows))
    shapes = np.array([_middle_and_scale(window) for window in windows], np.float32)
    return Candidates(kept["first"], kept["second"], kept["mirrored"], shapes[kept["window"]], crowded)


Spans = tuple[tuple[float, float], tuple[float, float]]  # (top, bottom), (left, right)
_HIT = np.dtype(
    [("first", np.int64), ("second", np.int64), ("likeness", np.float32), ("mirrored", bool), ("window", np.int64)]
)


def _windows() -> list[Spans]:
    """The whole image, and windows so spaced that any of 80 % of the area or more lies near one."""
    whole = (0.0, 1.0)
    spans = [(whole, whole)]
    both = _three_places(0.8**0.5)
    spans += [(rows, columns) for rows in both for columns in both]
    slight = ((0.0, 0.95), (0.05, 1.0))
    spans += [(rows, columns) for rows in slight for columns in slight]
    for span in (*_three_places(0.82), (0.0, 0.91), (0.09, 1.0)):
        spans += [(whole, span), (span, whole)]
    return spans


def _three_places(share: float) -> list[tuple[float, float]]:
    margin = 1 - share
    return [(0.0, share), (margin / 2, 1 - margin / 2), (margin, 1.0)]


def _middle_and_scale(window: Spans) -> list[float]:
    return [number for start, stop in window for number in (stop - start, (start + stop) / 2 - 0.5)]


def _outline(grey: NDArray[np.uint8], rows: Indexes) -> Floats:
    """(rows, OUTLINE, OUTLINE): the coarse structure of some images, from which all windows are described."""
    basis = _cosines((np.arange(grey.shape[1]) + 0.5) / grey.shape[1], OUTLINE)
    outline = np.empty((len(rows), OUTLINE, OUTLINE), np.float32)
    for start in range(0, len(rows), _DESCRIBED_TOGETHER):
        block = grey[rows[start : start + _DESCRIBED_TOGETHER]].astype(np.float32)
        outline[start : start + len(block)] = np.matmul(np.matmul(basis, block), basis.T)
    return outline


def _describe(outline: Floats, window: Spans) -> Floats:
    """Low frequencies of the window of every image, of length 1: (images, 63), those even across first."""
    down, across = (_frequencies_of(*span) for span in window)
    order = np.argsort(np.arange(1, FREQUENCIES * FREQUENCIES) % 2, kind="stable")
    terms = np.matmul(np.matmul(down, outline), across.T).reshape(len(outline), -1)[:, 1:]  # without the mean
    terms = terms.take(order, axis=1)  # row by row in memory: every query is gathered many times
    described: Floats = np.divide(terms, np.maximum(np.linalg.norm(terms, axis=1, keepdims=True), 1e-6))
    return described


def _frequencies_of(start: float, stop: float) -> Floats:
    """(FREQUENCIES, OUTLINE): from cosines over a whole axis to the first cosines over a span of it."""
    places = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    over_span = _cosines(places, FREQUENCIES)
    whole = _cosines(start + places * (stop - start), OUTLINE)
    weights: Floats = np.matmul(over_span, whole.T) / _SAMPLES
    return weights


def _cosines(places: NDArray[np.float64], count: int) -> Floats:
    """(count, places): the first cosines over an axis from 0 to 1, each with the same mean square."""
    waves = np.arange(count)[:, None]
    scale = np.where(waves == 0, 1.0, 2**0.5)
    values: Floats = (np.cos(np.pi * waves * places) * scale).astype(np.float32)
    return values


def _search(queries: Floats, whole: Floats, cells: Cells, start: int, crowd: Indexes | None) -> NDArray[np.void]:
    """The two likest images of each query in each cell that it may be in; counts look-alikes into `crowd`.

    The queries are windows of the images that begin at `start`.
    """
    hits = [np.zeros(0, _HIT)]
    for cell, (members, asking) in enumerate(zip(cells.members, cells.probes(queries), strict=True)):
        if len(members) == 0 or len(asking) == 0:
            continue
        inside = whole.take(members, axis=0)
        for first in range(0, len(asking), BLOCK):
            rows = asking[first : first + BLOCK]
            asked = queries.take(rows, axis=0)
            rows = rows + start
            likeness = likeness_of(asked, inside)
            own = np.flatnonzero(cells.cell[rows] == cell)
            likeness[own, cells.place[rows[own]]] = -1.0  # an image is no copy of itself
            near = np.flatnonzero(likeness[np.arange(len(rows)), likeness.argmax(axis=1)] >= NEAR)
            if len(near) == 0:
                continue
            likeness, odd, rows = likeness[near], odd_part(asked[near], inside), rows[near]
            if crowd is not None:
                crowd[rows] += (likeness >= NEAR).sum(axis=1)
            hits += _two_likest(likeness, odd, rows=rows, members=members)
    return np.concatenate(hits)


def _two_likest(likeness: Floats, odd: Floats, *, rows: Indexes, members: Indexes) -> list[NDArray[np.void]]:
    hits = []
    at = np.arange(len(rows))
    for _ in range(2):
        best = likeness.argmax(axis=1)
        near = np.flatnonzero(likeness[at, best] >= NEAR)
        hit = np.zeros(len(near), _HIT)
        hit["first"], hit["second"] = rows[near], members[best[near]]
        hit["likeness"], hit["mirrored"] = likeness[near, best[near]], odd[near, best[near]] < 0
        hits.append(hit)
        likeness[at, best] = -1.0
    return hits


def _best_of_each(hits: NDArray[np.void], count: int) -> NDArray[np.void]:
    """Each pair once, by its likest window, and of each image its few likest pairs."""
    low, high = np.minimum(hits["first"], hits["second"]), np.maximum(hits["first"], hits["second"])
    order = np.lexsort((hits["window"], -hits["likeness"], high, low))
    keys = (low * count + high)[order]
    hits = hits[order[np.concatenate([[True], keys[1:] != keys[:-1]])]] if len(order) else hits
    kept = np.zeros(len(hits), bool)
    for end in ("first", "second"):
        ranked = np.lexsort((-hits["likeness"], hits[end]))
        owners = hits[end][ranked]
        first_of_owner = np.searchsorted(owners, owners)
        kept[ranked[np.arange(len(owners)) - first_of_owner < TO_VERIFY]] = True
    return hits[kept]
