"""The limits behind `sure` and `candidates`, from answers about images that the model was not trained on."""

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.guarantees.promise import Promise
from vidi.metrics.arrays import Counts, Floats, Labels
from vidi.metrics.conformal import candidate_limit
from vidi.metrics.intervals import LEVEL
from vidi.metrics.novelty import novelty_limit
from vidi.metrics.selective import RANKINGS, Ranking, find_sure_limit, risk_coverage_curve
from vidi.model_file.limits import Basis, VerdictLimits

UNKNOWN_SHARES = (0.01, 0.02)  # of known images that may be called unknown: the first that there are images enough for
FEW_OF_A_CLASS = 10  # images: a fold less makes the class so much less known that out-of-fold novelty is too high
CLEARLY = 0.97  # times the area of the usual ranking: what lies nearer is chance


def find_limits(
    probabilities: Floats,
    labels: Labels,
    *,
    groups: Counts | None,
    promise: Promise,
    basis: Basis = "calibration",
    ranking: Ranking = "probability",
    novelty: Floats | None = None,
) -> VerdictLimits:
    """Find the limits that meet the guarantees, as far as these images can show it.

    Args:
        probabilities: (batch, classes) float, calibrated by a step that was fitted without the image.
        labels: (batch,) int; true class index.
        groups: (batch,) int; images of one group are not independent. Each its own, where None.
        promise: what to keep.
        basis: where the answers come from.
        ranking: what orders them by how sure they are.
        novelty: (images,) of images that were not used for training, these or others; None where the model cannot tell.
    """
    return limits_from(
        RANKINGS[ranking](probabilities),
        probabilities.argmax(axis=1) == labels,
        candidate_limit(probabilities, labels, coverage=promise.coverage, groups=groups),
        sizes=np.unique(labels, return_counts=True)[1],
        groups=groups,
        promise=promise,
        basis=basis,
        ranking=ranking,
        novelty=novelty,
    )


def limits_from(
    scores: Floats,
    is_right: NDArray[np.bool_],
    candidate: float | None,
    *,
    sizes: Counts,
    groups: Counts | None,
    promise: Promise,
    basis: Basis,
    ranking: Ranking,
    novelty: Floats | None,
) -> VerdictLimits:
    """Find the limits from the confidence and the correctness of each answer.

    Args:
        scores: (batch,) float; higher is surer.
        is_right: (batch,) bool.
        candidate: what a class must reach to be a candidate; None where the images are too few.
        sizes: (classes,) how many images each class has, of those that have any.
        groups: as of `find_limits`.
        promise: what to keep.
        basis: where the answers come from.
        ranking: what made the scores.
        novelty: as of `find_limits`.
    """
    unknown, share = limit_of_novelty(novelty, sizes, basis)
    sure = find_sure_limit(scores, is_right, max_error=promise.max_error, groups=groups)
    return VerdictLimits(
        basis=basis,
        image_count=len(is_right),
        ranking=ranking,
        max_error=promise.max_error,
        level=LEVEL,
        sure=None if sure is None else sure.threshold,
        sure_images=0 if sure is None else sure.image_count,
        sure_errors=0 if sure is None else sure.errors,
        error_bound=None if sure is None else sure.bound,
        coverage=promise.coverage,
        candidate=candidate,
        novelty=unknown,
        novelty_share=share,
    )


def limit_of_novelty(novelty: Floats | None, sizes: Counts, basis: Basis) -> tuple[float | None, float | None]:
    """Find the limit of novelty, and the share of known images beyond it: 1 %, or 2 % of few images.

    Args:
        novelty: (images,) of images that were not used for training; None where the model cannot tell.
        sizes: (classes,) how many images each class has, of those that have any.
        basis: where the answers come from. By folds, few images of a class make novelty too high by itself.
    """
    if novelty is None:
        return None, None
    is_high = basis == "out-of-fold" and (not len(sizes) or np.median(sizes) < FEW_OF_A_CLASS)
    for share in UNKNOWN_SHARES[1:] if is_high else UNKNOWN_SHARES:
        limit = novelty_limit(novelty, share=share)
        if limit is not None:
            return limit, share
    return None, None


def choose_ranking(probabilities: Floats, labels: Labels) -> Ranking:
    """Choose the score that ranks answers best; the top probability unless another is clearly better.

    Args:
        probabilities: (batch, classes) float, calibrated; of other images than the limits rest on.
        labels: (batch,) int; true class index.
    """
    is_right = probabilities.argmax(axis=1) == labels
    if not len(labels) or is_right.all():
        return "probability"
    curves = {name: risk_coverage_curve(rank(probabilities), is_right) for name, rank in RANKINGS.items()}
    areas = {name: curve.area for name, curve in curves.items() if curve is not None}
    best = min(areas, key=lambda name: areas[name])
    return best if areas[best] < CLEARLY * areas["probability"] else "probability"
