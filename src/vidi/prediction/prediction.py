"""Turns a row of probabilities into an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.metrics.arrays import Floats
from vidi.metrics.multi_label import EVEN, probability_of_all
from vidi.metrics.operating import least_costly
from vidi.metrics.outputs import SOFTMAX
from vidi.metrics.selective import RANKINGS
from vidi.model_file.limits import ALL_CLASSES, VerdictLimits
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.operating_points import OperatingPoints

Verdict = Literal["sure", "unsure", "unknown"]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The answer for one image."""

    label: str  # the most probable class
    label_index: int  # its index into `classes`
    probability: float  # of `label`, calibrated
    probabilities: NDArray[np.float32]  # (classes,), of all classes in the model's order; sums to 1 for one label each
    classes: tuple[str, ...]  # the model's classes
    verdict: Verdict | None  # None if the model file has no limits
    candidates: tuple[str, ...]  # possible classes, most probable first; never empty for one label each
    novelty: float | None  # distance from the training images; None if the model has no measure of it
    decision: tuple[str, ...] | None = None  # classes at the operating point; None if the model has none
    multi_label: bool = False  # several classes or none per image; the probabilities are independent
    embedding: NDArray[np.float32] | None = None  # (features,), the layer before the head; None unless asked for

    @property
    def predicted(self) -> tuple[str, ...]:
        """Predicted classes of the image: `label`, or any number of classes for a model with several labels."""
        return self.decision or () if self.multi_label else (self.label,)

    def top(self, count: int) -> list[tuple[str, float]]:
        """Return the most probable classes with their probabilities, highest first; ties in the model's order."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.classes[index], float(self.probabilities[index])) for index in order]


def decide(
    probabilities: NDArray[np.float32],
    metadata: ModelMetadata,
    *,
    novelty: float | None = None,
    embedding: NDArray[np.float32] | None = None,
) -> Prediction:
    """Turn a row of probabilities into an answer; evaluation and prediction both use it.

    Args:
        probabilities: (classes,) float32; sums to 1, unless the model is a multi-label one.
        metadata: of the model that gave the probabilities.
        novelty: of the same image; None if the model has no measure of it.
        embedding: (features,) of the same image, where it was asked for.

    Raises:
        ShapeError: there is not one probability for each class.
    """
    if probabilities.shape != (len(metadata.classes),):
        raise ShapeError(
            f"probabilities of shape {probabilities.shape} for {len(metadata.classes)} classes",
            "Give one row, with one probability for each class of the model.",
        )
    index, limits = int(probabilities.argmax()), metadata.verdict
    decision = _decision(probabilities, metadata)
    return Prediction(
        label=metadata.classes[index],
        label_index=index,
        probability=float(probabilities[index]),
        probabilities=probabilities,
        classes=metadata.classes,
        verdict=None
        if limits is None
        else find_verdict(probabilities, limits, novelty=novelty, called=np.isin(metadata.classes, decision or ())),
        candidates=_candidates(probabilities, metadata, decision=decision or ()),
        novelty=novelty,
        decision=decision,
        multi_label=metadata.multi_label,
        embedding=embedding,
    )


def find_verdict(
    probabilities: NDArray[np.float32],
    limits: VerdictLimits,
    *,
    novelty: float | None = None,
    called: NDArray[np.bool_] | None = None,
) -> Verdict:
    """Return how far an answer can be relied on.

    Args:
        probabilities: (classes,) float32.
        limits: of the model; where it could not promise anything, no answer is sure.
        novelty: of the image; None where the model cannot tell.
        called: (classes,) bool, what the image is called, where it may be several classes.
    """
    if novelty is not None and limits.novelty is not None and novelty > limits.novelty:
        return "unknown"
    score = float(confidence(probabilities[None], limits, called=None if called is None else called[None])[0])
    return "sure" if limits.sure is not None and score >= limits.sure else "unsure"


def confidence(probabilities: Floats, limits: VerdictLimits, *, called: NDArray[np.bool_] | None = None) -> Floats:
    """Score how sure each answer is, (batch,), as the model's limits define it.

    Args:
        probabilities: (batch, classes) float.
        limits: of the model.
        called: (batch, classes) bool, what the images are called, where it may be several classes.
    """
    if limits.ranking != ALL_CLASSES:
        return RANKINGS[limits.ranking](probabilities)
    nothing = np.zeros(probabilities.shape, np.bool_)
    return probability_of_all(probabilities, nothing if called is None else called)


def find_all_candidates(probabilities: Floats, limit: float, called: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find the candidates of several labels, (batch, classes) bool; a predicted class is always one.

    Args:
        probabilities: (batch, classes) float.
        limit: from which on a class is a candidate; infinite where nothing is promised.
        called: (batch, classes) bool.
    """
    return np.asarray((probabilities >= limit) | called, np.bool_)


