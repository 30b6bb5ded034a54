"""Which pairs of images are worth laying over one another: a search that need not look at every pair."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.data.copies.cells import BLOCK, FREQUENCIES, MOST_CELLS, Cells, likeness_of, odd_part
from vidi.machine import core_count

Floats = NDArray[np.float32]
Indexes = NDArray[np.int64]

OUTLINE = 16  # frequencies a side from which windows are described; one of 80 % reaches up to the tenth
NEAR = 0.955  # least correlation of two descriptors: 98 % of cuts to 80 % of the area lie above, measured
SAME = 0.995  # the same of two images in the same frame
TO_VERIFY = 4  # candidates of one image that are looked at closely
CROWD = 30  # look-alikes of one image beyond which only those in the same frame are looked at
CELL_IMAGES = 200
ALL_PAIRS = 1_000  # images up to which every pair is compared
IMAGES_TOGETHER = 1 << 18  # described at once, so that memory does not grow with the images
MOST_PARTS = 16  # in which the images are described: each part visits every cell
_BLOCK = 4096
_SAMPLES = 64


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of images that may be copies; the second may show a window of the first."""

    first: Indexes  # (pairs,) image index
    second: Indexes
    mirrored: NDArray[np.bool_]
    windows: Floats  # (pairs, 4) height, vertical shift, width, horizontal shift of the window, as a first guess
    crowded: NDArray[np.bool_]  # (images,) which images have too many look-alikes to trust a likeness


def find_candidates(
    grey: NDArray[np.uint8],
    rows: Indexes | None = None,
    *,
    all_pairs: int = ALL_PAIRS,
    cell_images: int = CELL_IMAGES,
    most_cells: int = MOST_CELLS,
    together: int = IMAGES_TOGETHER,
) -> Candidates:
    """Pairs whose coarse structure agrees, plain or mirrored, whole or as a window of at least 80 % of the area.

    Every image is described by 63 low frequencies, and once more for each of 24 windows of it; the descriptors of
    windows are looked up among those of whole images, in the few cells of like images where they can be.
    The work grows with images times the size of a cell, and with images times the logarithm of the cells.

    Args:
        grey: (all images, side, side) thumbnails.
        rows: (images,) which of them, each with some contrast; all by default. Indexes in the answer count these.
        all_pairs: up to this number of images every pair is compared, without cells.
        cell_images: images in a cell, on average.
        most_cells: beyond this number cells are sorted into regions; at least 2.
        together: images that are described at once.
    """
    rows = np.arange(len(grey)) if rows is None else rows
    if len(rows) < 2:
        nothing = np.zeros(0, np.int64)
        empty = np.zeros((0, 4), np.float32)
        return Candidates(nothing, nothing, np.zeros(0, bool), empty, np.zeros(len(rows), bool))
    windows = _windows()
    together = max(together, len(rows) // MOST_PARTS)
    starts = range(0, len(rows), together)
    whole = np.concatenate([_describe(_outline(grey, rows[start : start + together]), windows[0]) for start in starts])
    cells = Cells(whole, 1 if len(whole) <= all_pairs else len(whole) // cell_images, most_cells)
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
    for start in range(0, len(rows), _BLOCK):
        block = grey[rows[start : start + _BLOCK]].astype(np.float32)
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
