"""How an exported form answered the golden vectors of its model, and image files."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vidi.errors import GateError
from vidi.export.trials.answers import Answers
from vidi.export.trials.compare import NEAR, differences, largest
from vidi.model_file.metadata import ModelMetadata

Given = Literal["files", "pixels"]  # what the host got: image files, or what vidi decodes them to
NAMED = 3  # differences that are told one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesTrial:
    """The answers of another host to drawn images of every kind, compared with those of the model file."""

    given: Given
    image_count: int
    probability_difference: float  # the largest; infinite where an answer is missing
    tolerance: float  # of a probability
    near: int  # other labels, verdicts and candidates that lie within 0.01 of a tie or a limit
    differing: tuple[str, ...] = ()  # what else is not as it should be, in words

    @property
    def passed(self) -> bool:
        """Whether all answers are those of the model file, but for what lies near a tie or a limit."""
        return self.image_count > 0 and self.probability_difference <= self.tolerance and not self.differing

    def words(self) -> str:
        """The result in one clause."""
        named = [
            *self.differing[:NAMED],
            *([f"and {len(self.differing) - NAMED} more"] * (len(self.differing) > NAMED)),
        ]
        return (
            f"{self.image_count} drawn images given as {self.given}, largest difference of a probability "
            f"{self.probability_difference:.1e} (allowed: {self.tolerance:.0e})"
            + (f", {self.near} other answers within {NEAR} of a tie or a limit" if self.near else "")
            + "".join(f"; {what}" for what in named)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTrial:
    """The answers of another host to a model's golden vectors, compared with those in the file."""

    host: str  # what ran the exported form, such as `node v22.1.0`
    vector_count: int
    probability_difference: float  # the largest; infinite where there is no answer
    tolerance: float  # of a probability
    differing: tuple[str, ...] = ()  # what else is not as it should be, in words
    images: ImagesTrial | None = None  # None: it gave no answers at all

    @property
    def passed(self) -> bool:
        """Whether all answers are those in the file, within its tolerance."""
        replayed = self.vector_count > 0 and self.probability_difference <= self.tolerance and not self.differing
        return replayed and (self.images is None or self.images.passed)

    def sentence(self) -> str:
        """The result in one sentence."""
        outcome = "passed" if self.passed else "failed"
        return (
            f"self-test {outcome} in {self.host}: {self.vector_count} golden vectors, largest difference of a "
            f"probability {self.probability_difference:.1e} (allowed: {self.tolerance:.0e})"
            f"{''.join(f'; {what}' for what in self.differing)}"
            f"{'' if self.images is None else f'; {self.images.words()}'}"
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


def compare_images(expected: Answers, found: Answers, metadata: ModelMetadata, *, given: Given) -> ImagesTrial:
    """A host's answers about images, held against those of the model file.

    Args:
        expected: of the model file.
        found: of the host, for the same names.
        metadata: of the model file.
        given: what the host got.
    """
    others = list(differences(expected, {name: one for name, one in found.items() if name in expected}, metadata))
    missing = [name for name in expected if name not in found]
    is_whole = not missing and all(np.isfinite(one.probabilities).all() for one in found.values())
    gap = largest(expected, found, list(expected)) if is_whole else None
    return ImagesTrial(
        given=given,
        image_count=len(expected),
        probability_difference=math.inf if gap is None else gap,
        tolerance=max(NEAR, metadata.golden_tolerance.probability),
        near=sum(one.is_near for one in others),
        differing=(*_told(missing), *(one.words() for one in others if not one.is_near)),
    )


def _told(missing: Sequence[str]) -> list[str]:
    return [f"no answer about {', '.join(missing[:NAMED])}"] if missing else []
