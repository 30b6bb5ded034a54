"""Who is trained on and who is tested on: the split, whole groups at a time; none of the old moves when images come."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.data.checked import CONFLICT, DataCheck
from vidi.data.dataset import Dataset
from vidi.data.splitting.leaks import Leak, find_conflicts, find_leaks, refuse_leaks, suspect_test_images
from vidi.data.splitting.split_plan import (
    ASIDE,
    EXTRA,
    PARTS,
    Assignment,
    SplitPlan,
    SplitRule,
    held_back_share,
    parse_rule,
    plan_cut,
    plan_rule,
    read_assignments,
)
from vidi.errors import DataError
from vidi.files import escape_path
from vidi.groups import join_links, links_of_equal, members_of
from vidi.images.account import Entry

LINKS_TWO_PARTS = ("links-two-parts", "It belongs to images in two parts of the split, and neither may move.")
COPIES_TEST = ("copies-test", "It belongs to images of the frozen test part, which takes in no others.")
TEST_CHANGED = ("test-changed", "It was an image of the frozen test part, and its file has changed since.")
TEST = "test"


Node = int | tuple[str, str]  # an image by index, or a group by name
KeptOut = dict[int, tuple[str, str]]  # images by index, each with its reason


class _Growth:
    """A data set that was split before, and the images to place: those without a part of the user's own split."""

    def __init__(self, dataset: Dataset, check: DataCheck, *, free: Sequence[int], parts: Sequence[str]) -> None:
        self.images, self.free = dataset.images, free
        self.digests = [record.digest or "" for record in check.records]
        self.placed = {index: part for index, part in enumerate(parts) if part}
        self.feedback = {index for index in free if dataset.images[index].is_feedback}
        self.held_back = {index for index in self.feedback if not dataset.images[index].is_for_learning}
        self.neighbours: dict[int, list[Node]] = {index: [] for index in (*free, *self.placed)}  # copies, and the group
        for first, second in [*check.exact_links, *check.capture_links, *check.near_links]:
            if first in self.neighbours and second in self.neighbours:
                self.neighbours[first].append(second)
                self.neighbours[second].append(first)
        for index in free:
            if (group := dataset.images[index].group) is not None:
                self.neighbours[index].append(("group", group))

    def place(
        self, rows: Sequence[Assignment], rule: SplitRule, *, frozen_test: bool
    ) -> tuple[dict[int, str], KeptOut]:
        """Parts for the images.

        An image with a row of its own (by digest, else by path) keeps its part. A later one goes where its group or
        its copies are; with neither, its group's key decides. Feedback that was held back and may be learned from by
        now is placed anew. One that would link two parts is kept out, alone: the others are placed as if it were not
        there.

        Args:
            frozen_test: whether the test part takes in no more images, and keeps those of the same bytes alone.

        Returns:
            The part of every placed image; the images kept out.
        """
        released = {self.digests[index] for index in self.feedback - self.held_back}
        rows = [row for row in rows if row.own_part != ASIDE and (row.part != EXTRA or row.digest not in released)]
        old, kept_out = self._old_parts(rows, frozen_test=frozen_test)
        clusters = _Clusters()
        for row in rows:
            clusters.add(("group", row.group), row.own_part)
        settled = {**self.placed, **old}
        for index, part in settled.items():
            clusters.add(index, part)
        for index, part in settled.items():
            for other in self.neighbours[index]:
                if other in clusters and clusters.part_of(other) == part:
                    clusters.join(index, other)
        # By digest, so that neither the order of the files nor their names decide which of two is kept out.
        later = set(self.free) - old.keys() - kept_out.keys()
        for index in sorted(later, key=lambda i: (self.digests[i], self.images[i].path)):
            if (group := self.images[index].group) is not None:
                clusters.add(("group", group), "")
            near = [other for other in self.neighbours[index] if other in clusters]
            parts = {clusters.part_of(other) for other in near} - {""}
            if len(parts) > 1:
                kept_out[index] = LINKS_TWO_PARTS
            elif frozen_test and parts == {TEST}:
                kept_out[index] = COPIES_TEST
            else:
                clusters.add(index, "")
                for other in near:
                    clusters.join(index, other)
        placed = [index for index in self.free if index not in kept_out]
        return self._name_parts(placed, clusters, rule, frozen_test=frozen_test), kept_out

    def _old_parts(self, rows: Sequence[Assignment], *, frozen_test: bool) -> tuple[dict[int, str], KeptOut]:
        """The parts of images that have a row: the same file, else the same content, else the same name.

        Returns:
            The parts; and, where the test part is frozen, the images that would change it.
        """
        by_both = {(row.digest, row.path): row.own_part for row in rows}
        by_digest = {row.digest: row.own_part for row in rows}
        by_path = {row.path: row.own_part for row in rows}
        parts, kept_out = {}, {}
        for index in self.free:
            digest, path = self.digests[index], self.images[index].path
            part = by_both.get((digest, path)) or by_digest.get(digest) or by_path.get(path)
            is_known = (digest, path) in by_both
            if frozen_test and part == TEST and index in self.feedback and not is_known:
                kept_out[index] = COPIES_TEST
            elif frozen_test and part == TEST and by_digest.get(digest) != TEST:
                kept_out[index] = TEST_CHANGED
            elif part is not None:
                parts[index] = part
        return parts, kept_out

    def _name_parts(
        self, placed: Sequence[int], clusters: "_Clusters", rule: SplitRule, *, frozen_test: bool
    ) -> dict[int, str]:
        """The part of each placed image; a cluster without one gets it from its key."""
        keys: dict[Node, str] = {}
        for index in placed:
            root, key = clusters.root(index), group_key(self.images[index].group, self.digests[index])
            keys[root] = min(keys.get(root, key), key)
        from_use = {clusters.root(index) for index in self.held_back.intersection(placed)}
        share = held_back_share(len(self.held_back.intersection(placed)))

        def part_of(root: Node) -> str:
            if not frozen_test:
                return rule.part_of(keys[root])
            return rule.grown_part_of(keys[root], held_back=share if root in from_use else 0.0)

        return {index: clusters.part_of(index) or part_of(clusters.root(index)) for index in placed}


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


