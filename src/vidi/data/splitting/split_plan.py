"""How a data set is to be split: shares, seed, the rule that later images follow; and `splits.csv`, the result."""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vidi.errors import DataError, UsageError
from vidi.files import escape_path, read_csv_text, unescape_path, write_csv_atomic

PARTS = ("train", "validation", "calibration", "test")  # what a split divides into
EXTRA = "extra"  # scored and reported by itself, never trained on
ASIDE = "aside"  # kept out by a stated rule

FULL_SHARES_FROM = 1_000  # images: below it calibration comes from out-of-fold predictions
LEAST_HELD_BACK, MOST_HELD_BACK = 0.2, 0.5  # shares of the newest feedback, on which models are compared
HELD_BACK = 50  # images are aimed at: more would teach more
CUT_AT_MOST = 1_500  # images cut from a user's train part for validation, and for calibration: ± 1.5 points at 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPlan:
    """What the user asks of a split; every field has an answer of its own when left out."""

    seed: int = 0
    parts: Mapping[str, str] = field(default_factory=dict)  # the user's part → what it is used as
    allow_leaks: bool = False  # go on where exact copies or groups lie on both sides
    replan: bool = False  # decide again, also for images that have a part already
    frozen_test: bool = False  # images that come later fill the other parts only

    def __post_init__(self) -> None:
        for name in (*self.parts, *self.parts.values()):
            if name not in (*PARTS, EXTRA):
                raise UsageError(
                    f"--parts names {name!r}, which is not a part",
                    f"Use pairs of {', '.join((*PARTS, EXTRA))}, such as `--parts validation=test,test=extra`.",
                )