def _candidates(
    probabilities: NDArray[np.float32], metadata: ModelMetadata, *, decision: tuple[str, ...]
) -> tuple[str, ...]:
    """The classes at or above the limit, falling; what the answer says alone where there is no limit."""
    limit = np.inf if metadata.verdict is None or metadata.verdict.candidate is None else metadata.verdict.candidate
    called = np.isin(metadata.classes, decision)[None]
    if metadata.outputs == SOFTMAX:  # the most probable class always is one
        called = say(probabilities[None], metadata)
    rows = np.flatnonzero(find_all_candidates(probabilities[None], limit, called))
    order = rows[np.argsort(-probabilities[rows], kind="stable")]
    return tuple(metadata.classes[row] for row in order.tolist())


def _decision(probabilities: NDArray[np.float32], metadata: ModelMetadata) -> tuple[str, ...] | None:
    """The classes that an image is called at the operating point, the most probable first."""
    if metadata.operating_points is None:
        return None
    called = np.flatnonzero(call_classes(probabilities[None], metadata.operating_points, metadata.classes)[0])
    order = called[np.argsort(-probabilities[called], kind="stable")]
    return tuple(metadata.classes[row] for row in order.tolist())


def say(probabilities: Floats, metadata: ModelMetadata) -> NDArray[np.bool_]:
    """(batch, classes) bool: the most probable class of each image; where it may show several, what it is called.

    A model without thresholds of its own calls an image what it is more likely to show than not.

    Args:
        probabilities: (batch, classes) float.
        metadata: of the model that gave the probabilities.
    """
    if metadata.outputs == SOFTMAX:
        one_hot: NDArray[np.bool_] = np.eye(len(metadata.classes), dtype=np.bool_)[probabilities.argmax(axis=1)]
        return one_hot
    if metadata.operating_points is None:
        return np.asarray(probabilities >= EVEN, np.bool_)
    return call_classes(probabilities, metadata.operating_points, metadata.classes)


def call_classes(probabilities: Floats, points: OperatingPoints, classes: Sequence[str]) -> NDArray[np.bool_]:
    """Decide the classes of images at a model's operating points.

    With costs, the class that is cheapest to answer. With one positive class, that class where it reaches its
    threshold, else the most probable other one. Else every class that reaches its own, which may be none.

    Args:
        probabilities: (batch, classes) float.
        points: of the model.
        classes: the model's, in the order of the columns.

    Returns:
        (batch, classes) bool.
    """
    one_hot = np.eye(len(classes), dtype=np.bool_)
    if points.costs is not None:
        called: NDArray[np.bool_] = one_hot[least_costly(probabilities, np.array(points.costs))]
        return called
    limits = {point.name: point.threshold for point in points.points}
    thresholds = [np.inf if (limit := limits.get(name)) is None else limit for name in classes]
    called = probabilities >= np.array(thresholds)
    if points.positive is None:
        return called
    index = classes.index(points.positive)
    others = np.where(one_hot[index], -1.0, probabilities).argmax(axis=1)
    chosen: NDArray[np.bool_] = one_hot[np.where(called[:, index], index, others)]
    return chosen
