"""Near-copies: one scene in files that differ - resized, re-encoded, mirrored, cut, shifted or lit a little."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from vidi.data.checked import NearCopy
from vidi.data.copies.alignment import Alignment, align_pairs
from vidi.data.copies.candidates import Candidates, find_candidates
from vidi.data.copies.fingerprint import Fingerprints
from vidi.groups import join_links
from vidi.machine import core_count, one_matrix_thread

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


def find_near_copies(fingerprints: Fingerprints, among: NDArray[np.int64] | None = None) -> list[NearCopy]:
    """Pairs of images that show one scene.

    Candidates are found by their coarse structure, then each pair is laid over one another and compared sample by
    sample. A pair passes when little is left unexplained and the fine detail agrees; more is asked of images that
    have look-alikes which are no copies. Nearly blank images are left to exact comparison.

    Args:
        fingerprints: of all images.
        among: rows in ascending order, no two of which are the same file; all by default.

    Returns:
        Pairs of rows, the first below the second, in order.
    """
    rich = np.flatnonzero(fingerprints.contrast >= BLANK)
    rich = rich if among is None else np.intersect1d(rich, among, assume_unique=True)
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
        pairs.append(NearCopy(min(one, other), max(one, other), difference, bool(frame[index] <= SAME_FRAME)))
    return sorted(_without_chains(pairs), key=lambda pair: (pair.first, pair.second))


def _without_chains(pairs: list[NearCopy]) -> list[NearCopy]:
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
    return Alignment(
        scale=np.concatenate([block.scale for block in blocks]),
        shift=np.concatenate([block.shift for block in blocks]),
        difference=np.concatenate([block.difference for block in blocks]),
        local=np.concatenate([block.local for block in blocks]),
        detail=np.concatenate([block.detail for block in blocks]),
        evidence=np.concatenate([block.evidence for block in blocks]),
        gain=np.concatenate([block.gain for block in blocks]),
        offset=np.concatenate([block.offset for block in blocks]),
    )


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
