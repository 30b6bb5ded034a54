"""The score of a frame, smoothed by the frames around it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def smoothed_score(
    times: Sequence[int], scores: Sequence[NDArray[np.float64]], at: int, *, half: int, gap: int
) -> NDArray[np.float64]:
    """The median score of each class around one frame.

    The frames counted are those within half a window, and at least the ones directly before and after, unless the gap
    to them is too long. So a slow source is smoothed over three frames.

    Args:
        times: of the frames, microseconds, increasing.
        scores: (classes,) for each frame; NaN where a frame does not tell.
        at: index of the frame.
        half: of the window, microseconds.
        gap: the longest time to the frame before or after, microseconds.

    Returns:
        (classes,), NaN where no frame tells.

    >>> rows = [np.array([value]) for value in (0.1, 0.9, 0.2)]
    >>> smoothed_score([0, 200_000, 400_000], rows, 1, half=500_000, gap=1_000_000)
    array([0.2])
    """
    now = times[at]
    chosen = [
        row
        for index, (time, row) in enumerate(zip(times, scores, strict=True))
        if abs(time - now) <= half or (abs(index - at) == 1 and abs(time - now) <= gap)
    ]
    rows = np.stack(chosen)
    told = ~np.isnan(rows).all(axis=0)
    medians = np.full(rows.shape[1], np.nan)
    medians[told] = np.nanmedian(rows[:, told], axis=0)
    return medians
