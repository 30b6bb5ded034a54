"""How good a model's answers probably are on images whose truth nobody knows."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.intervals import wilson_interval
from vidi.metrics.multi_label import probability_of_all
from vidi.metrics.outputs import SOFTMAX
from vidi.model_file.drift_reference import DriftReference, Histogram
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.values import key
from vidi.monitoring.traffic import ModelTraffic

Distrust = Literal["few", "novelty"]
Doubles = NDArray[np.float64]

LEAST = 50  # images: of fewer nothing is said
MOST_PARTS = 24  # of the traffic, for display
# How much farther the accuracy falls than the mean confidence, in log-odds. This and the next two were fitted on
# validation and calibration images under shifts that no bench measures on: see docs/decisions.
SLOPE = 1.5
METHOD_ERROR = 0.01  # standard deviation of the estimate where nothing has changed …
METHOD_SHARE = 0.5  # … to which a fall adds this share of itself
MOST_STRANGE = 0.03  # of the images beyond those that always are, from which on a new class is feared
DEVIATIONS = 1.96  # of a 95 % range


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyEstimate:
    """The share of answers that are probably right, and how far that can be relied on."""

    value: float | None  # None with fewer than 50 images
    low: float | None  # of the 95 % range: of the traffic's and the reference's images, and of the method itself
    high: float | None
    image_count: int = field(metadata=key("images"))
    confidence: float | None  # the mean probability of what was said: the estimate if nothing had changed
    reference: float | None  # the same of the reference's answers; None where the file does not say
    distrust: tuple[Distrust, ...]  # why the estimate cannot be trusted; empty where it can


def estimate_accuracy(traffic: ModelTraffic, metadata: ModelMetadata) -> AccuracyEstimate | None:
    """Estimate the share of right answers without labels.

    The mean probability of what was said is the accuracy as long as calibration holds. On changed images it falls less
    than the accuracy does, so its fall below the reference is enlarged.

    Returns:
        None where the model file has no reference.

    Source: Guillory et al. 2021, Predicting with confidence on unseen distributions (difference of confidences).
    """
    reference = metadata.drift_reference
    if reference is None:
        return None
    # Of several labels the reference holds the strongest probability alone, not how likely all of an answer is right.
    usual = mean_of(reference.confidence) if metadata.outputs == SOFTMAX else None
    count = len(traffic)
    if count < LEAST:
        return AccuracyEstimate(
            value=None, low=None, high=None, image_count=count, confidence=None, reference=usual, distrust=("few",)
        )
    confidence = float(_probability_of_said(traffic, metadata).mean())
    value = confidence if usual is None else enlarged_fall(confidence, usual)
    reach = DEVIATIONS * _standard_error(value, confidence if usual is None else usual, count, reference)
    return AccuracyEstimate(
        value=value,
        low=max(0.0, value - reach),
        high=min(1.0, value + reach),
        image_count=count,
        confidence=confidence,
        reference=usual,
        distrust=("novelty",) if _is_strange(traffic, metadata, reference) else (),
    )


def estimate_parts(traffic: ModelTraffic, metadata: ModelMetadata) -> list[tuple[int, AccuracyEstimate]]:
    """The estimates of up to 24 consecutive parts of the traffic, each with the row after it; for display only."""
    count = len(traffic)
    parts = min(MOST_PARTS, count // LEAST)
    ends = np.linspace(0, count, parts + 1).round().astype(int).tolist() if parts else [0]
    found = [(end, estimate_accuracy(traffic.only(np.arange(start, end)), metadata)) for start, end in pairwise(ends)]
    return [(end, one) for end, one in found if one is not None]


def enlarged_fall(confidence: float, usual: float) -> float:
    """The mean confidence with its fall below the usual one enlarged, in log-odds; a rise stays as it is.

    >>> round(enlarged_fall(0.8, 0.9), 3), enlarged_fall(0.9, 0.8)
    (0.727, 0.9)
    """
    if confidence >= usual:
        return confidence
    odds = _log_odds(usual) - SLOPE * (_log_odds(usual) - _log_odds(confidence))
    return float(1 / (1 + np.exp(-odds)))


def mean_of(histogram: Histogram) -> float:
    """The mean of a histogram's values, each taken as the middle of its bin.

    >>> mean_of(Histogram(edges=(0.0, 0.5, 1.0), counts=(1, 3)))
    0.625
    """
    edges: Doubles = np.array(histogram.edges)
    return float(np.average((edges[:-1] + edges[1:]) / 2, weights=histogram.counts))


def _probability_of_said(traffic: ModelTraffic, metadata: ModelMetadata) -> Doubles:
    """(images,): how likely each answer is right, by the model itself."""
    if metadata.outputs != SOFTMAX:
        return probability_of_all(traffic.probabilities, traffic.said)
    strongest: Doubles = traffic.probabilities.max(axis=1).astype(np.float64)
    return strongest


def _standard_error(value: float, usual: float, count: int, reference: DriftReference) -> float:
    """Of the traffic's images, of the reference's, and of the method."""
    images = value * (1 - value) / count + usual * (1 - usual) / max(1, reference.group_count)
    method = METHOD_ERROR + METHOD_SHARE * abs(value - usual)
    return float(np.sqrt(images + method**2))


def _is_strange(traffic: ModelTraffic, metadata: ModelMetadata, reference: DriftReference) -> bool:
    """Whether clearly more of the images are unlike the training images than usual."""
    limits = metadata.verdict
    if traffic.novelty is None or limits is None or limits.novelty is None:
        return False
    strange = wilson_interval(int((traffic.novelty > limits.novelty).sum()), len(traffic))
    usual = max(limits.novelty_share or 0.0, reference.verdicts["unknown"] / max(1, reference.answer_count))
    return strange is not None and strange.low > usual + MOST_STRANGE


def _log_odds(share: float) -> float:
    held = min(max(share, 1e-6), 1 - 1e-6)
    return float(np.log(held / (1 - held)))
