"""Answers that a model may be held to: which ones it gives for sure, and how often these are wrong at most."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.arrays import SMALLEST_PROBABILITY, Counts, Floats, check_same_length
from vidi.metrics.calibration import log_probabilities
from vidi.metrics.intervals import LEVEL

Ranking = Literal["probability", "margin", "normalised-logit", "all-classes"]

MAX_ERROR = 0.05  # of the sure answers, unless the user says otherwise
FIRST_SHARE = 0.25  # of the images, the most confident ones, with which the search for the limit begins
STEP = 1.02  # how many times as many images each further try takes in


@dataclass(frozen=True, slots=True)
class SureLimit:
    """The score from which on answers are sure, and what was seen of them."""

    threshold: float
    image_count: int  # calibration images at or above it
    errors: int  # wrong answers among these
    bound: float  # their true share lies below this, at the level that was asked for


@dataclass(frozen=True, slots=True)
class RiskCoverageCurve:
    """How often answers are wrong if only the most confident ones are given; one point for each image."""

    coverage: Floats  # (points,) share of the images that get an answer, rising to 1
    risk: Floats  # (points,) share of these answers that are wrong

    @property
    def area(self) -> float:
        """The mean risk over all coverages: lower is better."""
        return float(self.risk.mean())


def error_bound(errors: float, count: int) -> float:
    """What the true share of errors does not exceed, exactly at the 95 % level (one-sided).

    Args:
        errors: as counted; a fraction where images are not independent.
        count: of so many answers, at least 1.

    Source: Clopper and Pearson 1934, The use of confidence or fiducial limits.

    >>> round(error_bound(0, 59), 4), round(error_bound(0, 58), 4)
    (0.0495, 0.0503)
    """
    from scipy.special import betaincinv

    return 1.0 if errors >= count else float(betaincinv(errors + 1, count - errors, LEVEL))


def images_for_error(max_error: float, *, level: float = LEVEL) -> int:
    """How many answers without an error it takes to promise that at most this share is wrong.

    >>> images_for_error(0.05)
    59
    """
    return math.ceil(math.log(1 - level) / math.log(1 - max_error))


def find_sure_limit(
    scores: Floats,
    is_right: NDArray[np.bool_],
    *,
    max_error: float = MAX_ERROR,
    groups: Counts | None = None,
    first: int | None = None,
) -> SureLimit | None:
    """The lowest score from which on at most `max_error` of the answers are wrong, at the 95 % level.

    The most confident quarter of the answers is tested first, then ever more of them, until the bound fails: tests in
    an order that was fixed beforehand, ended at the first failure, need no correction for their number.

    Args:
        scores: (batch,) float; higher is more confident. Of images that the model was not trained on.
        is_right: (batch,) bool.
        max_error: of the answers at or above the limit.
        groups: (batch,) int; images of one group stand or fall together, so their share of errors counts as if it
            came from as many images as there are groups. Each image its own, where left out.
        first: with how many of the most confident answers the tests begin; fixed without a look at `is_right`. A
            quarter of all where left out; more where so few could certify nothing.

    Returns:
        None where no limit can be certified.

    Raises:
        ShapeError: the two arrays do not describe the same images.

    Source: Angelopoulos, Bates, Candes, Jordan and Lei 2021, Learn then test, section 4 (fixed-sequence testing).
    """
    check_same_length(scores, is_right)
    order = np.argsort(-scores, kind="stable")
    falling, wrong = scores[order], np.cumsum(~is_right[order])
    units = _running_groups(order if groups is None else groups[order])
    enough = int(np.searchsorted(units, images_for_error(max_error))) + 1
    size = max(enough, math.ceil(FIRST_SHARE * len(scores)) if first is None else first)
    found = None
    while size <= len(scores):
        # Equal scores stand or fall together: all of them are taken in.
        count = int(np.searchsorted(-falling, -falling[size - 1], side="right"))
        errors, independent = int(wrong[count - 1]), int(units[count - 1])
        bound = error_bound(errors * independent / count, independent)
        if bound > max_error:
            break
        found = SureLimit(float(falling[count - 1]), count, errors, bound)
        if count == len(scores):
            break
        size = min(len(scores), max(count + 1, math.ceil(STEP * count)))
    return found


def _running_groups(groups: Counts) -> Counts:
    """(images,) how many different groups there are up to each image."""
    is_new = np.zeros(len(groups), np.int64)
    is_new[np.unique(groups, return_index=True)[1]] = 1
    return np.cumsum(is_new)


def risk_coverage_curve(scores: Floats, is_right: NDArray[np.bool_]) -> RiskCoverageCurve | None:
    """What is given up and gained by answering only where the score is high; None without images.

    Images of equal score are taken in together: their risk is that of all of them.

    Args:
        scores: (batch,) float; higher is more confident.
        is_right: (batch,) bool.

    Raises:
        ShapeError: the two arrays do not describe the same images.

    Source: El-Yaniv and Wiener 2010, On the foundations of noise-free selective classification.

    >>> curve = risk_coverage_curve(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True]))
    >>> curve.risk.round(2).tolist(), round(curve.area, 3)
    ([0.0, 0.0, 0.33, 0.25], 0.146)
    """
    check_same_length(scores, is_right)
    if not len(scores):
        return None
    order = np.argsort(-scores, kind="stable")
    falling, wrong = scores[order], np.cumsum(~is_right[order])
    last = np.searchsorted(-falling, -falling, side="right")  # how many score at least as much
    return RiskCoverageCurve(
        coverage=np.arange(1, len(scores) + 1) / len(scores), risk=(wrong[last - 1] / last).astype(np.float64)
    )


def top_probability(probabilities: Floats) -> Floats:
    """(batch, classes) to (batch,): the greatest."""
    top: Floats = probabilities.max(axis=1)
    return top


def margin(probabilities: Floats) -> Floats:
    """(batch, classes) to (batch,): by how much the greatest exceeds the second.

    >>> margin(np.array([[0.6, 0.3, 0.1]])).round(2).tolist()
    [0.3]
    """
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    above: Floats = two[:, 1] - two[:, 0]
    return above


def normalised_logit(probabilities: Floats) -> Floats:
    """(batch, classes) to (batch,): the greatest logit in units of the root of the mean square of all.

    Logarithms stand for logits: both are taken from their mean over the classes first.

    Source: Cattelan and Silva 2024, How to fix a broken confidence estimator (MaxLogit with p-norm, p = 2).
    """
    logits = log_probabilities(probabilities)
    logits -= logits.mean(axis=1, keepdims=True)
    size = np.sqrt((logits**2).mean(axis=1))
    scores: Floats = logits.max(axis=1) / np.maximum(size, SMALLEST_PROBABILITY)
    return scores


# What ranks answers of one class by confidence, by the name that stands in a model's metadata. Of several classes it is
# `vidi.metrics.multi_label.probability_of_all`, which needs to know what was said.
RANKINGS: Mapping[Ranking, Callable[[Floats], Floats]] = {
    "probability": top_probability,
    "margin": margin,
    "normalised-logit": normalised_logit,
}
