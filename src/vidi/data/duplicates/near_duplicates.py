"""Near-copies: one scene in files that differ - resized, re-encoded, mirrored, cut, shifted or lit a little."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidi.data.checked import NearDuplicate
from vidi.data.duplicates.candidates import Candidates, find_candidates
from vidi.data.duplicates.fingerprint import Fingerprints
from vidi.groups import join_links
from vidi.machine import core_count, one_matrix_thread

Floats = NDArray[np.float32]

SIDE = 32  # samples a side at which two images are compared
STEPS = 6  # of Gauss-Newton; after them nothing moves any more where there is anything to find
_AXIS = ((np.arange(SIDE) + 0.5) / SIDE - 0.5).astype(np.float32)  # sample centres, 0 is the middle
GRAIN = 2.0  # grey levels: detail below it is mostly the noise of encoding
_MOST_STEP = 0.05  # of the image's side, in one step
_SCALES, _SHIFTS = (0.7, 1.3), (-0.3, 0.3)
BLANK = 4.0  # grey levels of contrast below which nothing tells two images apart
# What copies of photographs keep under and over; unrelated look-alikes seldom do. Measured on clothing, COCO and
# person windows: 95 % of resized, cut, mirrored and shaken copies pass.
MOST_DIFFERENCE, MOST_LOCAL, LEAST_DETAIL = 0.20, 0.25, 0.80
# Where look-alikes crowd (faces of one person, shirts on black, digits) likeness proves less.
MOST_DIFFERENCE_IN_CROWD, MOST_LOCAL_IN_CROWD, LEAST_DETAIL_IN_CROWD = 0.10, 0.15, 0.92
LOOKALIKE_DIFFERENCE = 0.40  # alike, and yet no copy
# A plain shape can be laid over any other of its kind: without detail all over, only the very same frame counts.
LEAST_EVIDENCE, SIMPLE_SAME_FRAME = 0.33, 0.01
# Small likenesses add up along a chain: a large group must be held together by more.
LARGE_GROUP, MOST_DIFFERENCE_IN_LARGE_GROUP = 10, 0.06
LEAST_AREA = 0.76  # of the first image: cuts to 80 %, less what aligning misses
MOST_OUTSIDE = 0.03  # of the side: shifts up to 2 % leave the frame
GAINS, MOST_OFFSET = (0.86, 1.16), 15.0  # light ± 5 %, and what clipping and re-encoding add
MOST_COLOUR = 7.0  # levels of the mean colour difference
SAME_FRAME = 0.02  # of the side
_BLOCK = 512


class Alignment(NamedTuple):
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


def find_near_duplicates(fingerprints: Fingerprints, among: NDArray[np.int64]) -> list[NearDuplicate]:
    """Pairs of images that show one scene.

    Candidates are found by their coarse structure, then each pair is laid over one another and compared sample by
    sample. A pair passes when little is left unexplained and the fine detail agrees; more is asked of images that
    have look-alikes which are no copies. Nearly blank images are left to exact comparison.

    Args:
        among: rows in ascending order, no two of which are the same file.

    Returns:
        Pairs of rows, the first below the second, in order.
    """
    rich = np.intersect1d(np.flatnonzero(fingerprints.contrast >= BLANK), among, assume_unique=True)
    with one_matrix_thread():
        candidates = find_candidates(fingerprints.grey, rich)
        if not len(candidates.first):
            return []
        aligned = _align(fingerprints.grey, rich, candidates)
    same_light = (aligned.gain >= GAINS[0]) & (aligned.gain <= GAINS[1]) & (np.abs(aligned.offset) <= MOST_OFFSET)
    possible = same_light & _is_window(aligned) & _same_colour(fingerprints.colour, rich, candidates)
    frame = np.maximum(np.abs(aligned.scale - 1), np.abs(aligned.shift)).max(axis=1)
    is_copy = possible & _passes(aligned, candidates, frame)
    pairs = []
    for index in np.flatnonzero(is_copy).tolist():
        one, other = int(rich[candidates.first[index]]), int(rich[candidates.second[index]])
        difference = round(float(aligned.difference[index]), 4)
        pairs.append(NearDuplicate(min(one, other), max(one, other), difference, bool(frame[index] <= SAME_FRAME)))
    return sorted(_without_chains(pairs), key=lambda pair: (pair.first, pair.second))


def _without_chains(pairs: list[NearDuplicate]) -> list[NearDuplicate]:
    """The pairs, but of large groups only those that are alike beyond doubt."""
    images = max((pair.second for pair in pairs), default=-1) + 1
    groups = join_links(images, [(pair.first, pair.second) for pair in pairs])
    sizes = np.bincount(groups, minlength=images)
    return [
        pair
        for pair in pairs
        if sizes[groups[pair.first]] <= LARGE_GROUP or pair.difference <= MOST_DIFFERENCE_IN_LARGE_GROUP
    ]


def _align(grey: NDArray[np.uint8], images: NDArray[np.int64], candidates: Candidates) -> Alignment:
    def align(start: int) -> Alignment:
        rows = slice(start, start + _BLOCK)
        first = grey[images[candidates.first[rows]]].astype(np.float32)
        second = grey[images[candidates.second[rows]]].astype(np.float32)
        turned = candidates.mirrored[rows]
        second[turned] = second[turned][:, :, ::-1]
        return align_pairs(first, second, candidates.windows[rows])

    with ThreadPoolExecutor(core_count(), thread_name_prefix="vidi-copies") as threads:
        blocks = list(threads.map(align, range(0, len(candidates.first), _BLOCK)))
    return Alignment(*map(np.concatenate, zip(*blocks, strict=True)))


def _is_window(aligned: Alignment) -> NDArray[np.bool_]:
    """Whether the second image shows a part of the first: large enough, and inside it but for a small shift."""
    inside = (np.abs(aligned.shift) + aligned.scale / 2 <= 0.5 + MOST_OUTSIDE).all(axis=1)
    return np.asarray(inside & (aligned.scale.prod(axis=1) >= LEAST_AREA), dtype=bool)


def _same_colour(colour: NDArray[np.uint8], images: NDArray[np.int64], candidates: Candidates) -> NDArray[np.bool_]:
    means = colour.mean(axis=(2, 3), dtype=np.float32)
    apart = np.abs(means[images[candidates.first]] - means[images[candidates.second]])
    return np.asarray((apart <= MOST_COLOUR).all(axis=1), dtype=bool)


def _passes(aligned: Alignment, candidates: Candidates, frame: NDArray[np.float32]) -> NDArray[np.bool_]:
    difference, local, detail = aligned.difference, aligned.local, aligned.detail
    plainly = (difference <= MOST_DIFFERENCE) & (local <= MOST_LOCAL) & (detail >= LEAST_DETAIL)
    strictly = (difference <= MOST_DIFFERENCE_IN_CROWD) & (local <= MOST_LOCAL_IN_CROWD)
    strictly &= detail >= LEAST_DETAIL_IN_CROWD
    in_crowd = candidates.crowded.copy()
    lookalike = ~plainly & (difference <= LOOKALIKE_DIFFERENCE)
    in_crowd[candidates.first[lookalike]] = True
    in_crowd[candidates.second[lookalike]] = True
    strict = in_crowd[candidates.first] | in_crowd[candidates.second]
    simple = aligned.evidence < LEAST_EVIDENCE
    return np.where(strict | simple, strictly, plainly) & (~simple | (frame <= SIMPLE_SAME_FRAME))
