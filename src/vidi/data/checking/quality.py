"""Images that look odd: blank, dark, blurred, tiny, or of a shape that framing would waste."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vidi.data.checked import CheckResult, Finding, Severity
from vidi.data.copies.fingerprint import WORKING_SIDE, Fingerprints

BLANK_CONTRAST = 2.0  # grey levels: less than a JPEG's own noise
DARK_BRIGHTNESS, BRIGHT_BRIGHTNESS = 20.0, 245.0  # of 255
FLAT_CONTRAST = 25.0  # a white background with something on it has more
BLURRED_SHARPNESS = (
    0.15  # of the contrast; sharp photographs have 0.24 to 1.5, blurred by 1.5 % of the side 0.05 to 0.2
)
TINY_SIDE = 64  # pixels: smaller ones may be tiny, if they are also half as large as usual
ODD_SHAPE = 2.0  # times longer or flatter than usual: framing leaves under half of the frame to it

_Numbers = NDArray[np.float64]
_Mask = NDArray[np.bool_]


def find_odd_images(check: CheckResult, fingerprints: Fingerprints) -> list[Finding]:
    """Findings about single images, the most telling images first.

    An image counts once, for the gravest: a blank image is not also named as dark or blurred. Tiny and oddly shaped
    are those that differ from the others of their set.

    Args:
        check: records of the images.
        fingerprints: one row for each image; rows of refused images are ignored.
    """
    usable = check.usable
    if not usable.any():
        return []
    sizes = np.array([record.size for record in check.records], dtype=np.float64).reshape(-1, 2)
    shorter = sizes.min(axis=1)
    brightness, contrast = fingerprints.brightness.astype(float), fingerprints.contrast.astype(float)
    acuteness = fingerprints.sharpness / np.maximum(contrast, 1.0)
    blank = usable & (contrast < BLANK_CONTRAST)
    dark = usable & ~blank & (brightness < DARK_BRIGHTNESS) & (contrast < FLAT_CONTRAST)
    bright = usable & ~blank & (brightness > BRIGHT_BRIGHTNESS) & (contrast < FLAT_CONTRAST)
    blurred = usable & ~blank & ~dark & (acuteness < BLURRED_SHARPNESS) & (shorter >= WORKING_SIDE)
    tiny = usable & (shorter < TINY_SIDE) & (shorter < np.median(shorter[usable]) / 2)
    found = _finder(check)
    return [
        *found("blank", blank, contrast),
        *found("dark", dark, brightness),
        *found("bright", bright, -brightness),
        *found("blurred", blurred, acuteness),
        *found("tiny", tiny, shorter),
        *found("odd-shape", *_odd_shapes(sizes, usable)),
    ]


def _odd_shapes(sizes: _Numbers, usable: _Mask) -> tuple[_Mask, _Numbers]:
    """Which images are much longer or flatter than usual, and by how much (lowest is oddest)."""
    shape = np.log(np.maximum(sizes[:, 0], 1.0) / np.maximum(sizes[:, 1], 1.0))
    off = np.abs(shape - np.median(shape[usable]))
    return usable & (off > np.log(ODD_SHAPE)), -off


def _finder(check: CheckResult) -> Callable[[str, _Mask, _Numbers], list[Finding]]:
    """A function that makes a finding of the images of a mask, lowest rank first."""

    def found(kind: str, mask: _Mask, rank: _Numbers) -> list[Finding]:
        rows = np.flatnonzero(mask)
        if not len(rows):
            return []
        rows = rows[np.argsort(rank[rows], kind="stable")]
        paths = tuple((check.records[row].path,) for row in rows.tolist())
        severity: Severity = "note" if kind == "odd-shape" else "warning"  # some sets have both shapes by nature
        return [Finding(kind, severity, paths)]

    return found
