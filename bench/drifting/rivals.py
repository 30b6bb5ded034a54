"""Two usual tests of drift on windows: Kolmogorov-Smirnov with Bonferroni, and MMD on embeddings.

Both see the reference's own rows and the latest images, every 100 images. Their statistics are kept for all looks of
a stream; thresholds come from undisturbed streams.

Sources: Rabanser, Guennemann and Lipton 2019, Failing loudly (Kolmogorov-Smirnov with Bonferroni); Gretton et al. 2012,
A kernel two-sample test (MMD, median heuristic).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstwobign

Floats = NDArray[np.floating]
EVERY = 100  # images between two looks
MOST_LOGARITHM = 700.0
FOR_WIDTH = 500  # images


def smirnov(references: Sequence[Floats], streams: Sequence[Floats], windows: Sequence[int]) -> dict[int, Floats]:
    """By window, (looks,): -log of the smallest p-value of the features; higher is more suspicious.

    Args:
        references: values of each feature in the reference, (images,) each; features may have different counts.
        streams: values of each feature in the stream, (images,) each.
        windows: lengths in images, multiples of 100; a window that is not yet full holds all images so far.
    """
    found = {window: np.zeros(len(streams[0]) // EVERY) for window in windows}
    for reference, stream in zip(references, streams, strict=True):
        edges, counts = np.unique(reference, return_counts=True)
        shares = np.concatenate([[0.0], np.cumsum(counts) / len(reference)]).astype(np.float32)  # below each edge
        # A value is below edge i if at most i edges are up to it, and at most edge i if at most i edges are below it.
        below_edge = _running(np.searchsorted(edges, stream, "right"), len(edges))
        up_to_edge = _running(np.searchsorted(edges, stream, "left"), len(edges))
        for window in windows:
            (lower, sizes), (upper, _) = _latest(below_edge, window), _latest(up_to_edge, window)
            lower -= shares[:-1]
            upper -= shares[1:]
            gap = np.maximum(lower.max(axis=1), -upper.min(axis=1)).astype(np.float64)
            effective = np.sqrt(sizes * len(reference) / (sizes + len(reference)))
            p_value = np.maximum(kstwobign.sf(effective * gap), np.exp(-MOST_LOGARITHM))
            found[window] = np.maximum(found[window], -np.log(p_value))
    return found


def _running(bins: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """(looks + 1, count): images in bin i or a lower one, up to each look."""
    looks = len(bins) // EVERY
    rows = np.repeat(np.arange(looks), EVERY) + 1
    cells = rows * (count + 1) + bins[: looks * EVERY]
    table = np.bincount(cells, minlength=(looks + 1) * (count + 1)).reshape(looks + 1, count + 1).astype(np.float32)
    np.cumsum(table, axis=0, out=table)
    np.cumsum(table, axis=1, out=table)
    return table[:, :-1]


def _latest(running: NDArray[np.float32], window: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Shares (looks, bins) of the latest images at each look, and how many those are."""
    ends = np.arange(1, len(running))
    starts = np.maximum(0, ends - window // EVERY)
    sizes = (ends - starts) * float(EVERY)
    latest = running[1:] - running[starts]
    latest /= sizes[:, None].astype(np.float32)
    return latest, sizes


def median_width(reference: Floats) -> float:
    """The median distance between two images of the reference (images, components), by at most 500 of them."""
    some = reference[:: -(-len(reference) // FOR_WIDTH)]
    squares = _squared_distances(some, some)
    return float(np.sqrt(np.median(squares[np.triu_indices(len(some), 1)])))


@dataclass(frozen=True, slots=True, eq=False)
class KernelReference:
    """A reference's own part of MMD."""

    images: Floats  # (images, components)
    width: float  # of the kernel
    similarity: float  # of two of its images, in the mean

    @classmethod
    def of(cls, images: Floats) -> Self:
        """Of a reference (images, components), with the median heuristic."""
        width, known, own = median_width(images), images.astype(np.float32), len(images)
        within = _kernel_sums(known, known, width).sum()
        return cls(known, width, float((within - own) / (own * (own - 1))))


def discrepancy(reference: KernelReference, stream: Floats, windows: Sequence[int]) -> dict[int, Floats]:
    """By window, (looks,): MMD with an RBF kernel, unbiased, times the effective number of images.

    Args:
        reference: of embeddings.
        stream: (images, components).
        windows: lengths in images, multiples of 100.
    """
    width, own = reference.width, len(reference.images)
    looks = len(stream) // EVERY
    blocks = stream[: looks * EVERY].astype(np.float32).reshape(looks, EVERY, -1)
    across = _kernel_sums(blocks.reshape(looks * EVERY, -1), reference.images, width).reshape(looks, EVERY).sum(axis=1)
    reach = max(windows) // EVERY
    pairs = np.zeros((looks, looks))
    for row in range(looks):
        first = max(0, row - reach + 1)
        others = blocks[first : row + 1].reshape(-1, blocks.shape[2])
        pairs[row, first : row + 1] = _kernel(blocks[row], others, width).reshape(EVERY, -1, EVERY).sum(axis=(0, 2))
    found = {}
    for window in windows:
        values = np.zeros(looks)
        for end in range(1, looks + 1):
            start = max(0, end - window // EVERY)
            size = (end - start) * EVERY
            lower = np.tril(pairs[start:end, start:end])
            total = 2 * lower.sum() - np.trace(lower) - size
            value = reference.similarity + total / (size * (size - 1)) - 2 * across[start:end].sum() / (size * own)
            values[end - 1] = value * size * own / (size + own)
        found[window] = values
    return found


def _squared_distances(first: Floats, second: Floats) -> Floats:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
    return np.maximum(squares, 0)


def _kernel(first: Floats, second: Floats, width: float) -> Floats:
    """exp(-d² / (2 width²))."""
    kernel: Floats = np.exp(_squared_distances(first, second) / np.float32(-2 * width**2))
    return kernel


def _kernel_sums(first: Floats, second: Floats, width: float) -> NDArray[np.float64]:
    """(images of the first,): each one's kernel with all of the second, in pieces that stay in the cache."""
    scale = np.float32(1 / width)
    first, second = first * scale, second * scale
    halves = (second**2).sum(axis=1) / 2
    sums = []
    for start in range(0, len(first), EVERY):
        piece = first[start : start + EVERY]
        exponents = piece @ second.T
        exponents -= halves
        exponents -= (piece**2).sum(axis=1)[:, None] / 2
        np.minimum(exponents, 0, out=exponents)
        np.exp(exponents, out=exponents)
        sums.append(exponents.sum(axis=1, dtype=np.float64))
    return np.concatenate(sums)
