"""What a model says of every window of a large image: at a small part of the cost where its network can slide."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import logsumexp

from vidi.machine import core_count
from vidi.metrics.arrays import SMALLEST_PROBABILITY
from vidi.metrics.multi_label import logits_of
from vidi.metrics.outputs import SIGMOID, Outputs
from vidi.model_file.read import ModelFile
from vidi.model_file.sliding import CALIBRATED, GraphStage, split_graph
from vidi.prediction.engines import batch_size, open_graph
from vidi.prediction.predictor import Predictor

BAND_BYTES = 48_000_000  # of maps that are held at once; much less makes lite2 several times as slow
WINDOWS_AT_ONCE = 512
CHANNELS_AT_ONCE = 128  # of the sums in double precision
STEPS_ACROSS = 8  # of the shorter side of windows that are cut out one by one


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


class WindowModel(Protocol):
    """Anything that answers for every window of a level."""

    stride: int  # pixels from one window to the next

    def answer(self, level: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(rows, columns, classes): the logarithm of the odds of each class, calibrated, for every window.

        Args:
            level: (height, width, 3) uint8, at the scale at which a window has the network's size.
        """
        ...


def open_windows(predictor: Predictor) -> WindowModel:
    """The model as something that slides, where its network allows that, else as one that looks at cut-out windows."""
    return slide(predictor.model) or CutOutWindows(predictor)


def slide(model: ModelFile) -> "SlidingWindows | None":
    """A model that slides; None where its network is not convolutional up to its head."""
    graphs = split_graph(model.data)
    if graphs is None:
        return None
    name, threads = str(model.path), core_count()
    opened = partial(open_graph, name=name, threads=threads, keeps=False)
    maps = [BandedMap(tuple(BandedStage(one.stage, opened(one.data)) for one in chain)) for chain in graphs.chains]
    size = model.metadata.framing.size
    grid, twice = _grid_of(maps, size), _grid_of(maps, (2 * size[0], 2 * size[1]))
    if grid is None or twice is None or min(twice[0] - grid[0], twice[1] - grid[1]) < 1:
        return None
    stride = size[0] // (twice[0] - grid[0])
    if stride == 1 or ((twice[0] - grid[0]) * stride, (twice[1] - grid[1]) * stride) != size:
        return None
    head = WindowHead(opened(graphs.head), graphs.names, graphs.pools)
    return SlidingWindows(maps, head, grid=grid, stride=stride, outputs=model.metadata.outputs)


def _grid_of(maps: Sequence[BandedMap], size: tuple[int, int]) -> tuple[int, int] | None:
    """(rows, columns) of the maps of an empty image; None where they differ among the members of an ensemble."""
    empty, shapes = np.zeros((*size, 3), np.uint8), set()
    for one in maps:
        bands = [band.shape[2:] for band in one.bands(empty)]
        shapes.add((sum(rows for rows, _ in bands), bands[0][1]))
    return shapes.pop() if len(shapes) == 1 else None


@dataclass(frozen=True, slots=True, eq=False)
class WindowHead:
    """What a model file makes of windows of its maps."""

    session: onnxruntime.InferenceSession
    names: tuple[str, ...]  # of the maps
    pools: tuple[bool, ...]  # for each whether only its mean is taken


