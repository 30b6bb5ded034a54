"""Operating points: what the user asks for, and the thresholds that reach it on images kept from training."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Self

import numpy as np

from vidi.errors import UsageError
from vidi.files import escape_path
from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.intervals import LEVEL
from vidi.metrics.multi_label import thresholds_for_f1
from vidi.metrics.operating import (
    Mask,
    Threshold,
    least_costly,
    threshold_for_false_alarms,
    threshold_for_precision,
    threshold_for_recall,
)
from vidi.model_file.limits import ClassPoint, Measure, OperatingPoints

NAMES: Mapping[Measure, str] = {
    "recall": "recall",
    "precision": "precision",
    "false-alarms": "false_alarms_per",
    "costs": "costs",
    "f1": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingTarget:
    """One target, for one class or for each."""

    measure: Measure
    share: float | None = None  # recall or precision at least, false alarms at most; None of costs and F1
    costs: Mapping[str, Mapping[str, float]] | None = None  # true class → answer → what it costs

    def __post_init__(self) -> None:
        has_share, has_costs = self.measure not in ("costs", "f1"), self.measure == "costs"
        if (self.share is not None) != has_share or (self.costs is not None) != has_costs:
            raise UsageError(
                f"a target for {self.measure} lacks its share or its table",
                "Set costs for `costs`, and a share otherwise.",
            )
        if self.share is not None and not 0.0001 <= self.share <= 0.9999:
            number, example = (self.share, "a share below 1, such as 0.99")
            if self.measure == "false-alarms":
                number, example = (1 / self.share, "a number of images from 2 to 10000, such as 1000")
            raise UsageError(f"{NAMES[self.measure]} is {number:g}", f"Use {example}.")

    @classmethod
    def of(
        cls,
        *,
        recall: float | None = None,
        precision: float | None = None,
        false_alarms_per: float | None = None,
        costs: Mapping[str, Mapping[str, float]] | None = None,
    ) -> Self | None:
        """Return the target that the user set; None if there is none.

        Args:
            recall: at least this share of the class is found.
            precision: at least this share of what is called the class is it.
            false_alarms_per: at most one false alarm per this many images of other classes.
            costs: true class → answer → what it costs.

        Raises:
            UsageError: two targets at once, or a number that cannot be guaranteed.
        """
        given: dict[Measure, object] = {
            "recall": recall,
            "precision": precision,
            "false-alarms": false_alarms_per,
            "costs": costs,
        }
        wanted = [measure for measure, value in given.items() if value is not None]
        if len(wanted) > 1:
            raise UsageError(
                f"{NAMES[wanted[0]]} and {NAMES[wanted[1]]} each set the threshold", "Use only one of them."
            )
        if not wanted:
            return None
        if false_alarms_per is not None and not false_alarms_per > 0:
            raise UsageError(f"false_alarms_per is {false_alarms_per:g}", "Use a number of images, such as 1000.")
        share = recall if precision is None else precision
        return cls(measure=wanted[0], share=share if false_alarms_per is None else 1 / false_alarms_per, costs=costs)

    @classmethod
    def from_dict(cls, values: Mapping[str, object] | None) -> Self | None:
        """Restore the target that `dataclasses.asdict` made plain."""
        return None if values is None else cls(**values)  # type: ignore[arg-type]

    def require_fitting(self, classes: Sequence[str], *, positive: str | None) -> None:
        """Refuse, before any work, a target that is not about these classes.

        Raises:
            UsageError: the positive class is not there, the table of costs lacks a class, or both are given.
        """
        known = ", ".join(map(escape_path, classes[:20])) + (" …" if len(classes) > 20 else "")
        if positive is not None and positive not in classes:
            raise UsageError(
                f"--positive {escape_path(positive)} is not a class of the model", f"Its classes: {known}."
            )
        if self.costs is None:
            return
        for place, names in (("row", self.costs), *(("column", row) for row in self.costs.values())):
            missing = [name for name in classes if name not in names]
            if missing:
                raise UsageError(
                    f"the table of costs has no {place} for {escape_path(missing[0])}",
                    f"Add one row and one column for each class: {known}.",
                )


BEST_F1 = OperatingTarget(measure="f1")  # of each class, where images may show several and no other target is set


def read_costs(path: Path) -> dict[str, dict[str, float]]:
    """Read a table of costs: a CSV file with a row for each true class and a column for each answer.

    Raises:
        UsageError: it is not there, or no such table.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.reader(stream) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"the costs {escape_path(path)} cannot be read: {error}", "Name a CSV file.") from error
    if len(rows) < 3 or any(len(row) != len(rows[0]) for row in rows):
        raise _no_table(path, "the rows differ in length, or there are fewer than three")
    answers = [cell.strip() for cell in rows[0][1:]]
    table: dict[str, dict[str, float]] = {}
    for row in rows[1:]:
        try:
            values = [float(cell) for cell in row[1:]]
        except ValueError as error:
            raise _no_table(path, str(error)) from error
        if not all(abs(value) < 1e12 for value in values):
            raise _no_table(path, "a cost is not a finite number")
        table[row[0].strip()] = dict(zip(answers, values, strict=True))
    if len(table) < len(rows) - 1 or len(set(answers)) < len(answers):
        raise _no_table(path, "a class appears twice")
    return table