def group_key(group: str | None, digest: str) -> str:
    """The name of an image's group: the data's own, else the start of its digest.

    >>> group_key("anna", "ab" * 32), group_key(None, "ab" * 32)
    ('anna', 'abababababababab')
    """
    return group if group is not None else digest[:16]


NO_PLAN = SplitPlan()
NO_CLASS = (-1,)  # images of a multi-label set that show none of its classes are assigned like a class
ClassCounts = Mapping[int, int]  # class index → images of it in one group
LEAST_CLASSES, LEAST_IMAGES = 2, 2  # of a class one is learned from and one tests


@dataclass(frozen=True, slots=True)
class NamedParts:
    """The user's split after `--parts`; without one every image is free."""

    parts: tuple[str, ...]  # for each image; "" where vidi decides
    missing: frozenset[str]  # parts that are to be cut from the free images
    by_user: bool  # the user made a split


def name_parts(dataset: Dataset, plan: SplitPlan) -> NamedParts:
    """What each image's part is used as.

    `train` with one other part: that other is the test part. Validation and calibration that the user did not name
    are cut from train.

    Raises:
        DataError: images without a part beside images with one, no train part, or no other part.
    """
    known = {image.part for image in dataset.images if image.part is not None}
    for name in plan.parts:
        if name not in known:
            raise DataError(
                f"--parts names {name!r}, but {escape_path(dataset.source)} has {_listed(known) or 'no parts'}",
                "Name a part that is there, or leave `--parts` out.",
            )
    if not known:
        return NamedParts(("",) * len(dataset.images), frozenset(PARTS), by_user=False)
    for image in dataset.images:
        if image.part is None:
            raise DataError(
                f"{escape_path(dataset.source)}: {escape_path(image.path)} has no part, but other images have one",
                "Set a part (train, validation, test) for every image, or for none.",
            )
    used = [plan.parts.get(image.part or "", image.part or "") for image in dataset.images]
    named = frozenset(used)
    _refuse_half_a_split(dataset, named)
    others = named - {"train", EXTRA}
    if others == {"validation"} and "validation" not in plan.parts.values():
        used = ["test" if part == "validation" else part for part in used]
        named = named - {"validation"} | {"test"}
    parts = tuple("" if part == "train" else part for part in used)
    return NamedParts(parts, frozenset(PARTS) - named, by_user=True)


