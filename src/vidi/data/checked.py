"""What the check of a data set brings to light: a record for every image, the links between them, and findings."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidi.data.groups import join_links, links_of_equal
from vidi.files import escape_path
from vidi.images.account import Account, Entry

CONFLICT = ("conflicting-labels", "The same image stands under two labels.")

Severity = Literal["problem", "warning", "note"]  # stops the work · to be looked at · good to know


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What one decode of one file told; the pixels are gone."""

    path: str
    digest: str | None  # SHA-256 of the file's bytes; None where it could not be read
    byte_count: int = 0
    size: tuple[int, int] = (0, 0)  # (height, width) of the full upright image, pixels
    notes: tuple[str, ...] = ()
    refusal: Entry | None = None
    capture: str | None = None  # equal for images of one burst; tells neither time nor camera


@dataclass(frozen=True, slots=True)
class NearCopy:
    """Two images of one scene whose files differ."""

    first: int  # image index
    second: int
    difference: float  # what is left after aligning the two, as a share of the image's contrast
    same_frame: bool  # the same cut of the scene (perhaps mirrored), not a crop or a shift


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about the data that its owner should know."""

    kind: str
    severity: Severity
    sentence: str
    paths: tuple[tuple[str, ...], ...] = ()  # groups of images that show it, most telling first

    def as_json(self) -> dict[str, object]:
        """The finding with escaped paths."""
        shown = [[escape_path(path) for path in group] for group in self.paths]
        return {"kind": self.kind, "severity": self.severity, "message": self.sentence, "paths": shown}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The outcome of a check; rows stand in the order of `dataset.images`."""

    records: tuple[ImageRecord, ...]
    near_copies: tuple[NearCopy, ...]
    findings: tuple[Finding, ...]
    account: Account
    conflicting: frozenset[int] = frozenset()  # images that stand under two labels, by index

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(images,) bool: which images decode."""
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
        return [(pair.first, pair.second) for pair in self.near_copies]

    def look_alikes(self) -> NDArray[np.int64]:
        """(images,) int64: equal numbers are copies of one another, exact, near or of one burst."""
        return join_links(len(self.records), [*self.exact_links, *self.capture_links, *self.near_links])

    def as_json(self) -> dict[str, object]:
        """The check as `vidi check --json` prints it and `check.json` keeps it; paths escaped."""
        return {
            "schema": 1,
            "account": self.account.as_json(),
            "findings": [finding.as_json() for finding in self.findings],
        }