@dataclass(frozen=True, slots=True)
class SplitRule:
    """The shares and the seed, fixed at the first split: what places an image that comes later."""

    shares: tuple[int, int, int, int]  # per cent for train, validation, calibration, test
    seed: int

    def __str__(self) -> str:
        """The rule as it stands in `splits.csv`.

        >>> str(SplitRule((70, 10, 10, 10), 0))
        'v1:70-10-10-10:seed0'
        """
        return f"v1:{'-'.join(map(str, self.shares))}:seed{self.seed}"

    @property
    def share_of(self) -> dict[str, float]:
        """The parts that get images, with their shares; they sum to 1."""
        return {part: share / 100 for part, share in zip(PARTS, self.shares, strict=True) if share}

    def number_of(self, key: str) -> float:
        """A number in [0, 1) that depends on the rule and the key alone."""
        digest = hashlib.sha256(f"{self}|{key}".encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def part_of(self, key: str) -> str:
        """The part of a group that comes after the first split: by its key alone, so nothing else moves it.

        >>> SplitRule((70, 10, 10, 10), 0).part_of("anna")
        'train'
        """
        return self._drawn(key, self.share_of)

    def grown_part_of(self, key: str, *, held_back: float = 0.0) -> str:
        """The part of a group that comes after the first split where the test part is frozen.

        Args:
            key: of the group; it alone decides, so nothing else moves the group.
            held_back: share of the groups that are tested on by themselves, as the part `extra`.

        >>> rule = SplitRule((70, 10, 10, 10), 0)
        >>> {rule.grown_part_of(str(number)) for number in range(99)} == {"train", "validation", "calibration"}
        True
        """
        if self.number_of(f"held back|{key}") < held_back:
            return EXTRA
        return self._drawn(key, {part: share for part, share in self.share_of.items() if part != "test"})

    def _drawn(self, key: str, shares: Mapping[str, float]) -> str:
        number, upper = self.number_of(key) * sum(shares.values()), 0.0
        for part, share in shares.items():
            upper += share
            if number < upper:
                return part
        return part


def held_back_share(count: int) -> float:
    """Share of the feedback that is held back: a fifth of few images, half of a hundred, a fifth of many.

    >>> [held_back_share(count) for count in (30, 60, 100, 200, 1_000)]
    [0.2, 0.3, 0.5, 0.25, 0.2]
    """
    most = HELD_BACK / MOST_HELD_BACK  # images of which so large a share is held back
    return max(LEAST_HELD_BACK, MOST_HELD_BACK * min(count / most, most / max(1, count)))


def parse_rule(text: str) -> SplitRule:
    """The rule that `str(SplitRule(...))` wrote.

    Raises:
        DataError: not such a rule.

    >>> parse_rule("v1:70-10-0-20:seed3")
    SplitRule(shares=(70, 10, 0, 20), seed=3)
    """
    match = re.fullmatch(r"v1:(\d+)-(\d+)-(\d+)-(\d+):seed(\d+)", text)
    if match is None or sum(map(int, match.groups()[:4])) != 100:
        raise DataError(
            f"{text!r} is a split rule that this version does not know", "Make a new split: `vidi split --replan`."
        )
    train, validation, calibration, test, seed = map(int, match.groups())
    return SplitRule((train, validation, calibration, test), seed)


def plan_rule(image_count: int, seed: int) -> SplitRule:
    """The rule of a first split: 70/10/10/10 from 1,000 images on, below that 70/10/0/20."""
    return SplitRule((70, 10, 10, 10) if image_count >= FULL_SHARES_FROM else (70, 10, 0, 20), seed)


def plan_cut(train_count: int, seed: int, *, missing: frozenset[str]) -> SplitRule:
    """The rule by which a user's train part is cut where validation or calibration is missing.

    A tenth for each, but no more than 1,500 images: what they measure gains little from more, training does.

    >>> str(plan_cut(50_000, 0, missing=frozenset({"validation", "calibration"})))
    'v1:94-3-3-0:seed0'
    """
    share = 10 if train_count <= 10 * CUT_AT_MOST else max(1, round(100 * CUT_AT_MOST / train_count))
    validation = share if "validation" in missing else 0
    calibration = share if "calibration" in missing and train_count >= FULL_SHARES_FROM else 0
    return SplitRule((100 - validation - calibration, validation, calibration, 0), seed)


COLUMNS = ("digest", "path", "group", "part", "rule")


@dataclass(frozen=True, slots=True)
class Assignment:
    """One row of `splits.csv`."""

    digest: str  # SHA-256 of the file's bytes
    path: str  # as the system names it; escaped only in the file
    group: str
    part: str
    rule: str  # of the split, or the reason why the image is kept out; `excluded:test`: people left it out of `test`

    @property
    def own_part(self) -> str:
        """The part of the image, also while people leave it out."""
        part = self.rule.partition(":")[2]
        return part if self.part == ASIDE and part else self.part


def write_assignments(path: Path, assignments: Iterable[Assignment]) -> None:
    """Write `splits.csv` whole, sorted by path."""
    ordered = sorted(assignments, key=lambda row: row.path)
    rows = ((row.digest, escape_path(row.path), escape_path(row.group), row.part, row.rule) for row in ordered)
    write_csv_atomic(path, [COLUMNS, *rows])


def read_assignments(path: Path) -> list[Assignment]:
    """The rows of a `splits.csv`.

    Raises:
        DataError: it cannot be read, or is no such table; the line is named.
    """
    try:
        text = read_csv_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise _not_a_split(path, str(error)) from error
    rows = csv.reader(io.StringIO(text, newline=""))
    if tuple(next(rows, ())) != COLUMNS:
        raise _not_a_split(path, f"its first line is not {','.join(COLUMNS)}")
    return [_parse_row(path, rows.line_num, row) for row in rows if row]


def _parse_row(path: Path, line: int, row: list[str]) -> Assignment:
    if len(row) != len(COLUMNS):
        raise _not_a_split(path, f"line {line} has {len(row)} columns, not {len(COLUMNS)}")
    digest, name, group, part, rule = row
    if part not in (*PARTS, EXTRA, ASIDE):
        raise _not_a_split(path, f"line {line} names the part {part!r}")
    return Assignment(digest, unescape_path(name), unescape_path(group), part, rule)


def _not_a_split(path: Path, why: str) -> DataError:
    return DataError(
        f"{escape_path(path)} cannot be read as a split: {why}",
        "Use a `splits.csv` that vidi wrote, or make a new split with `vidi split --replan`.",
    )
