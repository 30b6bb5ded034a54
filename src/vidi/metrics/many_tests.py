"""Which of several tests still show something when it counts against each that there are others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def shown_together(p_values: Sequence[float], least: Sequence[float], *, chance: float) -> NDArray[np.bool_]:
    """The tests that show something, so chosen that one among them is mistaken in at most this share of the cases.

    Tests that could not have shown anything, whatever their outcome, are not counted (Tarone); of the rest the
    smallest p-value is held to `chance` / count, the next to `chance` / (count - 1) and so on (Holm).

    Args:
        p_values: of each test.
        least: the smallest p-value that each could have had, given how many observations it rests on.
        chance: of naming anything where there is nothing.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure; Tarone 1990, A modified Bonferroni
    method for discrete data.

    >>> shown_together([0.001, 0.04, 1.0], [0.001, 0.001, 1.0], chance=0.05).tolist()
    [True, True, False]
    >>> shown_together([0.04, 0.04], [0.001, 0.001], chance=0.05).tolist()
    [False, False]
    """
    values, smallest = np.asarray(p_values, float), np.asarray(least, float)
    able = smallest <= chance
    for count in range(1, len(values) + 1):
        able = smallest <= chance / count
        if able.sum() <= count:
            break
    tested = np.flatnonzero(able)
    order = tested[np.argsort(values[tested], kind="stable")]
    shown = np.zeros(len(values), np.bool_)
    for step, test in enumerate(order.tolist()):
        if values[test] > chance / (len(order) - step):
            break
        shown[test] = True
    return shown
