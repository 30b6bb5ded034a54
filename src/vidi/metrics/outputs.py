"""What a model's outputs are: one probability shared by the classes, or one for each class by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
MOST_NAMED = 20  # classes in a description


@dataclass(frozen=True, slots=True)
class Softmax:
    """An image shows exactly one class: the probabilities sum to 1."""

    name: ClassVar[str] = "softmax"
    task: ClassVar[str] = "classify"  # as files call it
    averaged: ClassVar[str] = "probabilities"  # what an ensemble takes the mean of

    def probabilities(self, logits: NDArray[np.floating]) -> Doubles:
        """(batch, classes) probabilities of logits, in double precision.

        >>> Softmax().probabilities(np.array([[0.0, 0.0]])).tolist()
        [[0.5, 0.5]]
        """
        values = np.asarray(logits, np.float64)
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)

    def chance(self, class_count: int) -> float:
        """The share of correct answers by chance, each class counting the same."""
        return 1 / class_count

    def describe(self, classes: Sequence[str]) -> str:
        """What a model of these classes does, for its file."""
        return f"Distinguishes {len(classes)} classes: {', '.join(classes[:MOST_NAMED])}"

    def evidence_for(self, evidence: NDArray[np.float32], class_index: int) -> NDArray[np.floating]:
        """(rows, columns): how much each region speaks for a class and against the mean of the others.

        Softmax looks at differences between logits only: what a region gives to all classes alike speaks for none.

        Args:
            evidence: (classes, rows, columns) of one image.
        """
        others = np.delete(evidence, class_index, axis=0).mean(axis=0)
        return np.asarray(evidence[class_index] - others)


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """An image shows any number of classes: each probability stands for itself."""

    name: ClassVar[str] = "sigmoid"
    task: ClassVar[str] = "multi-label"
    averaged: ClassVar[str] = "logits"

    def probabilities(self, logits: NDArray[np.floating]) -> Doubles:
        """(batch, classes) probabilities of logits, in double precision.

        >>> Sigmoid().probabilities(np.array([[0.0, 0.0]])).tolist()
        [[0.5, 0.5]]
        """
        return np.asarray(1 / (1 + np.exp(-np.clip(np.asarray(logits, np.float64), -500, 500))), np.float64)

    def chance(self, class_count: int) -> float:  # noqa: ARG002  # of either outputs it is asked in one way
        """The share of correct answers by chance, yes and no counting the same."""
        return 0.5

    def describe(self, classes: Sequence[str]) -> str:
        """What a model of these classes does, for its file."""
        return f"Says of {len(classes)} classes whether an image shows them: {', '.join(classes[:MOST_NAMED])}"

    def evidence_for(self, evidence: NDArray[np.float32], class_index: int) -> NDArray[np.floating]:
        """(rows, columns): how much each region speaks for a class; the others say nothing of it."""
        return np.asarray(evidence[class_index])


Outputs = Softmax | Sigmoid

SOFTMAX, SIGMOID = Softmax(), Sigmoid()
