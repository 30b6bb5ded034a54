"""A stage of the work as it stands on a terminal or in a log."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStage:
    """What is being done, and how far it is."""

    what: str
    done: int
    total: int  # 0 where it is not known
    facts: tuple[str, ...]  # figures, the most telling first
    rate: str = ""
    remark: str = ""  # on the rate
    left: str  # the time left, as people say it

    def line(self) -> str:
        """The stage in one plain line."""
        rate = f"{self.rate} ({self.remark})" if self.remark else self.rate
        return "  ".join(filter(None, [self.what, *self.facts, rate, f"{self.left} left"]))
