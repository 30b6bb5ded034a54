"""What a host said of an image, in one form for all hosts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.model_file.metadata import ModelMetadata
from vidi.prediction.prediction import Prediction, decide


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
