"""What a model file's limits and operating points make of probabilities: verdict, candidates and decision."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.arrays import Floats
from vidi.metrics.multi_label import EVEN, probability_of_all
from vidi.metrics.operating import least_costly
from vidi.metrics.selective import RANKINGS
from vidi.model_file.limits import ALL_CLASSES, OperatingPoints, Verdict, VerdictLimits
from vidi.model_file.metadata import ModelMetadata


@dataclass(frozen=True, slots=True)
class Judgement:
    """What follows from one image's probabilities and novelty."""

    verdict: Verdict | None  # None if the model file has no limits
    candidates: tuple[int, ...]  # indexes of possible classes, most probable first
    decision: tuple[int, ...] | None  # indexes of the classes at the operating point; None if the model has none


def judge(probabilities: NDArray[np.float32], metadata: ModelMetadata, *, novelty: float | None = None) -> Judgement:
    """Judge one image's probabilities (classes,); novelty is None if the model has no measure of it."""
    limits, decision = metadata.verdict, _decision(probabilities, metadata)
    called = np.zeros(len(probabilities), np.bool_)
    called[list(decision or ())] = True
    return Judgement(
        verdict=None if limits is None else find_verdict(probabilities, limits, novelty=novelty, called=called),
        candidates=_candidates(probabilities, metadata, called=called),
        decision=decision,
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


def find_verdicts(
    probabilities: Floats, metadata: ModelMetadata, *, novelty: Floats | None = None
) -> list[Verdict] | None:
    """The verdicts on several images, as `judge` gives them, in a tenth of its time; None if the file has no limits.

    Args:
        probabilities: (batch, classes) float.
        novelty: (batch,) float; None if the model has no measure of it.
    """
    limits, points = metadata.verdict, metadata.operating_points
    if limits is None:
        return None
    called = None if points is None else call_classes(probabilities, points, metadata.classes)
    # In float64, as single values are compared: a limit of the file may have no equal in float32.
    scores = confidence(probabilities, limits, called=called).astype(np.float64)
    is_sure = scores >= (np.inf if limits.sure is None else limits.sure)
    is_unknown = np.zeros(len(probabilities), np.bool_)
    if novelty is not None and limits.novelty is not None:
        is_unknown = novelty.astype(np.float64) > limits.novelty
    return [
        "unknown" if unknown else "sure" if sure else "unsure"
        for unknown, sure in zip(is_unknown.tolist(), is_sure.tolist(), strict=True)
    ]


def confidence(probabilities: Floats, limits: VerdictLimits, *, called: NDArray[np.bool_] | None = None) -> Floats:
    """Score how sure each answer is, (batch,), as the model's limits define it.

    Args:
        probabilities: (batch, classes) float.
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
    probabilities: NDArray[np.float32], metadata: ModelMetadata, *, called: NDArray[np.bool_]
) -> tuple[int, ...]:
    """The classes at or above the limit, falling; what the answer says alone where there is no limit."""
    limit = np.inf if metadata.verdict is None or metadata.verdict.candidate is None else metadata.verdict.candidate
    if not metadata.multi_label:  # the most probable class always is one
        called = say(probabilities[None], metadata)[0]
    return _falling(probabilities, find_all_candidates(probabilities, limit, called))


def _decision(probabilities: NDArray[np.float32], metadata: ModelMetadata) -> tuple[int, ...] | None:
    """The classes that an image is called at the operating point, the most probable first."""
    if metadata.operating_points is None:
        return None
    called = call_classes(probabilities[None], metadata.operating_points, metadata.classes)[0]
    return _falling(probabilities, called)


def _falling(probabilities: NDArray[np.float32], chosen: NDArray[np.bool_]) -> tuple[int, ...]:
    """Indexes of the chosen classes, the most probable first; ties in the model's order."""
    rows = np.flatnonzero(chosen)
    return tuple(rows[np.argsort(-probabilities[rows], kind="stable")].tolist())


def say(probabilities: Floats, metadata: ModelMetadata) -> NDArray[np.bool_]:
    """(batch, classes) bool: the most probable class of each image; where it may show several, what it is called.

    A model without thresholds of its own calls an image what it is more likely to show than not.

    Args:
        probabilities: (batch, classes) float.
    """
    if not metadata.multi_label:
        one_hot = np.zeros(probabilities.shape, np.bool_)
        one_hot[np.arange(len(probabilities)), probabilities.argmax(axis=1)] = True
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
