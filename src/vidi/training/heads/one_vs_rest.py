"""Heads for images that may show several classes: each class against the rest, by logistic regression."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits

from vidi.metrics.multi_label import binary_log_losses
from vidi.training.heads.directions import feature_spread
from vidi.training.heads.linear import HOPELESS, ChosenHead, HeadTrial, LinearHead, fit_best, untested

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

KIND = "one-vs-rest"
STRENGTHS = (3_000.0, 1_000.0, 300.0, 100.0, 30.0, 10.0)
QUICK_STRENGTHS = (300.0, 100.0)
MOST_STEPS = 300


def fit_one_vs_rest(
    features: NDArray[np.floating], targets: Mask, weights: Floats, strengths: Sequence[float]
) -> list[LinearHead]:
    """Logistic regression of every class at once, under an L2 penalty of `strength` / images on the weights.

    Args:
        features: (images, features), as the network gives them.
        targets: (images, classes) bool.
        weights: (images,), how much each counts.
        strengths: of the penalty, falling: each fit begins where the one before it ended.

    Returns:
        A head for each strength.
    """
    mean, spread = features.mean(axis=0), feature_spread(features)
    values = (features - mean) / spread
    truth = targets.astype(np.float64)
    # Smoothed shares, so that a class that all or none of the images show begins, and stays, at something finite.
    shares = (weights @ truth + 0.5) / (weights.sum() + 1)
    numbers = np.concatenate([np.zeros((truth.shape[1], values.shape[1])), np.log(shares / (1 - shares))[:, None]], 1)
    shape = numbers.shape
    heads = []
    for strength in strengths:

        def loss(flat: Floats, strength: float = strength) -> tuple[float, Floats]:
            weight, bias = flat.reshape(shape)[:, :-1], flat.reshape(shape)[:, -1]
            logits = values @ weight.T + bias
            total = weights @ (np.logaddexp(0, logits) - truth * logits).sum(axis=1)
            errors = (expit(logits) - truth) * weights[:, None]
            # The bias is held a little, too: a class without an image would drive it to infinity.
            slope = np.concatenate([errors.T @ values + strength * weight, errors.sum(axis=0)[:, None]], axis=1)
            return float(total + strength * (weight**2).sum() / 2), slope.ravel()

        numbers = minimize(
            loss, numbers.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": MOST_STEPS}
        ).x.reshape(shape)
        scaled = numbers[:, :-1] / spread
        heads.append(LinearHead(scaled, numbers[:, -1] - scaled @ mean))
    return heads


def choose_one_vs_rest(
    features: NDArray[np.float32],
    targets: Mask,
    *,
    fold_of: NDArray[np.int64],
    weights: NDArray[np.floating] | None = None,
    strengths: Sequence[float] = (),
) -> ChosenHead:
    """The strength of least log loss on held-out images, and its head fitted on all images.

    Args:
        features: (images, features) float32, as the network gives them.
        targets: (images, classes) bool.
        fold_of: (images,) the fold in which each image is held out; -1 = in none.
        weights: (images,) how much each counts in the fit; None = 1.
        strengths: to try; none means the usual ones.
    """
    each = np.ones(len(targets)) if weights is None else np.asarray(weights, np.float64)
    wanted = tuple(sorted(strengths or STRENGTHS, reverse=True))
    held_out = np.flatnonzero(fold_of >= 0)
    with threadpool_limits(1):
        if len(held_out):
            answers = _held_out(features, targets, fold_of, weights=each, wanted=wanted)
            judged = [
                (_trial(strength, given[held_out], targets[held_out]), given[held_out])
                for strength, given in answers.items()
            ]
        else:
            judged = [untested(KIND, wanted, class_count=targets.shape[1])]
        return fit_best(judged, held_out, lambda best: fit_one_vs_rest(features, targets, each, (best.strength,))[0])


def _held_out(
    features: NDArray[np.float32],
    targets: Mask,
    fold_of: NDArray[np.int64],
    *,
    weights: Floats,
    wanted: Sequence[float],
) -> Mapping[float, Floats]:
    """For each strength the probabilities by heads that had not seen the image; the hopeless are left early."""
    answers: dict[float, Floats] = {}
    for number, fold in enumerate(np.unique(fold_of[fold_of >= 0])):
        seen, unseen = fold_of != fold, fold_of == fold
        heads = fit_one_vs_rest(features[seen], targets[seen], weights[seen], wanted)
        for strength, head in zip(wanted, heads, strict=True):
            into = answers.setdefault(strength, np.zeros(targets.shape))
            into[unseen] = expit(head.logits(features[unseen]))
        if number == 0:
            losses = {one: binary_log_losses(given[unseen], targets[unseen]).mean() for one, given in answers.items()}
            wanted = [one for one in wanted if losses[one] <= HOPELESS * min(losses.values())]
            answers = {one: answers[one] for one in wanted}
    return answers


def _trial(strength: float, probabilities: Floats, targets: Mask) -> HeadTrial:
    return HeadTrial(
        kind=KIND,
        strength=strength,
        sharpness=1.0,
        log_loss=float(binary_log_losses(probabilities, targets).mean()),
        accuracy=float(((probabilities >= 0.5) == targets).all(axis=1).mean()),
    )
