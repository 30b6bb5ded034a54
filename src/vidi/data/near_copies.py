"""Near-copies: the same scene in files that differ."""

import numpy as np
from numpy.typing import NDArray

from vidi.data.checked import NearCopy
from vidi.data.fingerprint import Fingerprints


def find_near_copies(fingerprints: Fingerprints) -> list[NearCopy]:
    """Pairs of images that show one scene, by their grey thumbnails, plain and mirrored."""
    count = len(fingerprints.grey)
    plain = _standardised(fingerprints.grey)
    mirrored = _standardised(fingerprints.grey[:, :, ::-1])
    rich = fingerprints.contrast > 4.0
    pairs = []
    for start in range(0, count, 1024):
        stop = min(start + 1024, count)
        match = np.maximum(plain[start:stop] @ plain.T, mirrored[start:stop] @ plain.T)
        for row, column in np.argwhere(match > 0.995).tolist():
            first, second = start + row, column
            if first < second and rich[first] and rich[second]:
                pairs.append(NearCopy(first, second, float(np.sqrt(1 - match[row, column] ** 2)), same_frame=True))
    return pairs


def _standardised(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    rows = grey.reshape(len(grey), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.maximum(norms, 1e-6)
    return rows
