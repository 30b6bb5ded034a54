"""The guarantees that the user asks for; light, since every verb's options are declared with them."""

from dataclasses import dataclass
from typing import Annotated

from vidi.errors import UsageError
from vidi.options import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class GuaranteeTargets:
    """Guarantees that the user asks for."""

    max_error: Annotated[float, Option('Maximum error rate among "sure" answers.', metavar="SHARE")] = 0.05
    coverage: Annotated[
        float, Option("Minimum share of images whose true class is among the candidates.", metavar="SHARE")
    ] = 0.95

    def __post_init__(self) -> None:
        for flag, value in (("max_error", self.max_error), ("coverage", self.coverage)):
            if not 0.0005 <= value <= 0.9995:
                raise UsageError(f"{flag} is {value}", "Use a share between 0 and 1, such as 0.05 or 0.95.")
