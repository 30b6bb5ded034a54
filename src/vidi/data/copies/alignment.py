"""Is one image a cut of the other? Lay one thumbnail over the other as well as it goes and look at what is left."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIDE = 32  # samples a side at which two images are compared
STEPS = 6  # of Gauss-Newton; after them nothing moves any more where there is anything to find
_AXIS = ((np.arange(SIDE) + 0.5) / SIDE - 0.5).astype(np.float32)  # sample centres, 0 is the middle
GRAIN = 2.0  # grey levels: detail below it is mostly the noise of encoding
_MOST_STEP = 0.05  # of the image's side, in one step
_SCALES, _SHIFTS = (0.7, 1.3), (-0.3, 0.3)


@dataclass(frozen=True, slots=True)
class Alignment:
    """How pairs of images lie over one another; every field has one row for each pair."""

    scale: Floats  # (pairs, 2) height and width of the window, as shares of the first image
    shift: Floats  # (pairs, 2) where its middle lies from the first image's middle
    difference: Floats  # (pairs,) what gain, offset and window do not explain, as a share of the contrast
    local: Floats  # (pairs,) the same where it is greatest: another expression, a thing moved
    detail: Floats  # (pairs,) how far the fine detail agrees all over, 1 is the same
    evidence: Floats  # (pairs,) the share of the samples that have detail to compare
    gain: Floats  # (pairs,) contrast of the second against the first
    offset: Floats  # (pairs,) grey levels


def align_pairs(first: Floats, second: Floats, windows: Floats) -> Alignment:
    """Find the window of each first image that the second shows, by least squares from a first guess.

    The unknowns of a pair are the two scales and shifts of the window and the gain and offset of the light. Both
    images are sampled with a kernel of the same width in the scene, so that a cut-out is not blurrier than its source.

    Args:
        first: (pairs, side, side) grey levels.
        second: (pairs, side, side), turned over beforehand where it may be mirrored.
        windows: (pairs, 4) first guesses: height, vertical shift, width, horizontal shift.

    Source: Lucas and Kanade 1981, An iterative image registration technique.
    """
    guess = windows.astype(np.float32, copy=True)
    still, _ = _sampling(np.ones(1, np.float32), np.zeros(1, np.float32), first.shape[1])
    target = _sample(still, second, still)
    for _ in range(STEPS):
        seen = _look(first, target, guess)
        guess += np.clip(_step(seen, guess), -_MOST_STEP, _MOST_STEP)
        guess[:, 0::2] = np.clip(guess[:, 0::2], *_SCALES)
        guess[:, 1::2] = np.clip(guess[:, 1::2], *_SHIFTS)
    seen = _look(first, target, guess)
    detail, evidence = _compare_detail(seen)
    return Alignment(
        scale=guess[:, 0::2],
        shift=guess[:, 1::2],
        difference=np.sqrt(_total(seen.rest**2) / np.maximum(_total(seen.target**2), 1e-3)),
        local=_local_difference(seen),
        detail=detail,
        evidence=evidence,
        gain=seen.gain,
        offset=seen.offset,
    )


class _AlignedView(NamedTuple):
    """The first image through its window, beside the second; both with mean 0 where they overlap, else 0."""

    window: Floats
    target: Floats
    overlap: Floats
    rest: Floats
    gain: Floats
    offset: Floats


def _sampling(scale: Floats, shift: Floats, side: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Weights (pairs, SIDE, side) that sample one axis, and which samples lie inside the image."""
    at = 0.5 + scale[:, None] * _AXIS + shift[:, None]
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    reach = np.maximum(scale / SIDE, 1.0 / side)[:, None, None]
    weights = np.maximum(0.0, 1.0 - np.abs(np.clip(at, 0.0, 1.0)[:, :, None] - centres) / reach)
    weights /= weights.sum(axis=2, keepdims=True)
    return weights.astype(np.float32), np.abs(at - 0.5) <= 0.5 + 0.25 / SIDE


def _sample(rows: Floats, images: Floats, columns: Floats) -> Floats:
    sampled: Floats = np.matmul(np.matmul(rows, images), columns.transpose(0, 2, 1))
    return sampled


