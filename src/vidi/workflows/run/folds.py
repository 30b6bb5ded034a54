"""Cross-validation over groups: who is held out when."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FOLD_COUNT = 5


def deal_folds(labels: NDArray[np.int64], groups: Sequence[str], *, folds: int, seed: int) -> NDArray[np.int64]:
    """A fold for every image: whole groups, dealt in turn class by class.

    Args:
        labels: (images,) int64.
        groups: the group of each image.
        folds: how many.
        seed: decides the order in which groups are dealt.

    >>> deal_folds(np.array([0, 0, 1, 1]), ["a", "a", "b", "c"], folds=2, seed=0).tolist()
    [0, 0, 0, 1]
    """
    first_row: dict[str, int] = {}
    for row, group in enumerate(groups):
        first_row.setdefault(group, row)
    names = np.array(sorted(first_row), dtype=object)
    shuffled = names[np.random.default_rng(seed).permutation(len(names))]
    by_class = sorted(shuffled, key=lambda name: int(labels[first_row[name]]))
    fold_of = {name: number % folds for number, name in enumerate(by_class)}
    return np.array([fold_of[group] for group in groups], dtype=np.int64)
