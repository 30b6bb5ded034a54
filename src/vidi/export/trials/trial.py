"""How an exported form answered the golden vectors of its model."""

from dataclasses import dataclass

from vidi.errors import GateError


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTrial:
    """The answers of another host to a model's golden vectors, compared with those in the file."""

    host: str  # what ran the exported form, such as `node v22.1.0`
    vector_count: int
    probability_difference: float  # the largest; infinite where there is no answer
    tolerance: float  # of a probability
    differing: tuple[str, ...] = ()  # what else is not as it should be, in words

    @property
    def passed(self) -> bool:
        """Whether all answers are those in the file, within its tolerance."""
        return self.vector_count > 0 and self.probability_difference <= self.tolerance and not self.differing

    def sentence(self) -> str:
        """The result in one sentence."""
        outcome = "passed" if self.passed else "failed"
        return (
            f"self-test {outcome} in {self.host}: {self.vector_count} golden vectors, largest difference of a "
            f"probability {self.probability_difference:.1e} (allowed: {self.tolerance:.0e})"
            f"{''.join(f'; {what}' for what in self.differing)}"
        )

    def require_agreement(self) -> None:
        """Require that the exported form gives the model's answers.

        Raises:
            GateError: it does not.
        """
        if not self.passed:
            raise GateError(
                f"the exported form does not give the answers of the model file: {self.sentence()}",
                "Nothing was written. Update the host that is named, or report this with the model file.",
            )
