"""The user's target for a class: recall, precision, false-alarm rate or lowest cost."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from vidi.errors import UsageError
from vidi.files import escape_path
from vidi.model_file.operating_points import Measure

FLAGS: Mapping[Measure, str] = {
    "recall": "--recall",
    "precision": "--precision",
    "false-alarms": "--false-alarms-per",
    "costs": "--costs",
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
            raise UsageError(f"{FLAGS[self.measure]} is {number:g}", f"Use {example}.")

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
                f"{FLAGS[wanted[0]]} and {FLAGS[wanted[1]]} each set the threshold", "Use only one of them."
            )
        if not wanted:
            return None
        if false_alarms_per is not None and not false_alarms_per > 0:
            raise UsageError(f"--false-alarms-per is {false_alarms_per:g}", "Use a number of images, such as 1000.")
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
        raise UsageError(f"--costs {escape_path(path)} cannot be read: {error}", "Name a CSV file.") from error
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
        f"--costs {escape_path(path)} is not a table of costs: {why}",
        "Write the answers in the first row, then a row for each true class: `person,0,10`.",
    )
