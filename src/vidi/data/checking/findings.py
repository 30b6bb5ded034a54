"""The findings of a check: refused files, copies, conflicts, leaks, small classes, and images that look odd."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from vidi.data.checked import DataCheck, Finding
from vidi.data.checking.shortcuts import list_shortcuts
from vidi.data.dataset import Dataset
from vidi.data.duplicates.fingerprint import WORKING_SIDE, Fingerprints
from vidi.data.splitting.leaks import find_leaks
from vidi.data.splitting.split import LEAST_IMAGES, independent_sizes, is_learnable
from vidi.files import escape_path
from vidi.groups import join_links, members_of
from vidi.images.limits import NOTES
from vidi.numbers import count_of, first_of

COPIES = ("exact-copies", "near-copies")
ODD: Mapping[str, str] = {
    "blank": "a single colour",
    "dark": "nearly black",
    "bright": "nearly white",
    "blurred": "blurred",
    "tiny": "under 64 pixels and under half the usual size",
    "odd-shape": "over twice as long or as flat as usual: framing wastes space",
}
SETTLED_BY_LOOKING = frozenset({*COPIES, *ODD})
FEW_TO_LEARN = 20  # images of a class: below it a network mostly learns them by heart
FEW_TO_MEASURE = 100  # below it the test part holds under 20 of the class: intervals of ± 20 points
BLANK_CONTRAST = 2.0  # grey levels: less than a JPEG's own noise
DARK_BRIGHTNESS, BRIGHT_BRIGHTNESS = 20.0, 245.0  # of 255
FLAT_CONTRAST = 25.0  # a white background with something on it has more
BLURRED_SHARPNESS = (
    0.15  # of the contrast; sharp photographs have 0.24 to 1.5, blurred by 1.5 % of the side 0.05 to 0.2
)
TINY_SIDE = 64  # pixels: smaller ones may be tiny, if they are also half as large as usual
ODD_SHAPE = 2.0  # times longer or flatter than usual: framing leaves under half of the frame to it
MOST_CLASSES = 10  # named in a sentence


def find_left_out(dataset: Dataset, conflicting: Iterable[int]) -> set[int]:
    """The images with two labels that a split leaves out: all that no part other than train holds."""
    return {index for index in conflicting if dataset.images[index].part in (None, "train")}


def list_findings(dataset: Dataset, check: DataCheck, fingerprints: Fingerprints) -> tuple[Finding, ...]:
    """All findings, the gravest first, without copies and odd images that people have looked at, and kept."""
    kept = {image.path for image in dataset.images if image.is_confirmed}
    found = [
        *_unreadable(check),
        *_conflicts(check),
        *_leaks(dataset, check),
        *_unlearnable(dataset, check),
        *_copies(check, kept),
        *_class_sizes(dataset, check),
        *list_shortcuts(check.shortcuts, [record.path for record in check.records]),
        *find_odd_images(check, fingerprints, kept),
        *_notes(check),
        *_negatives(dataset),
        *(Finding("source", "note", sentence) for sentence in dataset.notes),
    ]
    order = {"problem": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.severity]))


def _negatives(dataset: Dataset) -> list[Finding]:
    paths = dataset.negatives
    if not paths:
        return []
    sentence = f"{count_of(len(paths), 'negative')}: no class is learned from them, they show what is unknown"
    return [Finding("negatives", "note", sentence, _alone(paths))]


def _unreadable(check: DataCheck) -> list[Finding]:
    refused = check.account.refused
    if not refused:
        return []
    codes = Counter(entry.code for entry in refused).most_common()
    reasons = ", ".join(f"{code} {count:,}" for code, count in codes)
    sentence = f"{count_of(len(refused), 'file')} cannot be used ({reasons})"
    return [Finding("unreadable", "warning", sentence, _alone(entry.path for entry in refused))]


def _groups(check: DataCheck, links: list[tuple[int, int]]) -> tuple[tuple[str, ...], ...]:
    """Groups of two images and more, the largest first, as paths."""
    groups = [members for members in members_of(join_links(len(check.records), links)) if len(members) > 1]
    groups.sort(key=len, reverse=True)
    return tuple(tuple(check.records[index].path for index in members) for members in groups)


def _conflicts(check: DataCheck) -> list[Finding]:
    if not check.conflicting:
        return []
    links = [*check.exact_links, *((pair.first, pair.second) for pair in check.near_duplicates if pair.same_frame)]
    groups = _groups(check, [(a, b) for a, b in links if a in check.conflicting and b in check.conflicting])
    have, images = "has" if len(groups) == 1 else "have", count_of(sum(map(len, groups)), "image")
    sentence = f"{count_of(len(groups), 'photograph')} {have} two labels; {images} will be left out of training"
    return [Finding("conflicting-labels", "problem", sentence, groups)]


def _leaks(dataset: Dataset, check: DataCheck) -> list[Finding]:
    if all(image.part is None for image in dataset.images):
        return []
    left_out = find_left_out(dataset, check.conflicting)
    parts = [
        (image.part or "") if record.refusal is None and index not in left_out else ""
        for index, (image, record) in enumerate(zip(dataset.images, check.records, strict=True))
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


def _copies(check: DataCheck, kept: Collection[str]) -> list[Finding]:
    found = []
    for kind, links, what in (
        ("exact-copies", check.exact_links, "are exact copies of each other"),
        ("near-copies", check.near_links, "are near-copies of each other"),
        ("bursts", check.capture_links, "were taken by one camera within two seconds"),
    ):
        groups = _groups(check, links)
        if kind in COPIES:
            groups = tuple(group for group in groups if not all(path in kept for path in group))
        if groups:
            images = f"{count_of(sum(map(len, groups)), 'image')} in {count_of(len(groups), 'group')}"
            sentence = f"{images} {what}; each group stays in one part"
            found.append(Finding(kind, "warning" if kind == "exact-copies" else "note", sentence, groups))
    return found


def _unlearnable(dataset: Dataset, check: DataCheck) -> list[Finding]:
    left_out = find_left_out(dataset, check.conflicting)
    is_used = [usable and index not in left_out for index, usable in enumerate(check.usable.tolist())]
    sizes = independent_sizes(dataset, check, is_used)
    if is_learnable(sizes):
        return []
    needed = f"at least 2 classes with {LEAST_IMAGES} usable, independent images each"
    there = _named_sizes({name: size for name, size in sizes.items() if size}) or "none"
    sentence = f"too few images to train on: training needs {needed}; there are {there}"
    return [Finding("too-few-to-learn", "problem", sentence)]


def _class_sizes(dataset: Dataset, check: DataCheck) -> list[Finding]:
    by_name = dataset.class_sizes(check.usable.tolist())
    empty = {name: size for name, size in by_name.items() if size == 0}
    tiny = {name: size for name, size in by_name.items() if 0 < size < FEW_TO_LEARN}
    small = {name: size for name, size in by_name.items() if FEW_TO_LEARN <= size < FEW_TO_MEASURE}
    their = "its" if len(small) == 1 else "their"
    rough = f"fewer than {FEW_TO_MEASURE} images, so {their} accuracy is only a rough estimate"
    findings = []
    for kind, sizes, what in (
        ("empty-classes", empty, "no usable image"),
        ("classes-small-to-learn", tiny, f"fewer than {FEW_TO_LEARN} images, too few to learn from"),
        ("classes-small-to-measure", small, rough),
    ):
        if sizes:
            have = "has" if len(sizes) == 1 else "have"
            sentence = f"{count_of(len(sizes), 'class')} {have} {what}: {_named_sizes(sizes)}"
            findings.append(Finding(kind, "note" if sizes is small else "warning", sentence))
    return findings


def _named_sizes(sizes: Mapping[str, int]) -> str:
    """The first classes with their numbers of images."""
    return first_of(
        [escape_path(name) + (f" ({size:,})" if size else "") for name, size in sizes.items()], MOST_CLASSES
    )


def _alone(paths: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    return tuple((path,) for path in paths)


def _notes(check: DataCheck) -> list[Finding]:
    noted: dict[str, list[str]] = {}
    for record in check.records:
        for note in record.notes:
            noted.setdefault(note, []).append(record.path)
    found = []
    for note, paths in sorted(noted.items()):
        remark = NOTES.get(note, note)
        sentence = f"{count_of(len(paths), 'image')}: {remark[:1].lower()}{remark[1:].rstrip('.')}"
        found.append(Finding(f"note-{note}", "note", sentence, _alone(paths)))
    return found


def find_odd_images(check: DataCheck, fingerprints: Fingerprints, kept: Collection[str]) -> list[Finding]:
    """Findings about single images, the most telling images first.

    An image counts once, for the gravest: a blank image is not also named as dark or blurred. Tiny and oddly shaped
    are those that differ from the others of their set.

    Args:
        fingerprints: one row for each image; rows of refused images are ignored.
        kept: paths of images that are in no finding.
    """
    usable = check.usable
    if not usable.any():
        return []
    sizes = np.array([record.size for record in check.records], dtype=np.float64).reshape(-1, 2)
    shorter = sizes.min(axis=1)
    brightness, contrast = fingerprints.brightness.astype(float), fingerprints.contrast.astype(float)
    acuteness = fingerprints.sharpness / np.maximum(contrast, 1.0)
    blank = usable & (contrast < BLANK_CONTRAST)
    dark = usable & ~blank & (brightness < DARK_BRIGHTNESS) & (contrast < FLAT_CONTRAST)
    bright = usable & ~blank & (brightness > BRIGHT_BRIGHTNESS) & (contrast < FLAT_CONTRAST)
    blurred = usable & ~blank & ~dark & (acuteness < BLURRED_SHARPNESS) & (shorter >= WORKING_SIDE)
    tiny = usable & (shorter < TINY_SIDE) & (shorter < np.median(shorter[usable]) / 2)
    shape = np.log(np.maximum(sizes[:, 0], 1.0) / np.maximum(sizes[:, 1], 1.0))
    off = np.abs(shape - np.median(shape[usable]))
    odd = usable & (off > np.log(ODD_SHAPE))
    found = []
    for kind, mask, rank in (  # the lowest rank first
        ("blank", blank, contrast),
        ("dark", dark, brightness),
        ("bright", bright, -brightness),
        ("blurred", blurred, acuteness),
        ("tiny", tiny, shorter),
        ("odd-shape", odd, -off),
    ):
        rows = np.flatnonzero(mask)
        ranked = [check.records[row].path for row in rows[np.argsort(rank[rows], kind="stable")].tolist()]
        if paths := _alone(path for path in ranked if path not in kept):
            sentence = f"{count_of(len(paths), 'image')} {'is' if len(paths) == 1 else 'are'} {ODD[kind]}"
            # Some sets have both shapes by nature.
            found.append(Finding(kind, "note" if kind == "odd-shape" else "warning", sentence, paths))
    return found
