"""The findings of a check: refused files, copies, conflicts, leaks, small classes, and images that look odd."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vidi.data.checked import DataCheck, Finding, RefusedFiles, Severity, SmallClasses
from vidi.data.checking.shortcuts import list_shortcuts
from vidi.data.dataset import Dataset
from vidi.data.duplicates.fingerprint import WORKING_SIDE, Fingerprints
from vidi.data.splitting.leaks import find_leaks
from vidi.data.splitting.split import LEAST_IMAGES, independent_sizes, is_learnable
from vidi.groups import join_links, members_of

COPIES = ("exact-copies", "near-copies")
ODD = ("blank", "dark", "bright", "blurred", "tiny", "odd-shape")
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


def find_left_out(dataset: Dataset, conflicting: Iterable[int]) -> set[int]:
    """The images with two labels that a split leaves out: all that no part other than train holds."""
    return {index for index in conflicting if dataset.images[index].part in (None, "train")}


def list_findings(dataset: Dataset, check: DataCheck, fingerprints: Fingerprints) -> tuple[Finding, ...]:
    """All findings, the gravest first."""
    found = [
        *_unreadable(check),
        *_conflicts(check),
        *_leaks(dataset, check),
        *_unlearnable(dataset, check),
        *_copies(check),
        *_class_sizes(dataset, check),
        *list_shortcuts(check.shortcuts, [record.path for record in check.records]),
        *find_odd_images(check, fingerprints),
        *_notes(check),
        *_negatives(dataset),
        *(Finding("source", "note", remark=sentence) for sentence in dataset.notes),
    ]
    order = {"problem": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.severity]))


def unsettled(dataset: Dataset, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings without copies and odd images that people have looked at, and kept."""
    confirmed = {image.path for image in dataset.images if image.is_confirmed}
    left = (
        replace(one, paths=tuple(group for group in one.paths if not confirmed.issuperset(group)))
        if one.kind in SETTLED_BY_LOOKING
        else one
        for one in findings
    )
    return tuple(one for one in left if one.paths or one.kind not in SETTLED_BY_LOOKING)


def _negatives(dataset: Dataset) -> list[Finding]:
    paths = dataset.negatives
    if not paths:
        return []
    return [Finding("negatives", "note", _alone(paths))]


def _unreadable(check: DataCheck) -> list[Finding]:
    refused = check.account.refused
    if not refused:
        return []
    codes = RefusedFiles(tuple(Counter(entry.code for entry in refused).most_common()))
    return [Finding("unreadable", "warning", _alone(entry.path for entry in refused), codes)]


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
    return [Finding("conflicting-labels", "problem", groups)]


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
            tuple((check.records[a].path, check.records[b].path) for a, b in leak.pairs),
            leak.crossing,
        )
        for leak in find_leaks(dataset, check, parts)
    ]


def _copies(check: DataCheck) -> list[Finding]:
    by_kind = {
        "exact-copies": check.exact_links,
        "near-copies": check.near_links,
        "bursts": check.capture_links,
    }
    return [
        Finding(kind, "warning" if kind == "exact-copies" else "note", groups)
        for kind, links in by_kind.items()
        if (groups := _groups(check, links))
    ]


def _unlearnable(dataset: Dataset, check: DataCheck) -> list[Finding]:
    left_out = find_left_out(dataset, check.conflicting)
    is_used = [usable and index not in left_out for index, usable in enumerate(check.usable.tolist())]
    sizes = independent_sizes(dataset, check, is_used)
    if is_learnable(sizes):
        return []
    shown = tuple((name, size) for name, size in sizes.items() if size)
    return [Finding("too-few-to-learn", "problem", facts=SmallClasses(shown, LEAST_IMAGES))]


def _class_sizes(dataset: Dataset, check: DataCheck) -> list[Finding]:
    by_name = dataset.class_sizes(check.usable.tolist())
    empty = tuple((name, size) for name, size in by_name.items() if size == 0)
    tiny = tuple((name, size) for name, size in by_name.items() if 0 < size < FEW_TO_LEARN)
    small = tuple((name, size) for name, size in by_name.items() if FEW_TO_LEARN <= size < FEW_TO_MEASURE)
    findings = (
        Finding("empty-classes", "warning", facts=SmallClasses(empty, 1)),
        Finding("classes-small-to-learn", "warning", facts=SmallClasses(tiny, FEW_TO_LEARN)),
        Finding("classes-small-to-measure", "note", facts=SmallClasses(small, FEW_TO_MEASURE)),
    )
    return [one for one, sizes in zip(findings, (empty, tiny, small), strict=True) if sizes]


def _alone(paths: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    return tuple((path,) for path in paths)


def _notes(check: DataCheck) -> list[Finding]:
    noted: dict[str, list[str]] = {}
    for record in check.records:
        for note in record.notes:
            noted.setdefault(note, []).append(record.path)
    return [Finding(f"note-{note}", "note", _alone(paths), remark=note) for note, paths in sorted(noted.items())]


_Numbers = NDArray[np.float64]
_Mask = NDArray[np.bool_]


def find_odd_images(check: DataCheck, fingerprints: Fingerprints) -> list[Finding]:
    """Findings about single images, the most telling images first.

    An image counts once, for the gravest: a blank image is not also named as dark or blurred. Tiny and oddly shaped
    are those that differ from the others of their set.

    Args:
        check: records of the images.
        fingerprints: one row for each image; rows of refused images are ignored.
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
    found = _finder(check)
    return [
        *found("blank", blank, contrast),
        *found("dark", dark, brightness),
        *found("bright", bright, -brightness),
        *found("blurred", blurred, acuteness),
        *found("tiny", tiny, shorter),
        *found("odd-shape", *_odd_shapes(sizes, usable)),
    ]


def _odd_shapes(sizes: _Numbers, usable: _Mask) -> tuple[_Mask, _Numbers]:
    """Which images are much longer or flatter than usual, and by how much (lowest is oddest)."""
    shape = np.log(np.maximum(sizes[:, 0], 1.0) / np.maximum(sizes[:, 1], 1.0))
    off = np.abs(shape - np.median(shape[usable]))
    return usable & (off > np.log(ODD_SHAPE)), -off


def _finder(check: DataCheck) -> Callable[[str, _Mask, _Numbers], list[Finding]]:
    """A function that makes a finding of the images of a mask, lowest rank first."""

    def found(kind: str, mask: _Mask, rank: _Numbers) -> list[Finding]:
        rows = np.flatnonzero(mask)
        if not len(rows):
            return []
        rows = rows[np.argsort(rank[rows], kind="stable")]
        paths = tuple((check.records[row].path,) for row in rows.tolist())
        severity: Severity = "note" if kind == "odd-shape" else "warning"  # some sets have both shapes by nature
        return [Finding(kind, severity, paths)]

    return found
