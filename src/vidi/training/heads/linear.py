"""Linear heads over features, fitted in one go, and the choice among them by cross-validation."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from vidi.machine import core_count
from vidi.metrics.arrays import SMALLEST_PROBABILITY
from vidi.metrics.calibration import best_temperature
from vidi.training.heads.directions import (
    SMALLEST_SPREAD,
    Covariance,
    feature_spread,
    in_fewer_directions,
    spanned,
)

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

USUAL_SPREAD = 10.0  # of an image's logits from lowest to highest
RIDGE_SCALE = 10.0  # its scores lie about 0 to 1
ABSENT_BELOW = 100.0  # how far a class without images lies below the others
HOPELESS = 1.15  # times the lowest log loss on the folds so far: tried no further …
HOPELESS_BY_MANY = 1.06  # … where these hold out so many images:
MANY_HELD_OUT = 200


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Logits are `features @ weight.T + bias`."""

    weight: Floats  # (classes, features)
    bias: Floats  # (classes,)

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """(batch, features) to (batch, classes)."""
        logits: Floats = features @ self.weight.T + self.bias
        return logits


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadTrial:
    """One kind of head at one strength, as cross-validation saw it."""

    kind: str
    strength: float
    sharpness: float  # what its logits are multiplied by
    log_loss: float  # NaN where no image could be held out
    accuracy: float  # the same


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenHead:
    """The head that did best on images that it had not seen, fitted on all of them.

    Where no image could be held out, it is the usual one: nothing was compared.
    """

    head: LinearHead
    best: HeadTrial  # its kind, strength and sharpness, and what cross-validation said
    trials: tuple[HeadTrial, ...]  # all that were tried to the end
    held_out: NDArray[np.int64]  # rows of the features that were held out once
    probabilities: NDArray[np.float32]  # (held out, classes), each by a head that had not seen the image


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """What heads are fitted to."""

    features: NDArray[np.floating]  # (images, features)
    labels: Labels  # (images,)
    weights: Floats  # (images,), how much each counts; 1 on average
    class_count: int  # heads answer about so many; what has no image here is never the answer
    width: int = 0  # features that there were before they were turned into fewer directions; 0 = as many as there are

    def at(self, chosen: NDArray[np.bool_]) -> "Examples":
        """Some of them, (images,) bool."""
        return replace(self, features=self.features[chosen], labels=self.labels[chosen], weights=self.weights[chosen])


def multinomial(known: Examples, strengths: Sequence[float]) -> list[LinearHead]:
    """Multinomial logistic regression under an L2 penalty of `strength` / images on the weights.

    Args:
        known: standardised features.

    Returns:
        A head for each strength.
    """
    from sklearn.linear_model import LogisticRegression

    features, labels, class_count = known.features, known.labels, known.class_count
    if (labels == labels[0]).all():  # nothing to tell apart
        nothing = LinearHead(np.zeros((1, features.shape[1])), np.zeros(1))
        return [_with_absent(nothing, labels[:1], class_count) for _ in strengths]
    places, directions = spanned(features)
    heads = []

    def fit(strength: float) -> LogisticRegression:
        model = LogisticRegression(C=1 / strength, max_iter=500, tol=1e-3)
        return model.fit(places, labels, sample_weight=known.weights)

    # Fits share nothing, and what takes long in them needs no interpreter; weak penalties take longest.
    with ThreadPoolExecutor(max(1, min(core_count(), len(strengths))), thread_name_prefix="vidi-head") as threads:
        models = dict(zip(sorted(strengths), threads.map(fit, sorted(strengths)), strict=True))
    for strength in strengths:
        model = models[strength]
        weight, bias = model.coef_ if directions is None else model.coef_ @ directions, model.intercept_
        if len(weight) == 1:  # of two classes scikit-learn keeps the difference
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        heads.append(_with_absent(LinearHead(weight, bias), model.classes_, class_count))
    return heads


def ridge(known: Examples, strengths: Sequence[float]) -> list[LinearHead]:
    """Least squares towards 1 for the true class and 0 for the others; arguments as of `multinomial`.

    Strengths are in units of the covariance's mean eigenvalue.
    """
    features, weights = known.features, known.weights
    present, codes = np.unique(known.labels, return_inverse=True)
    targets = np.eye(len(present))[codes]
    shares = weights / weights.sum()
    mean, mean_target = shares @ features, shares @ targets
    centred = (features - mean) * np.sqrt(shares)[:, None]
    covariance = Covariance(centred)
    mean_value = max(covariance.trace / (known.width or features.shape[1]), SMALLEST_SPREAD)
    towards = centred.T @ ((targets - mean_target) * np.sqrt(shares)[:, None])
    heads = []
    for strength in strengths:
        weight = covariance.solve(towards, least=strength * mean_value).T
        head = LinearHead(RIDGE_SCALE * weight, RIDGE_SCALE * (mean_target - weight @ mean))
        heads.append(_with_absent(head, present, known.class_count))
    return heads


