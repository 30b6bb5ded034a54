"""What hosts answer about the same images, in one form, and where two of them differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.model_file.decisions import confidence
from vidi.model_file.metadata import ModelMetadata
from vidi.prediction.prediction import Prediction, decide

NEAR = 0.01  # of a probability; of a novelty as a share of its limit
MATTERS = ("label", "verdict", "candidates")


@dataclass(frozen=True, slots=True, eq=False)
class HostAnswer:
    """A host's answer about one image, or the reason code with which it refused it."""

    label: str
    verdict: str | None
    candidates: tuple[str, ...]
    probabilities: NDArray[np.float32]  # (classes,), in the model's order
    novelty: float | None
    code: str = ""  # empty where there is an answer


Answers = dict[str, HostAnswer]  # name of the image → what a host said of it


def refused(code: str) -> HostAnswer:
    """An image without an answer."""
    return HostAnswer("", None, (), np.empty(0, np.float32), None, code)


def from_prediction(one: Prediction) -> HostAnswer:
    """Python's own answer."""
    return HostAnswer(one.label, one.verdict, one.candidates, one.probabilities, one.novelty)


def from_page(answer: Mapping[str, Any]) -> HostAnswer:
    """What the page's engine gives."""
    if "code" in answer:
        return refused(answer["code"])
    values = np.array(answer["probabilities"], np.float32)
    return HostAnswer(answer["label"], answer["verdict"], tuple(answer["candidates"]), values, answer["novelty"])


def from_numbers(probabilities: NDArray[np.float32], novelty: float | None, metadata: ModelMetadata) -> HostAnswer:
    """What follows from a graph's outputs, where the host only computes."""
    return from_prediction(decide(probabilities, metadata, novelty=novelty))


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


def require_agreement(expected: Answers, found: Answers, metadata: ModelMetadata) -> None:
    """Raise AssertionError where a host says something else than Python does, but near a tie or a limit."""
    assert set(found) == set(expected), set(expected) ^ set(found)
    other = [one.words() for one in differences(expected, found, metadata) if not one.is_near]
    gap = largest(expected, found, list(expected))
    assert not other, other
    assert gap is not None, "no answer at all"
    assert gap <= max(NEAR, metadata.golden_tolerance.probability), gap


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