class SlidingWindows:
    """The two halves of a model file: its maps of a whole level, and its head on every window of the maps.

    A window sees what lies around it in the level, where an image of its own would end: answers near those of the
    cut-out window, not the same.
    """

    def __init__(
        self,
        maps: Sequence[BandedMap],
        head: WindowHead,
        *,
        grid: tuple[int, int],
        stride: int,
        outputs: Outputs,
    ) -> None:
        self.maps, self.head = maps, head
        self.outputs = outputs
        self.grid = grid  # (rows, columns) of the map of one window
        self.stride = stride

    def answer(self, level: NDArray[np.uint8]) -> NDArray[np.float64]:
        """As of `WindowModel`."""
        logits = np.concatenate([self._answer_rows(maps) for maps in self._window_rows(level)])
        # By itself, a class's logit is the logarithm of its odds.
        return np.asarray(logits, np.float64) if self.outputs == SIGMOID else log_odds(logits)

    def _window_rows(self, level: NDArray[np.uint8]) -> Iterator[list[NDArray[np.float32]]]:
        """The maps in pieces from top to bottom, each with all rows of the windows that begin in it."""
        bands = [one.bands(level) for one in self.maps]
        held: list[NDArray[np.float32]] = [next(one) for one in bands]
        while True:
            ready = min(one.shape[2] for one in held) - self.grid[0] + 1
            if ready > 0:
                yield [one[:, :, : ready + self.grid[0] - 1] for one in held]
                held = [one[:, :, ready:] for one in held]
            short = min(range(len(held)), key=lambda place: held[place].shape[2])
            more = next(bands[short], None)
            if more is None:
                return
            held[short] = np.concatenate([held[short], more], axis=2)

    def _answer_rows(self, maps: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The calibrated logits for every window of a piece of the maps: (rows, columns, classes)."""
        windows = [_windows(one, self.grid, pool=pool) for one, pool in zip(maps, self.head.pools, strict=True)]
        rows, columns = windows[0].shape[1:3]
        given: list[NDArray[np.float32]] = []
        for start in range(0, rows * columns, WINDOWS_AT_ONCE):
            places = np.arange(start, min(start + WINDOWS_AT_ONCE, rows * columns))
            fed = {name: _take(some, places, columns) for name, some in zip(self.head.names, windows, strict=True)}
            given += self.head.session.run([CALIBRATED], fed)
        return np.concatenate(given).reshape(rows, columns, -1)


class CutOutWindows:
    """Windows cut out one by one and given to the model as images of their own."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.size = predictor.metadata.framing.size
        self.stride = max(1, min(self.size) // STEPS_ACROSS)

    def answer(self, level: NDArray[np.uint8]) -> NDArray[np.float64]:
        """As of `WindowModel`."""
        step = self.stride
        windows = sliding_window_view(level, self.size, axis=(0, 1))[::step, ::step]
        rows, columns = windows.shape[:2]
        given: list[NDArray[np.float32]] = []
        at_once = batch_size(self.predictor.metadata.framing)
        for start in range(0, rows * columns, at_once):
            places = np.arange(start, min(start + at_once, rows * columns))
            images = np.ascontiguousarray(windows[places // columns, places % columns].transpose(0, 2, 3, 1))
            given.append(self.predictor.run(images, ("probabilities",))["probabilities"])
        probabilities = np.concatenate(given).reshape(rows, columns, -1)
        return odds_of(probabilities, self.predictor.metadata.outputs)


def odds_of(probabilities: NDArray[np.float32], outputs: Outputs) -> NDArray[np.float64]:
    """(…, classes) probabilities to the logarithm of each class's odds: against all others, or by itself."""
    if outputs == SIGMOID:
        return logits_of(probabilities)
    return log_odds(np.log(np.maximum(probabilities, SMALLEST_PROBABILITY)))


def log_odds(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """(…, classes) logits to the logarithm of each class's odds against all others: it never runs into 1.

    >>> log_odds(np.log(np.array([0.2, 0.3, 0.5]))).round(3)
    array([-1.386, -0.847,  0.   ])
    """
    values = np.asarray(logits, np.float64)
    top, rest = values.argmax(axis=-1)[..., None], values.copy()
    np.put_along_axis(rest, top, -np.inf, axis=-1)
    beside_top = logsumexp(rest, axis=-1, keepdims=True)
    total = np.logaddexp(values.max(axis=-1, keepdims=True), beside_top)
    others = total + np.log1p(-np.exp(rest - total))  # none of the rest has more than half
    np.put_along_axis(others, top, beside_top, axis=-1)
    odds: NDArray[np.float64] = values - others
    return odds


def _windows(maps: NDArray[np.float32], grid: tuple[int, int], *, pool: bool) -> NDArray[np.float32]:
    """(1 or 2, rows, columns, channels, *sides) of every window; the mirror image's from right to left, as it lies.

    Where the head takes only the mean, that is worked out here for all windows together, and `sides` are (1, 1).
    """
    if pool:
        parts = [_means(maps[:, at : at + CHANNELS_AT_ONCE], grid) for at in range(0, maps.shape[1], CHANNELS_AT_ONCE)]
        windows = np.concatenate(parts, axis=3)[..., None, None]
    else:
        windows = sliding_window_view(maps, grid, axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)
    if len(windows) == 2:
        windows = np.stack([windows[0], windows[1, :, ::-1]])
    return windows


def _means(maps: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float32]:
    """(1 or 2, rows, columns, channels): the mean of every window, by sums over all that lies above and to the left."""
    sums = np.cumsum(np.cumsum(maps, axis=2, dtype=np.float64), axis=3)
    sums = np.pad(sums, ((0, 0), (0, 0), (1, 0), (1, 0)))
    down, across = grid
    means = (
        sums[:, :, down:, across:]
        - sums[:, :, :-down, across:]
        - sums[:, :, down:, :-across]
        + sums[:, :, :-down, :-across]
    ) / (down * across)
    return means.transpose(0, 2, 3, 1).astype(np.float32)


def _take(windows: NDArray[np.float32], places: NDArray[np.int64], columns: int) -> NDArray[np.float32]:
    """The windows at some places, the image's first, then those of its mirror image."""
    rows, across = places // columns, places % columns
    return np.concatenate([np.ascontiguousarray(one[rows, across]) for one in windows])
