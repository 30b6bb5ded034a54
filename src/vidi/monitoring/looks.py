"""When a stream is looked at, through which windows, and how much of the false-alarm rate each look may use."""

from dataclasses import dataclass

import numpy as np

from vidi.metrics.arrays import Counts, Floats

FIRST = 50  # images; fewer are too few
BLOCK = 10  # images: looks and windows begin and end at multiples of it
SPREAD = 8  # the larger, the more is left for late looks: doubling e has SPREAD / ((e + SPREAD) (e + SPREAD + 1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedLooks:
    """Comparisons of a window of the stream with the reference and all that came before the window."""

    starts: Counts  # (looks,) images before the window
    ends: Counts  # (looks,) images up to its end; rising
    shares: Floats  # (looks,) of the false-alarm rate; those of an endless stream add up to 1


def plan_looks(count: int) -> PlannedLooks:
    """Plan all looks at a stream of `count` images: the same ones however often, and whenever, somebody asks.

    While the stream doubles from n to 2 n images, n = 50, 100, 200 …, it is looked at as a whole every n / 5 images,
    and through each window of 50, 100 … n / 2 latest images whenever a fifth of the window is new. Each doubling has
    its share of the false-alarm rate: half for the whole, half for the windows, which share it evenly.

    >>> looks = plan_looks(120)
    >>> looks.ends.tolist(), looks.starts.tolist()
    ([50, 60, 70, 80, 90, 100, 100, 110, 120, 120], [0, 0, 0, 0, 0, 0, 50, 60, 0, 70])
    """
    starts, ends, shares = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    doubling = 0
    while (begin := FIRST << doubling) <= count:
        share = SPREAD / ((doubling + SPREAD) * (doubling + SPREAD + 1))
        of_whole = share if doubling == 0 else share / 2
        for level in range(doubling + 1):
            is_whole = level == doubling
            step = BLOCK << level
            stops = np.arange(begin, min(count, 2 * begin - 1) + 1, step)
            mine = of_whole if is_whole else share / 2 / doubling
            starts.append(np.zeros_like(stops) if is_whole else stops - (FIRST << level))
            ends.append(stops)
            shares.append(np.full(len(stops), mine / (begin // step)))
        doubling += 1
    order = np.lexsort((np.concatenate(starts), np.concatenate(ends)))
    return PlannedLooks(
        starts=np.concatenate(starts)[order], ends=np.concatenate(ends)[order], shares=np.concatenate(shares)[order]
    )