def gaussian(known: Examples, strengths: Sequence[float]) -> list[LinearHead]:
    """Linear discriminant analysis: classes are Gaussians of one covariance, equally likely; as `multinomial`.

    The covariance is mixed with a round one in the share that `strength` says, 0 to 1.
    """
    features, weights = known.features, known.weights
    present, codes = np.unique(known.labels, return_inverse=True)
    members = np.eye(len(present))[codes] * weights[:, None]
    means = (members / members.sum(axis=0)).T @ features
    within = (features - means[codes]) * np.sqrt(weights / weights.sum())[:, None]
    covariance = Covariance(within)
    heads = []
    for strength in strengths:
        least = strength * max(covariance.trace / (known.width or features.shape[1]), SMALLEST_SPREAD)
        weight = covariance.solve(means.T, share=1 - strength, least=least).T
        head = LinearHead(weight, -0.5 * (weight * means).sum(axis=1))
        # In many dimensions these are far too sure: brought to the size of usual logits.
        scale = USUAL_SPREAD / max(float(np.ptp(head.logits(features), axis=1).mean()), SMALLEST_SPREAD)
        heads.append(_with_absent(LinearHead(scale * head.weight, scale * head.bias), present, known.class_count))
    return heads


def _with_absent(head: LinearHead, present: NDArray[np.int64], class_count: int) -> LinearHead:
    """The same head with rows for classes that had no image: they never have the highest logit."""
    weight = np.zeros((class_count, head.weight.shape[1]))
    bias = np.full(class_count, head.bias.min() - ABSENT_BELOW)
    weight[present], bias[present] = head.weight, head.bias
    return LinearHead(weight, bias)


FitHead = Callable[[Examples, Sequence[float]], list[LinearHead]]  # a head for each strength
HEADS: Mapping[str, tuple[FitHead, tuple[float, ...]]] = {
    "multinomial": (multinomial, (10_000.0, 1_000.0, 300.0, 100.0, 30.0, 10.0)),
    "ridge": (ridge, (10.0, 3.0, 1.0, 0.3, 0.1)),
    "gaussian": (gaussian, (0.97, 0.8, 0.5, 0.3, 0.1)),
}
# The kind and the strengths that win most often, for when there is no time for others.
QUICK: tuple[tuple[str, ...], tuple[float, ...]] = (("multinomial",), (300.0, 100.0))


def choose_head(
    features: NDArray[np.float32],
    labels: Labels,
    *,
    fold_of: NDArray[np.int64],
    class_count: int,
    weights: NDArray[np.floating] | None = None,
    kinds: Sequence[str] = (),
    strengths: Sequence[float] = (),
) -> ChosenHead:
    """The head and strength of least log loss on held-out images, fitted on all images; logits made honest in size.

    Args:
        features: (images, features) float32, as the network gives them.
        labels: (images,).
        fold_of: (images,) the fold in which each image is held out; -1 = in none.
        weights: (images,) how much each counts in the fit; None = 1.
        kinds: names in `HEADS` to try; none means all.
        strengths: to try for each kind; none means those of `HEADS`.
    """
    known = _examples(features.astype(np.float32), labels, weights, class_count=class_count)
    held_out = np.flatnonzero(fold_of >= 0)
    with threadpool_limits(1):  # more threads are slower here, up to sixteen times
        wanted = {kind: tuple(strengths) or HEADS[kind][1] for kind in kinds or HEADS}
        if len(held_out):
            logits = _held_out_logits(known, fold_of, wanted=wanted)
            judged = [_judge(raw[held_out], labels[held_out], *name) for name, raw in logits.items()]
        else:
            judged = [untested(*next(iter(wanted.items())), class_count=class_count)]
    return fit_best(judged, held_out, lambda best: _fit(known, best))