def _look(first: Floats, target: Floats, guess: Floats) -> _AlignedView:
    rows, rows_inside = _sampling(guess[:, 0], guess[:, 1], first.shape[1])
    columns, columns_inside = _sampling(guess[:, 2], guess[:, 3], first.shape[2])
    window = _sample(rows, first, columns)
    overlap = (rows_inside[:, :, None] & columns_inside[:, None, :]).astype(np.float32)
    count = np.maximum(_total(overlap), 1.0)
    window_mean, target_mean = _total(window * overlap) / count, _total(target * overlap) / count
    centred: Floats = np.multiply(window - window_mean[:, None, None], overlap)
    wanted: Floats = np.multiply(target - target_mean[:, None, None], overlap)
    gain: Floats = np.divide(_total(centred * wanted), np.maximum(_total(centred**2), 1e-3))
    rest: Floats = np.subtract(wanted, gain[:, None, None] * centred)
    offset: Floats = np.subtract(target_mean, gain * window_mean)
    return _AlignedView(centred, wanted, overlap, rest, gain, offset)


def _step(seen: _AlignedView, guess: Floats) -> Floats:
    """One Gauss-Newton step in the four numbers of the window."""
    pairs = len(guess)
    down, across = np.zeros_like(seen.window), np.zeros_like(seen.window)
    down[:, 1:-1] = (seen.window[:, 2:] - seen.window[:, :-2]) * (SIDE / 2)
    across[:, :, 1:-1] = (seen.window[:, :, 2:] - seen.window[:, :, :-2]) * (SIDE / 2)
    down *= (seen.gain / guess[:, 0])[:, None, None] * seen.overlap
    across *= (seen.gain / guess[:, 2])[:, None, None] * seen.overlap
    columns = [down * _AXIS[:, None], down, across * _AXIS, across, seen.window, seen.overlap]
    slopes = np.stack(columns, axis=1).reshape(pairs, 6, -1)
    normal = slopes @ slopes.transpose(0, 2, 1)
    diagonal = np.einsum("pii->pi", normal)
    normal += np.eye(6, dtype=np.float32) * (1e-3 * diagonal + 1e-3)[:, None, :]
    steps = np.linalg.solve(normal, slopes @ seen.rest.reshape(pairs, -1, 1))
    window: Floats = steps[:, :4, 0]
    return window


def _local_difference(seen: _AlignedView) -> Floats:
    """The root mean square of what is left in the worst of 7 x 7 places, as a share of the contrast."""
    rest = _blurred(seen.rest)[:, 2:-2, 2:-2].reshape(len(seen.rest), 7, 4, 7, 4)
    contrast = np.sqrt(_total(seen.target**2) / np.maximum(_total(seen.overlap), 1.0))
    local: Floats = np.divide(np.sqrt((rest**2).mean(axis=(2, 4))).max(axis=(1, 2)), np.maximum(contrast, 1e-3))
    return local


def _compare_detail(seen: _AlignedView) -> tuple[Floats, Floats]:
    """How well what a slight blur takes away agrees, two samples from the border, and where there is any.

    Every sample counts nearly the same, however strong its edge: two discs agree in their outline, but not in the
    grain around them.
    """
    inner = seen.overlap.copy()
    inner[:, :2] = inner[:, -2:] = 0
    inner[:, :, :2] = inner[:, :, -2:] = 0
    one = _detail(seen.window) * seen.gain[:, None, None] * inner
    other = _detail(seen.target) * inner
    has_detail = (np.abs(one) > GRAIN) & (inner > 0)
    evidence: Floats = np.divide(has_detail.sum(axis=(1, 2)), np.maximum(_total(inner), 1.0), dtype=np.float32)
    one /= GRAIN + np.abs(one)
    other /= GRAIN + np.abs(other)
    agreement: Floats = np.divide(_total(one * other), np.sqrt(_total(one**2) * _total(other**2) + 1e-6))
    return agreement, evidence


def _detail(images: Floats) -> Floats:
    detail: Floats = np.subtract(images, _blurred(images))
    return detail


def _blurred(images: Floats) -> Floats:
    """The images blurred by (1, 2, 1) / 4 each way."""
    blurred = images.copy()
    blurred[:, 1:-1] = (images[:, :-2] + 2 * images[:, 1:-1] + images[:, 2:]) / 4
    blurred[:, :, 1:-1] = (blurred[:, :, :-2] + 2 * blurred[:, :, 1:-1] + blurred[:, :, 2:]) / 4
    return blurred


def _total(values: Floats) -> Floats:
    total: Floats = values.sum(axis=(1, 2))
    return total
