"""Images that come after the first split: none of the old moves, and the new follow a keyed hash of their group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vidi.data.splitting.split_plan import ASIDE, EXTRA, Assignment, SplitRule, held_back_share

LINKS_TWO_PARTS = ("links-two-parts", "It belongs to images in two parts of the split, and neither may move.")
COPIES_TEST = ("copies-test", "It belongs to images of the frozen test part, which takes in no others.")
TEST_CHANGED = ("test-changed", "It was an image of the frozen test part, and its file has changed since.")
TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomers:
    """The images to place, in any order; indexes are the caller's."""

    indexes: Sequence[int]
    digests: Mapping[int, str]
    paths: Mapping[int, str]
    groups: Mapping[int, str | None]  # the data's own group
    links: Sequence[tuple[int, int]]  # copies of one another: both ends among `indexes` or `placed`
    feedback: frozenset[int] = frozenset()  # those that were labelled in use
    held_back: frozenset[int] = frozenset()  # those among them of which a part is held back
    placed: Mapping[int, str] = field(default_factory=dict)  # images with a part of the user's own split


Node = int | tuple[str, str]  # an image by index, or a group by name


def place_grown(
    images: Newcomers, rows: Sequence[Assignment], rule: SplitRule, *, frozen_test: bool = False
) -> tuple[dict[int, str], dict[int, tuple[str, str]]]:
    """Parts for images of a data set that was split before.

    An image with a row of its own (by digest, else by path) keeps its part. A later one goes where its group or its
    copies are; with neither, its group's key decides. Feedback that was held back and may be learned from by now is
    placed anew. One that would link two parts is kept out, alone: the others
    are placed as if it were not there.

    Args:
        images: to be placed.
        rows: of the earlier split.
        rule: of the earlier split.
        frozen_test: whether the test part takes in no more images, and keeps those of the same bytes alone.

    Returns:
        The part of every placed image; the images kept out, each with its reason.
    """
    rows = _without_released(images, rows)
    old, kept_out = _old_parts(images, rows, frozen_test=frozen_test)
    neighbours = _neighbours(images)
    clusters = _Clusters()
    for row in rows:
        if row.part != ASIDE:
            clusters.add(("group", row.group), row.part)
    settled = {**images.placed, **old}
    for index, part in settled.items():
        clusters.add(index, part)
    for index, part in settled.items():
        for other in neighbours[index]:
            if other in clusters and clusters.part_of(other) == part:
                clusters.join(index, other)
    # By digest, so that neither the order of the files nor their names decide which of two is kept out.
    later = set(images.indexes) - old.keys() - kept_out.keys()
    for index in sorted(later, key=lambda i: (images.digests[i], images.paths[i])):
        group = images.groups[index]
        if group is not None:
            clusters.add(("group", group), "")
        near = [other for other in neighbours[index] if other in clusters]
        parts = {clusters.part_of(other) for other in near} - {""}
        if len(parts) > 1:
            kept_out[index] = LINKS_TWO_PARTS
        elif frozen_test and parts == {TEST}:
            kept_out[index] = COPIES_TEST
        else:
            clusters.add(index, "")
            for other in near:
                clusters.join(index, other)
    return _name_parts(images, clusters, frozenset(kept_out), rule, frozen_test=frozen_test), kept_out


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


def _without_released(images: Newcomers, rows: Sequence[Assignment]) -> list[Assignment]:
    """The rows without those of feedback that was held back before, and is for learning now."""
    released = {images.digests[index] for index in images.feedback - images.held_back}
    return [row for row in rows if row.part != EXTRA or row.digest not in released]


def _old_parts(
    images: Newcomers, rows: Sequence[Assignment], *, frozen_test: bool
) -> tuple[dict[int, str], dict[int, tuple[str, str]]]:
    """The parts of images that have a row: the same file, else the same content, else the same name.

    Returns:
        The parts; and, where the test part is frozen, the images that would change it.
    """
    settled = [row for row in rows if row.part != ASIDE]
    by_both = {(row.digest, row.path): row.part for row in settled}
    by_digest = {row.digest: row.part for row in settled}
    by_path = {row.path: row.part for row in settled}
    parts, kept_out = {}, {}
    for index in images.indexes:
        digest, path = images.digests[index], images.paths[index]
        part = by_both.get((digest, path)) or by_digest.get(digest) or by_path.get(path)
        if frozen_test and part == TEST and index in images.feedback:
            kept_out[index] = COPIES_TEST
        elif frozen_test and part == TEST and by_digest.get(digest) != TEST:
            kept_out[index] = TEST_CHANGED
        elif part is not None:
            parts[index] = part
    return parts, kept_out


def _neighbours(images: Newcomers) -> dict[int, list[Node]]:
    """What each image is linked to: its copies, and the node of its group."""
    neighbours: dict[int, list[Node]] = {index: [] for index in (*images.indexes, *images.placed)}
    for first, second in images.links:
        neighbours[first].append(second)
        neighbours[second].append(first)
    for index in images.indexes:
        group = images.groups[index]
        if group is not None:
            neighbours[index].append(("group", group))
    return neighbours


def _name_parts(
    images: Newcomers, clusters: _Clusters, kept_out: frozenset[int], rule: SplitRule, *, frozen_test: bool
) -> dict[int, str]:
    """The part of each placed image; a cluster without one gets it from its key."""
    placed = [index for index in images.indexes if index not in kept_out]
    keys: dict[Node, str] = {}
    from_use: set[Node] = set()
    for index in placed:
        root = clusters.root(index)
        key = group_key(images.groups[index], images.digests[index])
        keys[root] = min(keys.get(root, key), key)
        if index in images.held_back:
            from_use.add(root)

    share = held_back_share(len(images.held_back.intersection(placed)))

    def part_of(root: Node) -> str:
        if not frozen_test:
            return rule.part_of(keys[root])
        return rule.grown_part_of(keys[root], held_back=share if root in from_use else 0.0)

    return {index: clusters.part_of(index) or part_of(clusters.root(index)) for index in placed}


def group_key(group: str | None, digest: str) -> str:
    """The name of an image's group: the data's own, else the start of its digest.

    >>> group_key("anna", "ab" * 32), group_key(None, "ab" * 32)
    ('anna', 'abababababababab')
    """
    return group if group is not None else digest[:16]
