"""Frames as they are meant to be seen: the display matrix of a file, applied to pixels."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

MATRIX_BYTES: Final = 36  # nine 32-bit integers: a b u, c d v, x y w


def quarter_turns(matrix: bytes | None) -> tuple[int, bool]:
    """How a stored frame is made upright: mirrored first, left to right, or not; then turned.

    A display matrix takes a stored pixel (x, y), y downward, to (a x + c y, b x + d y). Cameras write quarter turns and
    mirrors; any other matrix leaves the frame as it is stored.

    Args:
        matrix: as FFmpeg gives it, nine 32-bit integers in this machine's order of bytes; None: the file has none.

    Returns:
        Quarter turns clockwise, 0 to 3, and whether the frame is mirrored before them.

    >>> identity, quarter = [1, 0, 0, 0, 1, 0, 0, 0, 1], [0, 1, 0, -1, 0, 0, 0, 0, 1]
    >>> quarter_turns(np.array(identity, np.int32).tobytes()), quarter_turns(np.array(quarter, np.int32).tobytes())
    ((0, False), (1, False))
    """
    if matrix is None or len(matrix) < MATRIX_BYTES:
        return 0, False
    a, b, _, c, d = (int(value) for value in np.sign(np.frombuffer(matrix[:MATRIX_BYTES], np.int32)[:5]))
    turns = {(1, 0): 0, (0, 1): 1, (-1, 0): 2, (0, -1): 3}.get((d, -c))  # where the stored downward edge points to
    if turns is None or abs(a * d - b * c) != 1:
        return 0, False
    return turns, a * d - b * c < 0


def make_upright(image: NDArray[np.uint8], matrix: bytes | None) -> NDArray[np.uint8]:
    """A frame as it is meant to be seen.

    Args:
        image: (height, width, 3) uint8, as stored.
        matrix: see `quarter_turns`.
    """
    turns, is_mirrored = quarter_turns(matrix)
    if not turns and not is_mirrored:
        return image
    shown = image[:, ::-1] if is_mirrored else image
    return np.ascontiguousarray(np.rot90(shown, -turns))
