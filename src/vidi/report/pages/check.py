"""The check of a data set as a page: every finding with the images that show it."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from vidi.data.checked import DataCheck
from vidi.data.dataset import Dataset
from vidi.files import escape_path, write_atomic
from vidi.images.limits import DecodeOptions
from vidi.report.pages.render import render_page
from vidi.report.pages.tables import WORDS
from vidi.report.pictures.thumbnails import Thumbnail, make_thumbnails
from vidi.report.words.findings import DescribedFinding, describe_findings, name_labels

MOST_PICTURES = 300  # on the page
MOST_OF_ONE = 48  # of one finding: the first findings must not take the last ones' places
MOST_OF_GROUP = 8
MOST_NAMED = 100  # of one finding, by path only
DEFAULT = DecodeOptions()

TITLES = {
    "source": "How the data was read",
    "unreadable": "Files that cannot be used",
    "conflicting-labels": "Images with two labels",
    "suspect-labels": "Labels that may be wrong",
    "leak-exact-copies": "Exact copies in two parts",
    "leak-group": "One group in two parts",
    "leak-burst": "One burst in two parts",
    "leak-near-copies": "Near-copies in two parts",
    "too-few-to-learn": "Too few images to train on",
    "exact-copies": "Exact copies",
    "near-copies": "Near-copies",
    "bursts": "Bursts",
    "empty-classes": "Classes without images",
    "classes-small-to-learn": "Classes too small to learn",
    "classes-small-to-measure": "Classes too small to measure well",
    "blank": "Blank images",
    "dark": "Dark images",
    "bright": "Bright images",
    "blurred": "Blurred images",
    "tiny": "Tiny images",
    "odd-shape": "Odd shapes",
    "negatives": "Negatives",
    "shortcut": "A possible shortcut",
    "note-truncated": "Incomplete images",
    "note-end-missing": "Images without an end mark",
    "note-bytes-after-end": "Images followed by other data",
    "note-stray-bytes": "Images with stray bytes",
    "note-decoder-warned": "Images with damaged data",
    "note-profile-applied": "Colour profiles applied",
    "note-profile-unusable": "Colour profiles that do not fit",
    "note-first-frame": "Images with several frames or pages",
    "note-range-scaled": "Images with scaled values",
    "note-format-differs": "Files named as another format",
    "note-size-differs": "Images with a wrong length in the header",
    "note-library-warned": "Warnings of the image library",
}


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """One image below a finding."""

    path: str  # as the store names it
    name: str  # escaped
    classes: str
    part: str
    suggested: str = ""  # what a label that may be wrong should be


@dataclass(frozen=True, slots=True)
class Section:
    """One finding as the page shows it."""

    kind: str
    title: str
    severity: str
    word: str  # the severity in plain language
    sentence: str
    groups: tuple[tuple[CheckedImage, ...], ...]  # images that belong together stand together
    named: tuple[str, ...]  # those without room, by escaped path
    more: int  # those that are not even named


def write_check_page(
    path: Path, dataset: Dataset, check: DataCheck, *, options: DecodeOptions = DEFAULT, with_images: bool = True
) -> None:
    """Write the page of a check.

    Args:
        path: the HTML file.
        dataset: what was checked.
        check: the outcome.
        options: how images are decoded; as they were for the check.
        with_images: False leaves every picture out; the images are named by path.

    Raises:
        MissingPackageError: jinja2 is not installed.
        ResourceError: the page cannot be written.
    """
    sections = choose_sections(dataset, check)
    shown = [image.path for section in sections for group in section.groups for image in group]
    pictures: dict[str, Thumbnail] = {}
    if with_images:
        pictures = make_thumbnails(dataset.store, shown, options=options)
    refused = Counter(entry.code for entry in check.account.refused)
    values = {
        "name": dataset.name,
        "source": escape_path(dataset.source),
        "headline": headline(check),
        "sections": sections,
        "thumbnails": pictures,
        "with_images": with_images,
        "account": check.account,
        "refused": refused,
        "classes": _class_sizes(dataset, check),
        "parts": _part_sizes(dataset, check),
        "sizes": _usual_size(check),
    }
    write_atomic(path, render_page("check.html", values))


def headline(check: DataCheck) -> str:
    """The outcome in one sentence."""
    counted: Counter[str] = Counter(finding.severity for finding in check.findings)
    images = f"{check.account.used:,} usable image{'' if check.account.used == 1 else 's'}"
    if not check.findings:
        return f"{images}, and nothing to report."
    told = [
        f"{counted[severity]:,} {one if counted[severity] == 1 else many}"
        for severity, one, many in (
            ("problem", "problem", "problems"),
            ("warning", "thing to look at", "things to look at"),
            ("note", "note", "notes"),
        )
        if counted[severity]
    ]
    return f"{images}: {', '.join(told[:-1]) + ' and ' if len(told) > 1 else ''}{told[-1]}."


def choose_sections(dataset: Dataset, check: DataCheck) -> list[Section]:
    """The findings, gravest first, with images as far as there is room."""
    places = MOST_PICTURES
    index_of = {record.path: index for index, record in enumerate(check.records)}
    sections = []
    for finding in describe_findings(check):
        groups, left = _choose_groups(finding, min(places, MOST_OF_ONE))
        suggested = {one.path: name_labels(one.suggested) for one in finding.suspects}
        places -= sum(map(len, groups))
        sections.append(
            Section(
                kind=finding.kind,
                title=TITLES[finding.kind],
                severity=finding.severity,
                word=WORDS[finding.severity],
                sentence=finding.sentence,
                groups=tuple(
                    tuple(replace(_shown(dataset, path, index_of), suggested=suggested.get(path, "")) for path in group)
                    for group in groups
                ),
                named=tuple(escape_path(path) for path in left[:MOST_NAMED]),
                more=max(0, len(left) - MOST_NAMED),
            )
        )
    return sections


def _choose_groups(finding: DescribedFinding, places: int) -> tuple[list[tuple[str, ...]], list[str]]:
    """The groups with pictures, and the images left over."""
    if finding.kind == "unreadable":
        return [], [path for group in finding.paths for path in group]  # there is nothing to see
    chosen: list[tuple[str, ...]] = []
    left: list[str] = []
    for group in finding.paths:
        shown = group[:MOST_OF_GROUP]
        if len(shown) > places:
            left.extend(group)
            continue
        places -= len(shown)
        chosen.append(shown)
        left.extend(group[MOST_OF_GROUP:])
    return chosen, left


def _shown(dataset: Dataset, path: str, index_of: dict[str, int]) -> CheckedImage:
    index = index_of.get(path)
    if index is None:
        return CheckedImage(path, escape_path(path), "", "")
    image = dataset.images[index]
    classes = ", ".join(dataset.classes[label] for label in sorted(image.labels))
    return CheckedImage(path, escape_path(path), classes, image.part or "")


def _class_sizes(dataset: Dataset, check: DataCheck) -> list[tuple[str, int]]:
    """Usable images of each class, the most first."""
    sizes = dict.fromkeys(range(len(dataset.classes)), 0)
    for image, record in zip(dataset.images, check.records, strict=True):
        if record.refusal is None:
            for label in image.labels:
                sizes[label] += 1
    ordered = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    return [(dataset.classes[label], size) for label, size in ordered]


def _part_sizes(dataset: Dataset, check: DataCheck) -> list[tuple[str, int]]:
    counted = Counter(
        image.part
        for image, record in zip(dataset.images, check.records, strict=True)
        if record.refusal is None and image.part is not None
    )
    return sorted(counted.items(), key=lambda item: -item[1])


def _usual_size(check: DataCheck) -> str:
    """The middle height and width, as people write a size."""
    sizes = [record.size for record in check.records if record.refusal is None]
    if not sizes:
        return "no data"
    heights, widths = (sorted(side) for side in zip(*sizes, strict=True))
    return f"{widths[len(sizes) // 2]:,} × {heights[len(sizes) // 2]:,}"
