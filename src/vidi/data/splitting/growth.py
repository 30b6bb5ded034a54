"""Images that come after the first split: none of the old moves, and the new follow a keyed hash of their group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vidi.data.splitting.split_file import Assignment
from vidi.data.splitting.split_plan import ASIDE, SplitRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomers:
    """The images to place, in any order; indexes are the caller's."""

    indexes: Sequence[int]
    digests: Mapping[int, str]
    paths: Mapping[int, str]
    groups: Mapping[int, str | None]  # the data's own group
    links: Sequence[tuple[int, int]]  # copies of one another: both ends among `indexes`


Node = int | tuple[str, str]  # an image by index, or a group by name


def place_grown(images: Newcomers, rows: Sequence[Assignment], rule: SplitRule) -> tuple[dict[int, str], list[int]]:
    """Parts for images of a data set that was split before.

    An image with a row of its own (by digest, else by path) keeps its part. A later one goes where its group or its
    copies are; with neither, its group's key decides. One that would link two parts is kept out, alone: the others
    are placed as if it were not there.

    Returns:
        The part of every placed image, and the images kept out.
    """
    old = _old_parts(images, rows)
    neighbours = _neighbours(images)
    clusters = _Clusters()
    for row in rows:
        if row.part != ASIDE:
            clusters.add(("group", row.group), row.part)
    for index, part in old.items():
        clusters.add(index, part)
    for index, part in old.items():
        for other in neighbours[index]:
            if other in clusters and clusters.part_of(other) == part:
                clusters.join(index, other)
    linking = []
    # By digest, so that neither the order of the files nor their names decide which of two is kept out.
    for index in sorted(set(images.indexes) - old.keys(), key=lambda i: (images.digests[i], images.paths[i])):
        group = images.groups[index]
        if group is not None:
            clusters.add(("group", group), "")
        near = [other for other in neighbours[index] if other in clusters]
        if len({clusters.part_of(other) for other in near} - {""}) > 1:
            linking.append(index)
        else:
            clusters.add(index, "")
            for other in near:
                clusters.join(index, other)
    return _name_parts(images, clusters, frozenset(linking), rule), linking


class _Clusters:
    """Images and groups joined into clusters, each with at most one part."""

    def __init__(self) -> None:
        self.parent: dict[Node, Node] = {}
        self.part: dict[Node, str] = {}  # of a cluster's root; "" while it has none

    def __contains__(self, node: Node) -> bool:
        return node in self.parent

    def add(self, node: Node, part: str) -> None:
        if node not in self.parent:
            self.parent[node], self.part[node] = node, part

    def root(self, node: Node) -> Node:
        while self.parent[node] != node:
            self.parent[node] = self.parent[self.parent[node]]
            node = self.parent[node]
        return node

    def part_of(self, node: Node) -> str:
        return self.part[self.root(node)]

    def join(self, first: Node, second: Node) -> None:
        a, b = self.root(first), self.root(second)
        if a != b:
            self.part[a] = self.part[a] or self.part[b]
            self.parent[b] = a


def _old_parts(images: Newcomers, rows: Sequence[Assignment]) -> dict[int, str]:
    """The parts of images that have a row: the same file, else the same content, else the same name."""
    settled = [row for row in rows if row.part != ASIDE]
    by_both = {(row.digest, row.path): row.part for row in settled}
    by_digest = {row.digest: row.part for row in settled}
    by_path = {row.path: row.part for row in settled}
    parts = {}
    for index in images.indexes:
        digest, path = images.digests[index], images.paths[index]
        part = by_both.get((digest, path)) or by_digest.get(digest) or by_path.get(path)
        if part is not None:
            parts[index] = part
    return parts


def _neighbours(images: Newcomers) -> dict[int, list[Node]]:
    """What each image is linked to: its copies, and the node of its group."""
    neighbours: dict[int, list[Node]] = {index: [] for index in images.indexes}
    for first, second in images.links:
        neighbours[first].append(second)
        neighbours[second].append(first)
    for index in images.indexes:
        group = images.groups[index]
        if group is not None:
            neighbours[index].append(("group", group))
    return neighbours


def _name_parts(images: Newcomers, clusters: _Clusters, linking: frozenset[int], rule: SplitRule) -> dict[int, str]:
    """The part of each placed image; a cluster without one gets it from its key."""
    placed = [index for index in images.indexes if index not in linking]
    keys: dict[Node, str] = {}
    for index in placed:
        root = clusters.root(index)
        key = group_key(images.groups[index], images.digests[index])
        keys[root] = min(keys.get(root, key), key)
    return {index: clusters.part_of(index) or rule.part_of(keys[clusters.root(index)]) for index in placed}


def group_key(group: str | None, digest: str) -> str:
    """The name of an image's group: the data's own, else the start of its digest.

    >>> group_key("anna", "ab" * 32), group_key(None, "ab" * 32)
    ('anna', 'abababababababab')
    """
    return group if group is not None else digest[:16]