def _listed(names: Collection[str]) -> str:
    return ", ".join(map(escape_path, sorted(names)))


def _refuse_half_a_split(dataset: Dataset, named: frozenset[str]) -> None:
    if "train" not in named:
        raise DataError(
            f"{escape_path(dataset.source)} has the parts {_listed(named)}, but none to train on",
            "Name one, such as `--parts test=train`, or keep the images in plain class folders.",
        )
    if named <= {"train", EXTRA}:
        raise DataError(
            f"{escape_path(dataset.source)} has {_listed(named)}, but no part to test on",
            "Name one, such as `--parts extra=test`, or keep the images in plain class folders.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The part of every image, in the order of `dataset.images`."""

    parts: tuple[str, ...]  # train, validation, calibration, test, extra; "" where refused or set aside
    groups: tuple[str, ...]  # images of one group are never on two sides; also the units of the bootstrap
    rule: SplitRule
    set_aside: tuple[Entry, ...]
    assignments: tuple[Assignment, ...]  # the rows of `splits.csv`
    leaks: tuple[Leak, ...]  # what belongs together across the parts of the user's own split
    suspect_test_rows: tuple[int, ...]  # test images with a copy among those that something is chosen on
    untested_classes: tuple[str, ...]  # no image of theirs is in the test part
    left_out_of: Mapping[int, str] = field(default_factory=dict)  # image that people left out → the part it would be in

    def rows(self, part: str) -> NDArray[np.int64]:
        """The image indexes of a part, ascending."""
        return np.array([index for index, name in enumerate(self.parts) if name == part], dtype=np.int64)

    def counts(self) -> dict[str, int]:
        """Images in each part that has some, in the usual order."""
        counted = Counter(self.parts)
        return {part: counted[part] for part in (*PARTS, EXTRA) if counted[part]}


def split_dataset(
    dataset: Dataset, check: DataCheck, *, plan: SplitPlan = NO_PLAN, previous: Path | None = None
) -> Split:
    """Give every usable image a part.

    The first split is stratified by class and keeps groups whole: the data's own groups, bursts, exact copies and
    near-copies. Where `previous` names a `splits.csv`, what stands there stays, and later images are placed by a
    keyed hash of their group. A split that the user made is taken as named and audited.

    Args:
        previous: a `splits.csv` of an earlier split of this data, perhaps with fewer images.

    Returns:
        The split; its `assignments` are what `write_assignments` writes.

    Raises:
        DataError: fewer than two classes with two images, copies across the parts of the user's split (unless
            `plan.allow_leaks`), or a `previous` that cannot be read.
    """
    rows = read_assignments(previous) if previous is not None and not plan.replan else []
    named = name_parts(dataset, plan)
    usable = check.usable.tolist()
    left_out = {index: image.left_out for index, image in enumerate(dataset.images) if image.left_out and usable[index]}
    parts = [name if usable[index] else "" for index, name in enumerate(named.parts)]
    candidates = [index for index, name in enumerate(named.parts) if name == "" and usable[index]]
    settled = _settled(dataset, check, rows) if plan.frozen_test else frozenset()
    aside = {index: CONFLICT for index in candidates if index in check.conflicting and index not in settled}
    free = [index for index in candidates if index not in aside]
    groups = _group_names(dataset, check, free)
    rule = next((parse_rule(row.rule) for row in rows if row.rule.startswith("v1:")), None)  # growth decides none again
    known = rows
    if rows:
        rule = rule or _first_rule(len(free), plan, named)
    else:
        given, first = _as_given(dataset, check, candidates, free)
        rule = _first_rule(len(first), plan, named)
        groups_then = _group_names(dataset, check, first)
        placed = _deal(given, first, groups_then, rule)
        known = [_row(check, index, groups_then[index], part, str(rule)) for index, part in placed.items()]
    if rows or set(free) != set(first):
        growth = _Growth(dataset, check, free=free, parts=parts)
        placed, kept_out = growth.place(known, rule, frozen_test=plan.frozen_test)
        aside |= kept_out
    for index, part in placed.items():
        parts[index] = part
    kept_parts = {index: parts[index] for index in left_out}
    aside |= left_out
    for index in left_out:
        parts[index] = ""
    _refuse_unlearnable(dataset, check, parts)
    leaks = find_leaks(dataset, check, parts)
    if not plan.allow_leaks:
        refuse_leaks(dataset, leaks)
    return Split(
        parts=tuple(parts),
        groups=tuple(groups),
        rule=rule,
        set_aside=tuple(Entry(dataset.images[index].path, *reason) for index, reason in sorted(aside.items())),
        assignments=_assignments(check, parts, groups=groups, aside=aside, kept=kept_parts, rule=rule, rows=rows),
        leaks=leaks,
        suspect_test_rows=suspect_test_images(leaks, parts),
        untested_classes=_untested(dataset, parts),
        left_out_of=kept_parts,
    )


def _as_given(
    dataset: Dataset, check: DataCheck, candidates: Sequence[int], free: Sequence[int]
) -> tuple[Dataset, Sequence[int]]:
    """The data and the images that a first split assigned before anybody said a label: none changes another's part.

    Where people have labelled most of the images, or none, the data as it is now.
    """
    if all(image.given is None and image.left_out is None for image in dataset.images):
        return dataset, free
    given = dataset.as_given()
    conflicting = find_conflicts(given, check.records, check.near_duplicates)
    first = [index for index in candidates if not given.images[index].left_out and index not in conflicting]
    return (given, first) if 2 * len(first) >= len(free) else (dataset, free)


def _first_rule(free_count: int, plan: SplitPlan, named: NamedParts) -> SplitRule:
    if named.by_user:
        return plan_cut(free_count, plan.seed, missing=named.missing)
    return plan_rule(free_count, plan.seed)


def _group_names(dataset: Dataset, check: DataCheck, free: Sequence[int]) -> list[str]:
    """The name of each image's group; what belongs together among the free images carries one name."""
    names = [group_key(image.group, check.records[i].digest or "") for i, image in enumerate(dataset.images)]
    among_free = set(free)
    links = [(a, b) for a, b in _links(dataset, check) if a in among_free and b in among_free]
    for members in members_of(join_links(len(names), links)):
        # The data's own name, where one of them has it, else the least digest: the order of files decides nothing.
        owned = [names[index] for index in members if dataset.images[index].group is not None]
        name = min(owned or [names[index] for index in members])
        for index in members:
            names[index] = name
    return names


def _links(dataset: Dataset, check: DataCheck) -> list[tuple[int, int]]:
    own = links_of_equal(image.group for image in dataset.images)
    return [*own, *check.exact_links, *check.capture_links, *check.near_links]


def _settled(dataset: Dataset, check: DataCheck, rows: Sequence[Assignment]) -> frozenset[int]:
    """The images that an earlier split gave a part: what comes later under another label does not push them out."""
    known = {row.digest for row in rows if row.own_part != ASIDE}
    return frozenset(
        index
        for index, image in enumerate(dataset.images)
        if not image.is_feedback and check.records[index].digest in known
    )


def _deal(dataset: Dataset, free: Sequence[int], groups: Sequence[str], rule: SplitRule) -> dict[int, str]:
    """The first split of the free images, by group."""
    counts: dict[str, Counter[int]] = {}
    for index in free:
        counts.setdefault(groups[index], Counter()).update(dataset.images[index].labels or NO_CLASS)
    names = list(counts)
    part_of = dict(zip(names, assign_groups([counts[name] for name in names], names, rule), strict=True))
    return {index: part_of[groups[index]] for index in free}


def _refuse_unlearnable(dataset: Dataset, check: DataCheck, parts: Sequence[str]) -> None:
    """A classifier needs two classes to learn, and something to be tested on."""
    trained = Counter(
        label for image, part in zip(dataset.images, parts, strict=True) if part == "train" for label in image.labels
    )
    sizes = independent_sizes(dataset, check, [part != "" for part in parts])
    if len(trained) >= 2 and "test" in parts and is_learnable(sizes):
        return
    largest = [(name, size) for name, size in Counter(sizes).most_common(10) if size]
    found = ", ".join(f"{escape_path(name)} {size}" for name, size in largest) or "no usable image"
    raise DataError(
        f"{escape_path(dataset.source)}: too few images to learn from and to test on; usable and independent: {found}",
        "At least two classes with two images each are needed, and copies and groups count as one.",
    )


def _untested(dataset: Dataset, parts: Sequence[str]) -> tuple[str, ...]:
    tested = {
        label for image, part in zip(dataset.images, parts, strict=True) if part == "test" for label in image.labels
    }
    return tuple(name for label, name in enumerate(dataset.classes) if label not in tested)


def _row(check: DataCheck, index: int, group: str, part: str, why: str) -> Assignment:
    record = check.records[index]
    return Assignment(record.digest or "", record.path, group, part, why)


def _assignments(
    check: DataCheck,
    parts: Sequence[str],
    *,
    groups: Sequence[str],
    aside: Mapping[int, tuple[str, str]],
    kept: Mapping[int, str],
    rule: SplitRule,
    rows: Sequence[Assignment],
) -> tuple[Assignment, ...]:
    """The rows of `splits.csv`: every usable image, and those of an earlier split that are not here today.

    The reason of an image that people left out also names its part, which it keeps if they take it in again.
    """
    made = []
    for index, record in enumerate(check.records):
        if record.digest is not None and record.refusal is None:
            part, why = (ASIDE, aside[index][0]) if index in aside else (parts[index], str(rule))
            why = f"{why}:{kept[index]}" if kept.get(index) else why
            made.append(_row(check, index, groups[index], part, why))
    paths, digests = {row.path for row in made}, {row.digest for row in made}
    gone = [row for row in rows if row.path not in paths and row.digest not in digests]
    return (*made, *gone)


def assign_groups(groups: Sequence[ClassCounts], keys: Sequence[str], rule: SplitRule) -> list[str]:
    """A part for every group, stratified by class.

    Each group goes where it brings the parts nearest to their shares, judged for each of its classes and
    for all images together, large groups first. Of a class with two groups or more one is kept for the test
    part; a class with a single group is trained on.

    Args:
        keys: one name for each group; with the rule's seed it decides the order, so the order given does not.

    Returns:
        One part name for each group, in order.
    """
    order = sorted(range(len(groups)), key=lambda i: (-sum(groups[i].values()), rule.number_of(keys[i])))
    assigner = _Assigner(groups, rule)
    if "test" in rule.share_of:
        _reserve(assigner, groups, order)
    for index in order:
        if assigner.parts[index] == "":
            assigner.deal(index, assigner.best_part(index))
    if "validation" in rule.share_of and "validation" not in assigner.parts:
        _spare_for_validation(assigner, groups, order)
    return assigner.parts


class _Assigner:
    """What each part still lacks while groups are assigned."""

    def __init__(self, groups: Sequence[ClassCounts], rule: SplitRule) -> None:
        self.groups = groups
        self.parts = [""] * len(groups)
        self.class_sizes: Counter[int] = Counter()
        for group in groups:
            self.class_sizes.update(group)
        self.total = sum(self.class_sizes.values())
        share_of = rule.share_of
        self.lacking = {
            part: {index: share * size for index, size in self.class_sizes.items()} for part, share in share_of.items()
        }
        self.lacking_in_all = {part: share * self.total for part, share in share_of.items()}
        self.wanted = {part: dict(lacking) for part, lacking in self.lacking.items()}
        self.wanted_in_all = dict(self.lacking_in_all)

    def best_part(self, index: int) -> str:
        """The part that comes nearest to its share of every class, and of all images, by taking the group."""
        group = self.groups[index]
        size = max(1, sum(group.values()))

        def gain(part: str) -> float:
            # How much the squared distance to each share shrinks, as a part of that share: small parts are filled
            # as fast as large ones, and a class weighs as much as all images together.
            by_class = sum(n * (2 * self.lacking[part][c] - n) / self.wanted[part][c] for c, n in group.items())
            return by_class / size + (2 * self.lacking_in_all[part] - size) / self.wanted_in_all[part]

        return max(self.lacking, key=gain)

    def deal(self, index: int, part: str) -> None:
        """Give a group to a part, taking it from where it was."""
        if self.parts[index]:
            self._count(self.parts[index], index, sign=-1)
        self.parts[index] = part
        self._count(part, index, sign=1)

    def _count(self, part: str, index: int, *, sign: int) -> None:
        for c, n in self.groups[index].items():
            self.lacking[part][c] -= sign * n
            self.lacking_in_all[part] -= sign * n


def _reserve(assigner: _Assigner, groups: Sequence[ClassCounts], order: Sequence[int]) -> None:
    """Rare classes first: one group of each to the test part and one to train, as far as there are two."""
    groups_of: dict[int, list[int]] = {}
    for index in order:
        for c in groups[index]:
            groups_of.setdefault(c, []).append(index)
    for c in sorted(groups_of, key=lambda c: (len(groups_of[c]), c)):
        members = groups_of[c]
        for part, candidates in (("train", members), ("test", members[::-1])):  # the smallest to the test part
            free = [index for index in candidates if assigner.parts[index] == ""]
            wanted = part == "train" or len(members) > 1
            if wanted and free and not any(assigner.parts[index] == part for index in members):
                assigner.deal(free[0], part)


def _spare_for_validation(assigner: _Assigner, groups: Sequence[ClassCounts], order: Sequence[int]) -> None:
    """In a tiny set: the smallest group whose classes all keep another one in train."""
    in_train = Counter(c for index in order if assigner.parts[index] == "train" for c in groups[index])
    for index in reversed(order):
        if assigner.parts[index] == "train" and all(in_train[c] > 1 for c in groups[index]):
            assigner.deal(index, "validation")
            return


def independent_sizes(dataset: Dataset, check: DataCheck, is_used: Sequence[bool]) -> dict[str, int]:
    """The number of independent images of each class: copies and images of one group count as one.

    Args:
        is_used: (images,) whether each image counts at all.
    """
    links = [(a, b) for a, b in _links(dataset, check) if is_used[a] and is_used[b]]
    group_of = join_links(len(dataset.images), links).tolist()
    units = {
        (label, group, image.part)  # in a split that the user made, the two sides are taken as named
        for image, group, is_counted in zip(dataset.images, group_of, is_used, strict=True)
        for label in image.labels
        if is_counted
    }
    counts = Counter(label for label, _, _ in units)
    return {name: counts[label] for label, name in enumerate(dataset.classes)}


def is_learnable(sizes: Mapping[str, int]) -> bool:
    """Whether these numbers of images suffice.

    >>> is_learnable({"cat": 2, "dog": 2}), is_learnable({"cat": 900, "dog": 1})
    (True, False)
    """
    return sum(size >= LEAST_IMAGES for size in sizes.values()) >= LEAST_CLASSES
