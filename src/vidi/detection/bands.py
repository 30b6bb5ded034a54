"""A network's map of a large image in bounded memory: band after band of rows, the same as of the whole at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vidi.model_file.sliding import StageGraph
from vidi.model_file.stages import GraphStage
from vidi.prediction.session import open_graph

BAND_BYTES = 48_000_000  # of maps that are held at once; much less makes lite2 several times as slow


@dataclass(frozen=True, slots=True, eq=False)
class BandedStage:
    """A stage of a network and the session that works it out."""

    stage: GraphStage
    session: onnxruntime.InferenceSession


@dataclass(frozen=True, slots=True, eq=False)
class BandedMap:
    """A network up to one of its maps, in stages of which only the last map is never whole."""

    stages: tuple[BandedStage, ...]
    band_bytes: int = BAND_BYTES

    def bands(self, level: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
        """The map of (height, width, 3) uint8, from top to bottom: (1 or 2, channels, some rows, columns) each."""
        given: NDArray[np.generic] = level[None]
        for one in self.stages[:-1]:
            given = _whole(one, given, band_bytes=self.band_bytes)
        for _, band in _bands(self.stages[-1], given, band_bytes=self.band_bytes):
            yield band


def open_map(chain: Sequence[StageGraph], *, name: str, threads: int) -> BandedMap:
    """A chain of stages, ready to run.

    Args:
        chain: of `vidi.model_file.sliding.split_graph`.
        name: what messages call the model.
        threads: that one run uses.
    """
    return BandedMap(
        tuple(BandedStage(one.stage, open_graph(one.data, name=name, threads=threads, keeps=False)) for one in chain)
    )


def _whole(one: BandedStage, given: NDArray[np.generic], *, band_bytes: int) -> NDArray[np.float32]:
    """A stage's map in one piece."""
    bands = _bands(one, given, band_bytes=band_bytes)
    _, top = next(bands)
    batch, channels, rows, columns = top.shape
    total = one.stage.count(given.shape[one.stage.axis])
    if rows == total:
        return top
    whole = np.empty((batch, channels, total, columns), np.float32)
    whole[:, :, :rows] = top
    for first, band in bands:
        whole[:, :, first : first + band.shape[2]] = band
    return whole


def _bands(
    one: BandedStage, given: NDArray[np.generic], *, band_bytes: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The rows of a stage's map in bands, each with the number of its first row."""
    stage, reach = one.stage, one.stage.reach
    rows, columns = given.shape[stage.axis : stage.axis + 2]
    at_once = band_bytes / (stage.pixel_bytes * columns) if stage.pixel_bytes else rows
    if rows <= at_once:
        (band,) = one.session.run([stage.target], {stage.source: given})
        yield 0, band
        return
    total = stage.count(rows)
    step = max(1, round((at_once - reach.above - reach.below) / reach.stride))
    for first in range(0, total, step):
        last = min(first + step, total) - 1
        # Whole strides from the top, so that every node meets the rows that it would meet in the whole.
        start = max(0, (first * reach.stride - reach.above) // reach.stride * reach.stride)
        stop = min(rows, last * reach.stride + reach.below + 1)
        fed = given[(slice(None),) * stage.axis + (slice(start, stop),)]
        (band,) = one.session.run([stage.target], {stage.source: np.ascontiguousarray(fed)})
        skipped = start // reach.stride
        yield first, band[:, :, first - skipped : last + 1 - skipped]
