"""Which images belong together, and how whole groups are split into folds and parts."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

FOLDS = 5

Groups = Sequence[str] | NDArray[np.int64]  # the group of each image, by name or by number


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


def number_groups(groups: Groups) -> NDArray[np.int64]:
    """(images,) int64: groups numbered from 0, in the order of their names.

    >>> number_groups(["b", "a", "b"]).tolist()
    [1, 0, 1]
    """
    return _numbered(groups)[1]


def split_folds(
    groups: Groups,
    *,
    seed: "int | np.random.Generator",
    labels: NDArray[np.int64] | None = None,
    folds: int = FOLDS,
) -> NDArray[np.int64]:
    """(images,) int64: the fold of each image. Images of one group share a fold.

    Args:
        seed: decides the order in which groups are assigned.
        labels: (images,) int; with labels, each class is spread evenly. A group is of its first image's class.

    >>> split_folds(["a", "a", "b", "c"], labels=np.array([0, 0, 1, 1]), folds=2, seed=0).tolist()
    [0, 0, 0, 1]
    """
    first, group_of = _numbered(groups)
    shuffled = np.random.default_rng(seed).permutation(len(first))
    if labels is None:
        return (shuffled % folds)[group_of]
    fold_of_group = np.empty(len(first), np.int64)
    fold_of_group[shuffled[np.argsort(labels[first[shuffled]], kind="stable")]] = np.arange(len(first)) % folds
    return fold_of_group[group_of]


def split_learnable_folds(
    groups: Groups, *, seed: "int | np.random.Generator", labels: NDArray[np.int64], folds: int = FOLDS
) -> NDArray[np.int64]:
    """As `split_folds`, but no class is held out whole: -1, held out in no fold, for groups that would take one along.

    Who has never seen a class cannot answer it: of a class with one group, an answer by those who were trained on the
    others says nothing about the image or its label. Where fewer than two classes are left, none is held out.

    Args:
        seed: decides the order in which groups are assigned.
        labels: (images,) int; each class is spread evenly.

    >>> split_learnable_folds(list("abcde"), labels=np.array([0, 0, 1, 1, 2]), folds=2, seed=0).tolist()
    [0, 1, 0, 1, -1]
    """
    fold_of = split_folds(groups, seed=seed, labels=labels, folds=folds)
    in_one_fold = [label for label in np.unique(labels) if len(np.unique(fold_of[labels == label])) == 1]
    group_of = number_groups(groups)
    fold_of[np.isin(group_of, group_of[np.isin(labels, in_one_fold)])] = -1
    is_enough = len(np.unique(labels[fold_of >= 0])) > 1
    return fold_of if is_enough else np.full(len(labels), -1)


def split_three_parts(
    labels: NDArray[np.int64], groups: Groups, *, share: float, least: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The rows to learn from, and two held-out parts; those are empty where they would be too small.

    Args:
        labels: (images,) int64.
        share: of the images in each of the two held-out parts.
        least: fewest images in a held-out part.

    >>> [len(rows) for rows in split_three_parts(np.arange(200) % 2, np.arange(200), share=0.1, least=20, seed=0)]
    [160, 20, 20]
    >>> [len(rows) for rows in split_three_parts(np.arange(199) % 2, np.arange(199), share=0.1, least=20, seed=0)]
    [199, 0, 0]
    """
    everything, nothing = np.arange(len(labels)), np.arange(0)
    if share * len(labels) < least:
        return everything, nothing, nothing
    folds = round(1 / share)
    fold_of = split_folds(groups, labels=labels, folds=folds, seed=seed)
    learned = np.unique(labels[fold_of > 1])
    # A class of one or two images or groups may have been held out whole: it is used for training instead.
    fold_of[~np.isin(labels, learned)] = folds
    return everything[fold_of > 1], everything[fold_of == 0], everything[fold_of == 1]


def hold_out_share(
    labels: NDArray[np.int64], groups: Groups, *, share: float, seed: int | Sequence[int]
) -> NDArray[np.bool_]:
    """(images,) bool: the held-out images, of each class at most its share.

    Args:
        labels: (images,) int64.
        groups: the group of each image; the order of the images does not matter.
        share: of each class's images, rounded down.
        seed: decides which groups are held out.
    """
    first, group_of = _numbered(groups)
    members = np.split(np.argsort(group_of, kind="stable"), np.cumsum(np.bincount(group_of))[:-1])
    left = np.floor(share * np.bincount(labels)).astype(np.int64)
    chosen = np.zeros(len(labels), np.bool_)
    for number in np.random.default_rng(seed).permutation(len(first)).tolist():
        counts = Counter(labels[members[number]].tolist())
        if all(count <= left[label] for label, count in counts.items()):
            chosen[members[number]] = True
            for label, count in counts.items():
                left[label] -= count
    return chosen


def draw_share(
    labels: NDArray[np.int64], groups: Groups, *, share: float, random: "np.random.Generator"
) -> NDArray[np.bool_]:
    """(images,) bool: the share of each class's groups, at least one, that comes first in a random order.

    A smaller share drawn with the same random numbers lies within a larger one.

    >>> labels, groups = np.array([0, 0, 0, 1]), ["a", "a", "b", "c"]
    >>> draw_share(labels, groups, share=0.5, random=np.random.default_rng(0)).tolist()
    [False, False, True, True]
    """
    first, group_of = _numbered(groups)
    rank = random.permutation(len(first))
    taken = np.zeros(len(first), np.bool_)
    for label in np.unique(labels[first]).tolist():
        mine = np.flatnonzero(labels[first] == label)
        taken[mine[np.argsort(rank[mine])][: max(1, round(share * len(mine)))]] = True
    return taken[group_of]


def draw_images(groups: Groups, *, images: int, seed: int | Sequence[int]) -> NDArray[np.bool_]:
    """(images,) bool: random groups that hold at most this many images in total, or one group."""
    first, group_of = _numbered(groups)
    sizes = np.bincount(group_of)
    order = np.random.default_rng(seed).permutation(len(first))
    taken = np.zeros(len(first), np.bool_)
    taken[order[np.cumsum(sizes[order]) <= max(images, sizes[order[0]])]] = True
    return taken[group_of]


def _numbered(groups: Groups) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(groups,) the first image of each, and (images,) the number of each image's group, in the order of the names."""
    names = groups if isinstance(groups, np.ndarray) else np.array(groups, dtype=object)
    _, first, group_of = np.unique(names, return_index=True, return_inverse=True)
    return first.astype(np.int64), group_of.astype(np.int64)
