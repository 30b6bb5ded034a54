"""Copies and groups that lie on two sides of a split that the user made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from vidi.data.checked import CheckResult
from vidi.data.dataset import Dataset
from vidi.data.splitting.split_plan import EXTRA
from vidi.errors import DataError
from vidi.files import escape_path

LeakKind = Literal["exact-copies", "group", "burst", "near-copies"]

CHOSEN_ON = ("train", "validation", "calibration")  # what weights, epochs and temperatures are chosen on
PAIRS_NAMED = 5  # in a sentence; the check page and the JSON show more

_WHAT: dict[LeakKind, str] = {
    "exact-copies": "the same file",
    "group": "the same group",
    "burst": "the same burst",
    "near-copies": "near-copies of one another",
}


@dataclass(frozen=True, slots=True)
class Leak:
    """Images in different parts that belong together, for one reason."""

    kind: LeakKind
    pairs: tuple[tuple[int, int], ...]  # image indexes in different parts
    sentence: str

    @property
    def stops_the_run(self) -> bool:
        """Exact copies and shared groups leave no doubt; a near-copy may be meant."""
        return self.kind in ("exact-copies", "group")


def find_leaks(dataset: Dataset, check: CheckResult, parts: Sequence[str]) -> tuple[Leak, ...]:
    """Where images that belong together lie in different parts.

    Args:
        dataset: the images.
        check: the outcome of `check_dataset` on them.
        parts: the part of each image; "" where it is not used.

    Returns:
        One leak for each kind that occurs, the gravest first.
    """
    digests = [record.digest for record in check.records]
    captures = [record.capture for record in check.records]
    near = [pair for pair in check.near_links if "" != parts[pair[0]] != parts[pair[1]] != ""]
    found: tuple[tuple[LeakKind, list[tuple[int, int]]], ...] = (
        ("exact-copies", _pairs_across(digests, parts)),
        ("group", _pairs_across([image.group for image in dataset.images], parts)),
        ("burst", _pairs_across(captures, parts)),
        ("near-copies", near),
    )
    return tuple(Leak(kind, tuple(pairs), _sentence(dataset, kind, pairs, parts)) for kind, pairs in found if pairs)


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


def _sentence(dataset: Dataset, kind: LeakKind, pairs: Sequence[tuple[int, int]], parts: Sequence[str]) -> str:
    named = "; ".join(
        f"{escape_path(dataset.images[a].path)} ({parts[a]}) and {escape_path(dataset.images[b].path)} ({parts[b]})"
        for a, b in pairs[:PAIRS_NAMED]
    )
    more = f"; and {len(pairs) - PAIRS_NAMED:,} more" if len(pairs) > PAIRS_NAMED else ""
    count = f"{len(pairs):,} pair{'s' if len(pairs) > 1 else ''}"
    return f"{count} in different parts are {_WHAT[kind]}: {named}{more}"


def refuse_leaks(dataset: Dataset, leaks: Iterable[Leak]) -> None:
    """Stop where exact copies or groups lie on two sides.

    Raises:
        DataError: with the pairs.
    """
    grave = [leak.sentence for leak in leaks if leak.stops_the_run]
    if grave:
        raise DataError(
            f"{dataset.source}: {'. '.join(grave)}",
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
