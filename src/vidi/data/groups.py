"""Which images belong together: links between images joined into groups."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def join_links(count: int, links: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """The group of every image, given pairs that belong together; a group is numbered by its first image.

    Args:
        count: number of images.
        links: pairs of image indexes.

    Returns:
        (count,) int64; equal numbers belong together, directly or through others.

    >>> join_links(5, [(3, 1), (4, 3)]).tolist()
    [0, 1, 2, 1, 1]
    """
    parent = list(range(count))
    for first, second in links:
        a, b = _root(parent, first), _root(parent, second)
        parent[max(a, b)] = min(a, b)
    return np.array([_root(parent, index) for index in range(count)], dtype=np.int64)


def _root(parent: list[int], index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]  # halve the way, so that long chains stay cheap
        index = parent[index]
    return index


def links_of_equal(keys: Iterable[str | None]) -> list[tuple[int, int]]:
    """Links between images of equal key; None belongs to nobody.

    >>> links_of_equal(["a", None, "b", "a"])
    [(0, 3)]
    """
    first: dict[str, int] = {}
    links = []
    for index, key in enumerate(keys):
        if key is None:
            continue
        if key in first:
            links.append((first[key], index))
        else:
            first[key] = index
    return links


def members_of(groups: NDArray[np.int64]) -> list[list[int]]:
    """The image indexes of every group, in order of their first image.

    >>> members_of(np.array([0, 1, 0]))
    [[0, 2], [1]]
    """
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(index)
    return list(members.values())
