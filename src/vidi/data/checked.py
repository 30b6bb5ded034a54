"""What the check of a data set brings to light: a record for every image, the links between them, and findings."""

from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from vidi.files import escape_path
from vidi.groups import links_of_equal
from vidi.images.account import Account, Entry
from vidi.metrics.intervals import Interval
from vidi.metrics.outputs import SIGMOID, SOFTMAX, Outputs

CONFLICT = ("conflicting-labels", "The same image has two labels.")

Severity = Literal["problem", "warning", "note"]  # stops the work · to be looked at · good to know


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """Results of decoding one file, without its pixels."""

    path: str
    digest: str | None  # SHA-256 of the file's bytes; None where it could not be read
    byte_count: int = 0
    size: tuple[int, int] = (0, 0)  # (height, width) of the full upright image, pixels
    notes: tuple[str, ...] = ()
    refusal: Entry | None = None
    capture: str | None = None  # equal for images of one burst; tells neither time nor camera


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Two images of one scene whose files differ."""

    first: int  # image index
    second: int
    difference: float  # what is left after aligning the two, as a share of the image's contrast
    same_frame: bool  # the same cut of the scene (perhaps mirrored), not a crop or a shift


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSeparation:
    """How well something tells one class from all others, on images that the fit has not seen."""

    name: str
    found: float  # share of its images that are taken for it
    taken: float  # share of the others that are
    low: float  # lower end of the interval of `told`, at a level that counts how often was looked
    examples: tuple[int, ...] = ()  # its images that are told most clearly, by index

    @property
    def told(self) -> float:
        """Share of right answers, the class and the others counting the same; 0.5 is chance."""
        return (self.found + 1 - self.taken) / 2


@dataclass(frozen=True, slots=True)
class Shortcut:
    """How well a family of plain numbers tells the classes apart: numbers that say nothing of what an image shows."""

    family: str  # a name of `vidi.data.checking.shortcuts.WORDS`
    what: str  # the same in plain words
    accuracy: float  # each class counting the same
    interval: Interval  # its 95 % interval
    classes: tuple[ClassSeparation, ...]  # the one best told first


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectLabel:
    """An image whose label is likely wrong, by a model that has not seen it."""

    path: str  # as the store names it
    digest: str
    part: str
    label: str  # as it was given: a name, escaped; of several classes all, joined by `|`
    suggested: str  # in the same form
    confidence: float  # the probability of its label (of the most doubtful of several)
    suggested_confidence: float
    is_left_out: bool = False  # of training

    def as_json(self) -> dict[str, object]:
        """The image as `vidi check --json` prints it."""
        return {
            "path": escape_path(self.path),
            "part": self.part,
            "label": self.label,
            "suggested": self.suggested,
            "confidence": round(self.confidence, 6),
            "suggested_confidence": round(self.suggested_confidence, 6),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectLabels:
    """Labels that are likely wrong, among images that were answered without having been learned from."""

    images: int  # answered
    suspects: tuple[SuspectLabel, ...]  # the least believable label first
    accuracy: float | None = None  # of the answers, where it is too low to doubt any label


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about the data that its owner should know."""

    kind: str  # for example `exact-copies`
    severity: Severity  # `problem`, `warning` or `note`
    sentence: str
    paths: tuple[tuple[str, ...], ...] = ()  # groups of images that show it, clearest first
    suspects: tuple[SuspectLabel, ...] = ()  # where labels are likely wrong: the same images, with what they look like

    def as_json(self) -> dict[str, object]:
        """The finding with escaped paths."""
        shown = [[escape_path(path) for path in group] for group in self.paths]
        found: dict[str, object] = {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.sentence,
            "paths": shown,
        }
        return {**found, "suspects": [one.as_json() for one in self.suspects]} if self.suspects else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcuts:
    """The outcome of the shortcut check."""

    image_count: int  # that were looked at
    group_count: int  # of images that belong together, or stand alone
    classes: tuple[str, ...]
    families: tuple[Shortcut, ...]
    are_tiny: bool = False  # so small that their edge is part of what they show
    outputs: Outputs = SOFTMAX  # sigmoid: each class is told from the images without it

    @property
    def chance(self) -> float:
        """Balanced accuracy of a random guess."""
        return self.outputs.chance(len(self.classes))

    @property
    def middle(self) -> Shortcut:
        """What a plain look at the middle of the image tells: no shortcut, but what the edge is compared with."""
        return next(one for one in self.families if one.family == "middle")

    def as_json(self) -> dict[str, object]:
        """Return the figures as in check.json, with the ten clearest classes of many."""
        return {
            "images": self.image_count,
            "groups": self.group_count,
            "classes": len(self.classes),
            "multi_label": self.outputs == SIGMOID,
            "chance": round(self.chance, 6),
            "families": [
                {
                    "family": one.family,
                    "what": one.what,
                    "accuracy": round(one.accuracy, 6),
                    "low": round(one.interval.low, 6),
                    "high": round(one.interval.high, 6),
                    "best_told": [
                        {"class": best.name, "found": round(best.found, 6), "taken": round(best.taken, 6)}
                        for best in one.classes[:10]
                    ],
                }
                for one in self.families
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCheck:
    """Everything that a check found, in the order of `dataset.images`."""

    records: tuple[ImageRecord, ...]  # one for each image
    near_duplicates: tuple[NearDuplicate, ...]  # pairs of images that show the same picture
    findings: tuple[Finding, ...]  # most severe first
    account: Account  # which files were used, set aside, refused or ignored
    conflicting: frozenset[int] = frozenset()  # indexes of images with two different labels
    shortcuts: Shortcuts | None = None  # None if two classes have too few images

    def with_finding(self, finding: Finding) -> Self:
        """The same with a further finding, the first among those as grave."""
        order = list(get_args(Severity))
        found = sorted((finding, *self.findings), key=lambda one: order.index(one.severity))
        return replace(self, findings=tuple(found))

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which images can be decoded: (images,) bool."""
        return np.array([record.refusal is None for record in self.records], dtype=bool)

    @property
    def exact_links(self) -> list[tuple[int, int]]:
        """Pairs of images with the same bytes."""
        return links_of_equal(record.digest if record.refusal is None else None for record in self.records)

    @property
    def capture_links(self) -> list[tuple[int, int]]:
        """Pairs of images from one burst."""
        return links_of_equal(record.capture if record.refusal is None else None for record in self.records)

    @property
    def near_links(self) -> list[tuple[int, int]]:
        """Pairs of near-copies."""
        return [(pair.first, pair.second) for pair in self.near_duplicates]

    def as_json(self) -> dict[str, object]:
        """The check as `check.json` keeps it; paths escaped."""
        return {
            "schema": 1,
            "account": self.account.as_json(),
            "findings": [finding.as_json() for finding in self.findings],
            "shortcuts": None if self.shortcuts is None else self.shortcuts.as_json(),
        }
