"""What the answers are to keep: the options behind a guarantee and an operating point."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from vidi.options import Option

if TYPE_CHECKING:
    from vidi.evaluation.guarantees.wish import Wish


def _read_costs(path: str) -> Mapping[str, Mapping[str, float]]:
    from vidi.evaluation.guarantees.wish import read_costs

    return read_costs(Path(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class WishOptions:
    """What decisions are to keep, for the data's `positive` class or for each; at most one of these."""

    recall: Annotated[
        float | None,
        Option(
            "Find at least so much of the class: 0.99.",
            metavar="SHARE",
            python_help="At the operating point at least this share of a class is found; of the data's `positive` "
            "class, or of each. Of this and the next three at most one.",
        ),
    ] = None
    precision: Annotated[
        float | None, Option("At least so much of what is called the class is it: 0.95.", metavar="SHARE")
    ] = None
    false_alarms_per: Annotated[
        float | None, Option("Call at most 1 of N other images the class: 1000.", metavar="N")
    ] = None
    costs: Annotated[
        Mapping[str, Mapping[str, float]] | None,
        Option(
            "Decide by a table of costs: a row for each truth, a column each.",
            metavar="CSV",
            read=_read_costs,
            python_help="True class → answer → what it costs; decided is what is cheapest.",
        ),
    ] = None

    def made(self) -> "Wish | None":
        """The one wish; raises UsageError where there are two."""
        from vidi.evaluation.guarantees.wish import Wish

        return Wish.of(
            recall=self.recall, precision=self.precision, false_alarms_per=self.false_alarms_per, costs=self.costs
        )