def _no_table(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{escape_path(path)} is not a table of costs: {why}",
        "Write the answers in the first row, then a row for each true class: `person,0,10`.",
    )


def find_points(
    probabilities: Floats,
    shown: Mask,
    classes: Sequence[str],
    *,
    target: OperatingTarget,
    positive: str | None = None,
    groups: Counts | None = None,
    shipped: Floats | None = None,
) -> OperatingPoints:
    """Find the thresholds or costs that meet a target, as far as these images can show it.

    Args:
        probabilities: (batch, classes) float, calibrated by a step that was fitted without the image.
        shown: (batch, classes) bool; which classes each image shows.
        classes: names, in the order of the columns.
        positive: the class that it is about; each class by itself, where None.
        groups: (batch,) int; images of one group are not independent. Each its own, where None.
        shipped: (batch, classes), the same images' by the step that is shipped. Steps that were fitted without an image
            differ among themselves and from that one, most where there are many numbers in them: of the two thresholds
            the more careful one is taken.
    """
    if target.costs is not None:
        costs = np.array([[target.costs[true][answer] for answer in classes] for true in classes])
        spent = costs[shown.argmax(axis=1), least_costly(probabilities, costs)]
        return OperatingPoints(
            measure="costs",
            share=None,
            level=LEVEL,
            basis="calibration",
            image_count=len(shown),
            costs=tuple(tuple(row) for row in costs.tolist()),
            mean_cost=float(spent.mean()),
        )
    named = [positive] if positive is not None else list(classes)
    indexes = [list(classes).index(name) for name in named]
    if target.share is None:
        best = thresholds_for_f1(probabilities, shown).tolist()
        found = [Threshold(best[index], None, False) for index in indexes]
    else:
        kinds = [each for each in (probabilities, shipped) if each is not None]
        found = [
            _most_careful(
                [each[:, c] for each in kinds], shown[:, c], target.measure, share=target.share, groups=groups
            )
            for c in indexes
        ]
    return OperatingPoints(
        measure=target.measure,
        share=target.share,
        level=LEVEL,
        basis="calibration",
        image_count=len(shown),
        positive=positive,
        points=tuple(
            _point(name, each, probabilities[:, index], shown[:, index])
            for name, each, index in zip(named, found, indexes, strict=True)
        ),
    )


def _point(name: str, found: Threshold, scores: Floats, is_class: Mask) -> ClassPoint:
    """One class's threshold, and its figures on these images."""
    called = scores >= (np.inf if found.value is None else found.value)
    return ClassPoint(
        name=name,
        threshold=found.value,
        is_promised=found.is_promised,
        bound=found.bound,
        image_count=int(is_class.sum()),
        found=int((called & is_class).sum()),
        other_count=int((~is_class).sum()),
        alarms=int((called & ~is_class).sum()),
    )


def _most_careful(
    kinds: Sequence[Floats], is_class: Mask, measure: Measure, *, share: float, groups: Counts | None
) -> Threshold:
    """The threshold that keeps a target by each kind of answers about the same images."""
    each = [_threshold(scores, is_class, measure, share=share, groups=groups) for scores in kinds]
    return reduce(partial(_more_careful, measure=measure), each)


def _more_careful(first: Threshold, second: Threshold, *, measure: Measure) -> Threshold:
    """Of two thresholds that keep a target by two kinds of answers the one that keeps it by both."""
    if first.value is None or second.value is None:
        return second if second.value is None else first
    bounds = [one.bound for one in (first, second) if one.bound is not None]
    alarms, recall = measure == "false-alarms", measure == "recall"
    return Threshold(
        value=(min if recall else max)(first.value, second.value),
        bound=None if len(bounds) < 2 else (max if alarms else min)(bounds),
        is_promised=first.is_promised and second.is_promised,
    )


def _threshold(scores: Floats, is_class: Mask, measure: Measure, *, share: float, groups: Counts | None) -> Threshold:
    if measure == "recall":
        return threshold_for_recall(scores, is_class, recall=share, groups=groups)
    if measure == "precision":
        return threshold_for_precision(scores, is_class, precision=share, groups=groups)
    return threshold_for_false_alarms(scores, is_class, share=share, groups=groups)
