"""Copies that stand under two labels, and copies and groups on two sides of a split that the user made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from vidi.data.checked import DataCheck, ImageRecord, NearDuplicate
from vidi.data.dataset import Dataset
from vidi.data.splitting.split_plan import EXTRA
from vidi.errors import DataError
from vidi.files import escape_path
from vidi.groups import join_links, links_of_equal, members_of
from vidi.numbers import count_of

LeakKind = Literal["exact-copies", "group", "burst", "near-copies"]
CHOSEN_ON = ("train", "validation", "calibration")  # what weights, epochs and temperatures are chosen on
PAIRS_NAMED = 5  # in a sentence; the check page and the JSON show more

_WHAT: dict[LeakKind, str] = {
    "exact-copies": "the same file",
    "group": "from the same group",
    "burst": "from the same burst",
    "near-copies": "near-copies of each other",
}


@dataclass(frozen=True, slots=True)
class Leak:
    """Images in different parts that belong together, for one reason."""

    kind: LeakKind
    pairs: tuple[tuple[int, int], ...]  # image indexes in different parts
    sentence: str  # names the first pairs with their parts

    @property
    def stops_the_run(self) -> bool:
        """Exact copies and shared groups leave no doubt; a near-copy may be meant."""
        return self.kind in ("exact-copies", "group")


def find_leaks(dataset: Dataset, check: DataCheck, parts: Sequence[str]) -> tuple[Leak, ...]:
    """Where images that belong together lie in different parts.

    Args:
        parts: the part of each image; "" where it is not used.

    Returns:
        One leak for each kind that occurs, the gravest first.
    """
    found: dict[LeakKind, list[tuple[int, int]]] = {
        "exact-copies": _pairs_across([record.digest for record in check.records], parts),
        "group": _pairs_across([image.group for image in dataset.images], parts),
        "burst": _pairs_across([record.capture for record in check.records], parts),
        "near-copies": [pair for pair in check.near_links if "" != parts[pair[0]] != parts[pair[1]] != ""],
    }
    placed = [(image.path, part) for image, part in zip(dataset.images, parts, strict=True)]
    return tuple(
        Leak(kind, tuple(pairs), _sentence(kind, [(placed[a], placed[b]) for a, b in pairs]))
        for kind, pairs in found.items()
        if pairs
    )


def _pairs_across(keys: Sequence[str | None], parts: Sequence[str]) -> list[tuple[int, int]]:
    """Each image paired with the first image of its key that lies in another part."""
    members: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        if key is not None and parts[index]:
            members.setdefault(key, []).append(index)
    pairs = []
    for indexes in members.values():
        if len({parts[index] for index in indexes}) > 1:
            for index in indexes:
                other = next(other for other in indexes if parts[other] != parts[index])
                pairs.append((min(index, other), max(index, other)))
    return sorted(set(pairs))


def find_conflicts(dataset: Dataset, records: Sequence[ImageRecord], near: Iterable[NearDuplicate]) -> set[int]:
    """Images that stand under two labels: the same bytes, or the same cut of the same photograph.

    Images that people left out are in no conflict.
    """
    same = links_of_equal(record.digest for record in records)
    same += [(pair.first, pair.second) for pair in near if pair.same_frame]
    conflicting = set()
    for group in members_of(join_links(len(records), same)):
        members = [index for index in group if dataset.images[index].left_out is None]
        if len({dataset.images[index].labels for index in members}) > 1:
            conflicting |= set(members)
    return conflicting


def _sentence(kind: LeakKind, pairs: Sequence[tuple[tuple[str, str], tuple[str, str]]]) -> str:
    """The pairs of images, each by path and part, as an error and a finding name them.

    >>> _sentence("burst", [(("a.jpg", "train"), ("b.jpg", "test"))])
    '1 pair of images in different parts is from the same burst: a.jpg (train) and b.jpg (test)'
    """
    named = "; ".join(
        " and ".join(f"{escape_path(path)} ({part})" for path, part in pair) for pair in pairs[:PAIRS_NAMED]
    )
    more = f"; and {len(pairs) - PAIRS_NAMED:,} more" if len(pairs) > PAIRS_NAMED else ""
    are = "is" if len(pairs) == 1 else "are"
    return f"{count_of(len(pairs), 'pair')} of images in different parts {are} {_WHAT[kind]}: {named}{more}"


def refuse_leaks(dataset: Dataset, leaks: Iterable[Leak]) -> None:
    """Stop where exact copies or groups lie on two sides.

    Raises:
        DataError: with the pairs.
    """
    grave = [leak.sentence for leak in leaks if leak.stops_the_run]
    if grave:
        raise DataError(
            f"{escape_path(dataset.source)}: {'. '.join(grave)}",
            "Take the copies out of one part, so that the test is honest; `--allow-leaks` goes on and reports them.",
        )


def suspect_test_images(leaks: Iterable[Leak], parts: Sequence[str]) -> tuple[int, ...]:
    """The test and extra images that have a copy among those that something is chosen on, ascending."""
    suspects = set()
    for leak in leaks:
        for first, second in leak.pairs:
            for scored, other in ((first, second), (second, first)):
                if parts[scored] in ("test", EXTRA) and parts[other] in CHOSEN_ON:
                    suspects.add(scored)
    return tuple(sorted(suspects))
