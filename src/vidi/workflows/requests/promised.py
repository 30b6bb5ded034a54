"""What the user asks a model to guarantee."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from vidi.evaluation.guarantees.promise import Promise
from vidi.options import Option, Part

if TYPE_CHECKING:
    from vidi.evaluation.guarantees.operating import OperatingTarget


def _read_costs(path: str) -> Mapping[str, Mapping[str, float]]:
    from vidi.evaluation.guarantees.operating import read_costs

    return read_costs(Path(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """Target of the decisions, for the data's `positive` class or for each class; at most one of these."""

    recall: Annotated[
        float | None,
        Option(
            "Minimum recall for the class, for example 0.99.",
            metavar="SHARE",
            python_help="Minimum recall at the operating point, for the data's `positive` class or for each class. "
            "Give at most one of this and the next three.",
        ),
    ] = None
    precision: Annotated[
        float | None, Option("Minimum precision for the class, for example 0.95.", metavar="SHARE")
    ] = None
    false_alarms_per: Annotated[
        float | None,
        Option("Maximum rate of false alarms: 1 in N images of other classes, for example 1000.", metavar="N"),
    ] = None
    costs: Annotated[
        Mapping[str, Mapping[str, float]] | None,
        Option(
            "Path to a table of costs: a row for each true class, a column for each answer.",
            metavar="CSV",
            read=_read_costs,
            python_help="Cost of each answer by true class; the decision is the answer of lowest expected cost.",
        ),
    ] = None

    def made(self) -> "OperatingTarget | None":
        """Return the target that was set; raises UsageError if there are two."""
        from vidi.evaluation.guarantees.operating import OperatingTarget

        return OperatingTarget.of(
            recall=self.recall, precision=self.precision, false_alarms_per=self.false_alarms_per, costs=self.costs
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantees:
    """What the limits in a model file are to keep."""

    promise: Promise = field(default_factory=Promise)
    target: Annotated["OperatingTarget | None", Part(made_by=TargetOptions)] = None
