"""Plain numbers about an image that say nothing of what it shows: its file, its size, its edge, its mean colour."""

import posixpath
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from vidi.data.checked import ImageRecord
from vidi.data.copies.fingerprint import SIDE, Fingerprints
from vidi.metrics.arrays import Floats

CORNER, RIM = SIDE // 8, SIDE // 24  # pixels of the grey thumbnail: an eighth, and 4 % of the side
MOST_DETAIL = 32  # grey levels: a single edge must not outweigh what returns in every image
DARKEST, BRIGHTEST = 1, 99  # percent of the pixels: single ones may be damage

WORDS: Mapping[str, str] = {
    "file": "the size and kind of the file",
    "dimensions": "width and height",
    "corners": "the four corners",
    "border": "the outermost edge",
    "colour": "mean colour and light",
    "detail": "fine detail in the corners",
    "together": "file, dimensions, edges and mean colour together",
    "middle": "a plain look at the middle of the image",  # no shortcut: what the edge is compared with
}


def describe_surface(records: Sequence[ImageRecord], prints: Fingerprints) -> dict[str, Floats]:
    """The numbers of each family, (images, numbers) float.

    Args:
        records: of images that could be read.
        prints: theirs.

    Returns:
        By the names of `WORDS`, without `together`: `file` (bytes, bytes for each pixel, ending of the name),
        `dimensions` (height, width, shape), `corners` (an eighth of the side: grey mean, spread and two
        colour differences of each), `border` (4 % of the side: grey mean and spread, colours of each side),
        `colour` (mean grey, two mean colour differences, darkest and brightest grey).
    """
    grey, colour = prints.grey.astype(np.float32), prints.colour.astype(np.float32)
    return {
        "file": _of_file(records),
        "dimensions": _of_dimensions(records),
        "corners": _of_corners(grey, colour),
        "border": _of_border(grey, colour),
        "colour": _of_colour(prints, grey, colour),
    }


def _of_file(records: Sequence[ImageRecord]) -> Floats:
    sizes = np.array([record.byte_count for record in records], dtype=np.float64)
    pixels = np.array([record.size[0] * record.size[1] for record in records], dtype=np.float64)
    endings = [posixpath.splitext(record.path)[1].casefold() for record in records]
    kinds = np.unique(endings, return_inverse=True)[1].astype(np.float64)
    return np.stack([sizes, sizes / np.maximum(pixels, 1.0), kinds], axis=1)


def _of_dimensions(records: Sequence[ImageRecord]) -> Floats:
    sizes = np.array([record.size for record in records], dtype=np.float64).reshape(-1, 2)
    return np.column_stack([sizes, sizes[:, 1] / np.maximum(sizes[:, 0], 1.0)])


def _of_corners(grey: Floats, colour: Floats) -> Floats:
    ends = (slice(None, CORNER), slice(-CORNER, None))
    patches = [_flat(grey[:, rows, columns]) for rows, columns in product(ends, ends)]
    shades = [summary(patch, axis=1) for patch in patches for summary in (np.mean, np.std)]
    tints = [colour[:, plane, row, column] for plane, row, column in product((0, 1), (0, -1), (0, -1))]
    return np.stack([*shades, *tints], axis=1)


def _of_border(grey: Floats, colour: Floats) -> Floats:
    sides = [grey[:, :RIM], grey[:, -RIM:], grey[:, :, :RIM], grey[:, :, -RIM:]]
    shades = [summary(_flat(side), axis=1) for side in sides for summary in (np.mean, np.std)]
    edges = [colour[:, :, 0], colour[:, :, -1], colour[:, :, :, 0], colour[:, :, :, -1]]
    tints = [edge[:, plane].mean(axis=1) for edge in edges for plane in (0, 1)]
    return np.stack([*shades, *tints], axis=1)


def corner_detail(prints: Fingerprints) -> Floats:
    """What differs from its surroundings in the corners, pixel by pixel: where a logo or a date would stand.

    Args:
        prints: of the images.

    Returns:
        (images, 144) float: four corners of an eighth of the side, 6 x 6 pixels each.
    """
    padded = np.pad(prints.grey, ((0, 0), (2, 2), (2, 2)), mode="edge")
    ends = (slice(None, CORNER + 4), slice(-CORNER - 4, None))
    return np.concatenate([_detail(padded[:, rows, columns]) for rows, columns in product(ends, ends)], axis=1)


def middle_detail(prints: Fingerprints) -> Floats:
    """The same of the middle, as many numbers: what a plain look at the image itself tells.

    Args:
        prints: of the images.

    Returns:
        (images, 144) float: the middle half of the side, 12 x 12 pixels.
    """
    halved = prints.grey.reshape(-1, SIDE // 2, 2, SIDE // 2, 2).mean(axis=(2, 4), dtype=np.float32)
    edge = (SIDE // 2 - 2 * CORNER) // 2 - 2
    return _detail(halved[:, edge:-edge, edge:-edge])


def _detail(block: NDArray[np.generic]) -> NDArray[np.float32]:
    """Grey levels above the mean of the 5 x 5 pixels around, cut at ± 32, of all but the two outermost pixels; flat."""
    grey = block.astype(np.float32)
    inner = grey[:, 2:-2, 2:-2]
    side = inner.shape[1]
    around = np.zeros_like(inner)
    for down, right in product(range(5), range(5)):
        around += grey[:, down : down + side, right : right + side]
    fine: NDArray[np.float32] = np.clip(inner - around / 25, -MOST_DETAIL, MOST_DETAIL)
    return fine.reshape(len(fine), -1)


def _of_colour(prints: Fingerprints, grey: Floats, colour: Floats) -> Floats:
    darkest, brightest = np.percentile(_flat(grey), (DARKEST, BRIGHTEST), axis=1)
    return np.column_stack([prints.brightness, colour.mean(axis=(2, 3)), darkest, brightest])


def _flat(pixels: Floats) -> Floats:
    return pixels.reshape(len(pixels), -1)
