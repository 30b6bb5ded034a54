"""The check of a data set as a page: every finding with the images that show it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vidi.data.checked import DataCheck, Finding
from vidi.data.checking.suspects import name_labels
from vidi.data.dataset import Dataset
from vidi.files import escape_path
from vidi.images.limits import DecodeOptions
from vidi.numbers import count_of
from vidi.report.pages.render import write_page
from vidi.report.pages.tables import WORDS
from vidi.report.pictures.thumbnails import make_thumbnails

MOST_PICTURES = 300  # on the page
MOST_OF_ONE = 48  # of one finding: the first findings must not take the last ones' places
MOST_OF_GROUP = 8
MOST_NAMED = 100  # of one finding, by path only

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
class Section:
    """One finding as the page shows it."""

    finding: Finding
    groups: list[tuple[str, ...]]  # paths of images that belong together and stand together
    left: list[str]  # those without room
    suggested: dict[str, str]  # path → what a label that may be wrong should be


def write_check_page(
    path: Path, dataset: Dataset, check: DataCheck, *, options: DecodeOptions, with_images: bool
) -> None:
    """Write the page of a check; raises like `write_page`.

    Args:
        options: how images are decoded; as they were for the check.
        with_images: False leaves every picture out; the images are named by path.
    """
    sections = choose_sections(check)
    shown = [path for section in sections for group in section.groups for path in group]
    usable = check.usable.tolist()
    parts = Counter(image.part for image, is_usable in zip(dataset.images, usable, strict=True) if is_usable)
    values = {
        "name": dataset.name,
        "source": escape_path(dataset.source),
        "headline": headline(check),
        "sections": sections,
        "titles": TITLES,
        "severity_words": WORDS,
        "most_named": MOST_NAMED,
        "about": _described(dataset, check, shown),
        "path_text": escape_path,
        "thumbnails": make_thumbnails(dataset.store, shown, options=options) if with_images else {},
        "with_images": with_images,
        "account": check.account,
        "refused": Counter(entry.code for entry in check.account.refused),
        "classes": sorted(dataset.class_sizes(usable).items(), key=lambda item: -item[1]),
        "parts": [(part, count) for part, count in parts.most_common() if part is not None],
        "sizes": _usual_size(check),
    }
    write_page(path, "check.html", values)


def headline(check: DataCheck) -> str:
    """The outcome in one sentence."""
    counted: Counter[str] = Counter(finding.severity for finding in check.findings)
    images = count_of(check.account.used, "usable image")
    if not check.findings:
        return f"{images}, and nothing to report."
    *before, last = [
        f"{counted[severity]:,} {one if counted[severity] == 1 else many}"
        for severity, one, many in (
            ("problem", "problem", "problems"),
            ("warning", "thing to look at", "things to look at"),
            ("note", "note", "notes"),
        )
        if counted[severity]
    ]
    return f"{images}: {', '.join(before)}{' and ' if before else ''}{last}."


def choose_sections(check: DataCheck) -> list[Section]:
    """The findings, gravest first, with images as far as there is room."""
    places, sections = MOST_PICTURES, []
    for finding in check.findings:
        sections.append(_with_groups(finding, min(places, MOST_OF_ONE)))
        places -= sum(map(len, sections[-1].groups))
    return sections


def _with_groups(finding: Finding, places: int) -> Section:
    """A finding with the groups that have pictures, and the images left over."""
    chosen: list[tuple[str, ...]] = []
    left: list[str] = []
    for group in finding.paths:
        shown = group[:MOST_OF_GROUP]
        if finding.kind == "unreadable" or len(shown) > places:  # of what cannot be read there is nothing to see
            left.extend(group)
            continue
        places -= len(shown)
        chosen.append(shown)
        left.extend(group[MOST_OF_GROUP:])
    return Section(finding, chosen, left, {one.path: name_labels(one.suggested) for one in finding.suspects})


def _described(dataset: Dataset, check: DataCheck, paths: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The classes and the part of each image."""
    index_of = {record.path: index for index, record in enumerate(check.records)}
    images = {path: dataset.images[index_of[path]] for path in paths if path in index_of}
    return {
        path: (", ".join(dataset.classes[label] for label in sorted(image.labels)), image.part or "")
        for path, image in images.items()
    }


def _usual_size(check: DataCheck) -> str:
    """The middle height and width, as people write a size."""
    sizes = [record.size for record in check.records if record.refusal is None]
    if not sizes:
        return "no data"
    heights, widths = (sorted(side) for side in zip(*sizes, strict=True))
    return f"{widths[len(sizes) // 2]:,} × {heights[len(sizes) // 2]:,}"