def untested(kind: str, strengths: Sequence[float], *, class_count: int) -> tuple[HeadTrial, Floats]:
    """Where nothing can be held out: a middling strength, and no answers."""
    middling = strengths[len(strengths) // 2]
    trial = HeadTrial(kind=kind, strength=middling, sharpness=1.0, log_loss=math.nan, accuracy=math.nan)
    return trial, np.zeros((0, class_count))


def fit_best(
    judged: Sequence[tuple[HeadTrial, Floats]], held_out: NDArray[np.int64], fit: Callable[[HeadTrial], LinearHead]
) -> ChosenHead:
    """The head of least log loss, fitted on all images.

    Args:
        judged: the trials with their probabilities (held out, classes), or the one of `untested`.
        held_out: rows of the features that were held out once.
    """
    best, probabilities = min(judged, key=lambda one: one[0].log_loss)
    return ChosenHead(
        head=fit(best),
        best=best,
        trials=tuple(trial for trial, _ in judged) if len(held_out) else (),
        held_out=held_out,
        probabilities=probabilities.astype(np.float32),
    )


def fit_one_head(
    features: NDArray[np.float32],
    labels: Labels,
    trial: HeadTrial,
    *,
    class_count: int,
    weights: NDArray[np.floating] | None = None,
) -> LinearHead:
    """The head of a trial's kind, strength and sharpness for these images; arguments as of `choose_head`."""
    return _fit(_examples(features, labels, weights, class_count=class_count), trial)


def _examples(
    features: NDArray[np.float32], labels: Labels, weights: NDArray[np.floating] | None, *, class_count: int
) -> Examples:
    each = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    return Examples(features, labels, each, class_count)


def _fit(known: Examples, trial: HeadTrial) -> LinearHead:
    """Features as the network gives them are standardised for the fit, which is folded back."""
    mean, spread = known.features.mean(axis=0), feature_spread(known.features)
    with threadpool_limits(1):
        fit, _ = HEADS[trial.kind]
        (head,) = fit(replace(known, features=(known.features - mean) / spread), (trial.strength,))
        weight = head.weight / spread
        bias = head.bias - weight @ mean
    return LinearHead(weight * trial.sharpness, bias * trial.sharpness)


def _held_out_logits(
    known: Examples, fold_of: NDArray[np.int64], *, wanted: Mapping[str, Sequence[float]]
) -> dict[tuple[str, float], Floats]:
    """For each kind and strength the logits (images, classes) by heads that had not seen the image.

    What some folds show to be hopeless is not tried on the others.
    """
    labels, logits = known.labels, dict[tuple[str, float], Floats]()
    known = replace(known, features=in_fewer_directions(known.features), width=known.features.shape[1])
    folds = np.unique(fold_of[fold_of >= 0])
    for number, fold in enumerate(folds):
        seen, unseen = fold_of != fold, fold_of == fold
        fitted = _fit_kinds(known.at(seen), wanted)
        for name, head in fitted.items():
            into = logits.setdefault(name, np.zeros((len(labels), known.class_count)))
            into[unseen] = head.logits(known.features[unseen])
        if number < len(folds) - 1:
            seen_once = np.isin(fold_of, folds[: number + 1])
            hopeful = _hopeful({name: raw[seen_once] for name, raw in logits.items()}, labels[seen_once])
            logits = {name: logits[name] for name in hopeful}
            chosen = {kind: tuple(strength for other, strength in hopeful if other == kind) for kind in wanted}
            wanted = {kind: strengths for kind, strengths in chosen.items() if strengths}
    return logits


def _fit_kinds(known: Examples, wanted: Mapping[str, Sequence[float]]) -> dict[tuple[str, float], LinearHead]:
    """Heads by kind and strength, the kinds side by side."""

    def fit(kind: str) -> list[LinearHead]:
        return HEADS[kind][0](known, wanted[kind])

    with ThreadPoolExecutor(max(1, len(wanted)), thread_name_prefix="vidi-head") as threads:
        heads = dict(zip(wanted, threads.map(fit, wanted), strict=True))
    return {
        (kind, strength): head
        for kind, strengths in wanted.items()
        for strength, head in zip(strengths, heads[kind], strict=True)
    }


def _hopeful(logits: Mapping[tuple[str, float], Floats], labels: Labels) -> list[tuple[str, float]]:
    """The kinds and strengths that may still turn out the best, by logits for images held out."""
    losses = {name: _judge(raw, labels, *name)[0].log_loss for name, raw in logits.items()}
    times = HOPELESS if len(labels) < MANY_HELD_OUT else HOPELESS_BY_MANY
    return [name for name, loss in losses.items() if loss <= times * min(losses.values())]


def _judge(logits: Floats, labels: Labels, kind: str, strength: float) -> tuple[HeadTrial, Floats]:
    """Held-out logits at the sharpness that suits them best: only a multinomial's are log probabilities by birth."""
    sharpness = 1 / best_temperature(np.exp(log_softmax(logits, axis=1)), labels)
    probabilities: Floats = np.exp(log_softmax(logits * sharpness, axis=1))
    truth = np.maximum(probabilities[np.arange(len(labels)), labels], SMALLEST_PROBABILITY)
    trial = HeadTrial(
        kind=kind,
        strength=strength,
        sharpness=sharpness,
        log_loss=float(-np.log(truth).mean()),
        accuracy=float((probabilities.argmax(axis=1) == labels).mean()),
    )
    return trial, probabilities
