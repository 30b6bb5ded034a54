"""Two hosts' answers to the same images, held against each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vidi.export.trials.answers import Answers, HostAnswer
from vidi.model_file.decisions import confidence
from vidi.model_file.metadata import ModelMetadata

NEAR = 0.01  # of a probability; of a novelty as a share of its limit
MATTERS = ("label", "verdict", "candidates")


@dataclass(frozen=True, slots=True)
class AnswerDifference:
    """One image about which a host says something else; `near`: how far from a tie or a limit Python's answer lies."""

    name: str
    what: str  # one of MATTERS, or `refusal`
    expected: str
    found: str
    near: float

    @property
    def is_near(self) -> bool:
        """Whether a host may say something else."""
        return self.near <= NEAR

    def words(self) -> str:
        """The difference in a clause."""
        return f"{self.name}: the {self.what} is {self.found or 'missing'}, not {self.expected or 'none'}"


def largest(expected: Answers, found: Answers, names: Sequence[str]) -> float | None:
    """The largest difference of a probability; None where no image was answered by both."""
    gaps = [
        float(np.abs(expected[name].probabilities - found[name].probabilities).max())
        for name in names
        if name in found and not (expected[name].code or found[name].code)
    ]
    return max(gaps, default=None)


def differences(expected: Answers, found: Answers, metadata: ModelMetadata) -> Iterator[AnswerDifference]:
    """Every image about which a host says something else than Python does."""
    for name, other in found.items():
        one = expected[name]
        if one.code or other.code:
            if one.code != other.code:
                yield AnswerDifference(name, "refusal", one.code, other.code, np.inf)
            continue
        if one.label != other.label:
            yield AnswerDifference(name, "label", one.label, other.label, tie(one, other, metadata.classes))
        if one.verdict != other.verdict:
            yield AnswerDifference(name, "verdict", str(one.verdict), str(other.verdict), from_limits(one, metadata))
        if set(one.candidates) != set(other.candidates):
            first, second = (", ".join(sorted(answer.candidates)) for answer in (one, other))
            yield AnswerDifference(name, "candidates", first, second, from_candidates(one, other, metadata))


def tie(one: HostAnswer, other: HostAnswer, classes: Sequence[str]) -> float:
    """How much more probable Python's label is than the other's, by Python's numbers."""
    first, second = (one.probabilities[classes.index(answer.label)] for answer in (one, other))
    return float(first - second)


def from_limits(one: HostAnswer, metadata: ModelMetadata) -> float:
    """The distance to the nearest limit of the verdict."""
    limits, found = metadata.verdict, [np.inf]
    if limits is None:
        return np.inf
    if limits.sure is not None:
        found.append(abs(float(confidence(one.probabilities[None], limits)[0]) - limits.sure))
    if limits.novelty is not None and one.novelty is not None:
        found.append(abs(one.novelty / limits.novelty - 1))
    return min(found)


def from_candidates(one: HostAnswer, other: HostAnswer, metadata: ModelMetadata) -> float:
    """The largest distance to the limit of a class that only one of them names; the label always is named."""
    limit = metadata.verdict.candidate if metadata.verdict else None
    found = []
    for name in set(one.candidates) ^ set(other.candidates):
        away = np.inf if limit is None else abs(float(one.probabilities[metadata.classes.index(name)]) - limit)
        found.append(min(away, tie(one, other, metadata.classes)) if one.label != other.label else away)
    return max(found)
