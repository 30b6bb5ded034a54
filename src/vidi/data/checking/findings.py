"""What a check says aloud: refused files, copies, conflicts, leaks, small classes, and images that look odd."""

from collections import Counter
from collections.abc import Iterable, Sequence

from vidi.data.checked import CheckResult, Finding, ImageRecord, NearCopy, Severity
from vidi.data.checking.quality import find_odd_images
from vidi.data.checking.shortcuts import list_shortcuts
from vidi.data.copies.fingerprint import Fingerprints
from vidi.data.dataset import Dataset
from vidi.data.splitting.leaks import find_leaks
from vidi.groups import join_links, links_of_equal, members_of
from vidi.images.reasons import NOTES

FEW_TO_LEARN = 20  # images of a class: below it a network mostly learns them by heart
FEW_TO_MEASURE = 100  # below it the test part holds under 20 of the class: intervals of ± 20 points


def find_conflicts(dataset: Dataset, records: Sequence[ImageRecord], near: Iterable[NearCopy]) -> set[int]:
    """Images that stand under two labels: the same bytes, or the same cut of the same photograph."""
    same = links_of_equal(record.digest for record in records)
    same += [(pair.first, pair.second) for pair in near if pair.same_frame]
    conflicting = set()
    for members in members_of(join_links(len(records), same)):
        if len({dataset.images[index].labels for index in members}) > 1:
            conflicting |= set(members)
    return conflicting


def list_findings(dataset: Dataset, check: CheckResult, fingerprints: Fingerprints) -> tuple[Finding, ...]:
    """All findings, the gravest first."""
    found = [
        *_unreadable(check),
        *_conflicts(check),
        *_leaks(dataset, check),
        *_exact_copies(check),
        *_near_copies(check),
        *_bursts(check),
        *_class_sizes(dataset, check),
        *list_shortcuts(check.shortcuts, [record.path for record in check.records]),
        *find_odd_images(check, fingerprints),
        *_notes(check),
        *_counter_examples(dataset),
        *(Finding("source", "note", sentence) for sentence in dataset.notes),
    ]
    order = {"problem": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.severity]))


def _counter_examples(dataset: Dataset) -> list[Finding]:
    paths = dataset.counter_examples
    if not paths:
        return []
    shown = f"{count_of(len(paths), 'counter-example')} that no class is learnt from: they tell what is unknown"
    return [Finding("counter-examples", "note", shown, tuple((path,) for path in paths))]


def count_of(number: int, word: str) -> str:
    """A count with its noun.

    >>> count_of(1, "image"), count_of(1200, "image"), count_of(2, "copy")
    ('1 image', '1,200 images', '2 copies')
    """
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}{'es' if word.endswith('s') else 's'}"
    return f"{number:,} {word if number == 1 else plural}"


def _unreadable(check: CheckResult) -> list[Finding]:
    refused = check.account.refused
    if not refused:
        return []
    codes = ", ".join(f"{code} {count:,}" for code, count in Counter(entry.code for entry in refused).most_common())
    return [
        Finding(
            "unreadable",
            "warning",
            f"{count_of(len(refused), 'file')} cannot be used ({codes})",
            _alone(entry.path for entry in refused),
        )
    ]


def _groups(check: CheckResult, links: list[tuple[int, int]]) -> tuple[tuple[str, ...], ...]:
    """Groups of two images and more, the largest first, as paths."""
    groups = [members for members in members_of(join_links(len(check.records), links)) if len(members) > 1]
    groups.sort(key=len, reverse=True)
    return tuple(tuple(check.records[index].path for index in members) for members in groups)


def _conflicts(check: CheckResult) -> list[Finding]:
    if not check.conflicting:
        return []
    links = [*check.exact_links, *((pair.first, pair.second) for pair in check.near_copies if pair.same_frame)]
    groups = _groups(check, [(a, b) for a, b in links if a in check.conflicting and b in check.conflicting])
    return [
        Finding(
            "conflicting-labels",
            "problem",
            f"{count_of(len(groups), 'photograph')} stand{'s' if len(groups) == 1 else ''} under two labels; "
            f"{count_of(len(check.conflicting), 'image')} will be kept out of training",
            groups,
        )
    ]


def _leaks(dataset: Dataset, check: CheckResult) -> list[Finding]:
    if all(image.part is None for image in dataset.images):
        return []
    parts = [
        (image.part or "") if record.refusal is None else ""
        for image, record in zip(dataset.images, check.records, strict=True)
    ]
    return [
        Finding(
            f"leak-{leak.kind}",
            "problem" if leak.stops_the_run else "warning",
            leak.sentence,
            tuple((check.records[a].path, check.records[b].path) for a, b in leak.pairs),
        )
        for leak in find_leaks(dataset, check, parts)
    ]


def _copies(kind: str, what: str, groups: tuple[tuple[str, ...], ...]) -> list[Finding]:
    if not groups:
        return []
    images = sum(map(len, groups))
    sentence = f"{count_of(images, 'image')} in {count_of(len(groups), 'group')} are {what}; a group stays in one part"
    return [Finding(kind, "warning" if kind == "exact-copies" else "note", sentence, groups)]


def _exact_copies(check: CheckResult) -> list[Finding]:
    return _copies("exact-copies", "exact copies of one another", _groups(check, check.exact_links))


def _near_copies(check: CheckResult) -> list[Finding]:
    return _copies("near-copies", "near-copies of one another", _groups(check, check.near_links))


def _bursts(check: CheckResult) -> list[Finding]:
    return _copies("bursts", "taken by one camera within two seconds", _groups(check, check.capture_links))


def _class_sizes(dataset: Dataset, check: CheckResult) -> list[Finding]:
    by_name = dataset.class_sizes(check.usable.tolist())
    empty = [name for name, size in by_name.items() if size == 0]
    tiny = [f"{name} ({size:,})" for name, size in by_name.items() if 0 < size < FEW_TO_LEARN]
    small = [f"{name} ({size:,})" for name, size in by_name.items() if FEW_TO_LEARN <= size < FEW_TO_MEASURE]
    findings: list[Finding] = []
    judged: tuple[tuple[str, Severity, list[str], str], ...] = (
        ("empty-classes", "warning", empty, "have no usable image"),
        ("classes-small-to-learn", "warning", tiny, f"have under {FEW_TO_LEARN} images: too few to learn from"),
        ("classes-small-to-measure", "note", small, f"have under {FEW_TO_MEASURE} images: measured only roughly"),
    )
    for kind, severity, names, what in judged:
        if names:
            shown = ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")
            verb = what.replace("have", "has", 1) if len(names) == 1 else what
            findings.append(Finding(kind, severity, f"{count_of(len(names), 'class')} {verb}: {shown}"))
    return findings


def _in_words(note: str) -> str:
    sentence = NOTES.get(note, note).rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def _alone(paths: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    return tuple((path,) for path in paths)


def _notes(check: CheckResult) -> list[Finding]:
    noted: dict[str, list[str]] = {}
    for record in check.records:
        for note in record.notes:
            noted.setdefault(note, []).append(record.path)
    return [
        Finding(f"note-{note}", "note", f"{count_of(len(paths), 'image')}: {_in_words(note)}", _alone(paths))
        for note, paths in sorted(noted.items())
    ]
