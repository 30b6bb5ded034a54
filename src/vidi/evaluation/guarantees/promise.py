"""What the user wants the answers to keep."""

from dataclasses import dataclass
from typing import Annotated

from vidi.errors import UsageError
from vidi.options import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What the user wants the answers to keep."""

    max_error: Annotated[float, Option("At most so many of the sure answers are wrong.", metavar="SHARE")] = 0.05
    coverage: Annotated[float, Option("At least so often the truth is among the candidates.", metavar="SHARE")] = 0.95

    def __post_init__(self) -> None:
        for flag, value in (("--max-error", self.max_error), ("--coverage", self.coverage)):
            if not 0.0005 <= value <= 0.9995:
                raise UsageError(f"{flag} is {value}", "Use a share between 0 and 1, such as 0.05 or 0.95.")
