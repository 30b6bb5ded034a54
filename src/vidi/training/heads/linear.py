"""Linear heads over features, fitted in one go, and the choice among them by cross-validation."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from vidi.metrics.arrays import SMALLEST_PROBABILITY
from vidi.metrics.components import principal_axes
from vidi.metrics.temperature import best_temperature

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

SMALLEST_SPREAD = 1e-6  # of a feature that is the same in all images
IMAGES_FOR_SPREAD = 1_000  # the spread of all features together counts as so many images in that of each
USUAL_SPREAD = 10.0  # of an image's logits from lowest to highest
RIDGE_SCALE = 10.0  # its scores lie about 0 to 1
ABSENT_BELOW = 100.0  # how far a class without images lies below the others
RANK_TOLERANCE = 1e-10  # of the largest eigenvalue: smaller ones are 0 but for rounding
HOPELESS = 1.15  # times the lowest log loss of the first fold: tried no further


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


def multinomial(
    features: NDArray[np.floating], labels: Labels, weights: Floats, class_count: int, strengths: Sequence[float]
) -> list[LinearHead]:
    """Multinomial logistic regression under an L2 penalty of `strength` / images on the weights.

    Args:
        features: (images, features), standardised.
        labels: (images,).
        weights: (images,), how much each counts; 1 on average.
        class_count: heads answer about so many; what has no image here is never the answer.
        strengths: of the penalty.

    Returns:
        A head for each strength.
    """
    from sklearn.linear_model import LogisticRegression

    if (labels == labels[0]).all():  # nothing to tell apart
        nothing = LinearHead(np.zeros((1, features.shape[1])), np.zeros(1))
        return [_with_absent(nothing, labels[:1], class_count) for _ in strengths]
    places, directions = _spanned(features)
    heads = []
    for strength in strengths:
        model = LogisticRegression(C=1 / strength, max_iter=500, tol=1e-3)
        model.fit(places, labels, sample_weight=weights)
        weight, bias = model.coef_ if directions is None else model.coef_ @ directions, model.intercept_
        if len(weight) == 1:  # of two classes scikit-learn keeps the difference
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        heads.append(_with_absent(LinearHead(weight, bias), model.classes_, class_count))
    return heads


def _spanned(features: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating] | None]:
    """The features in as many directions as there are images, where these are fewer than the features.

    A penalty on the squares of the weights leaves them in the space that the images span, so that the fit is the same
    there, and takes a part of the time.

    Returns:
        (images, directions), and the directions (directions, features); None where the features are as they were.
    """
    if len(features) >= features.shape[1]:
        return features, None
    axes = principal_axes(features, len(features)).astype(features.dtype)
    return features @ axes, axes.T


def ridge(
    features: Floats, labels: Labels, weights: Floats, class_count: int, strengths: Sequence[float]
) -> list[LinearHead]:
    """Least squares towards 1 for the true class and 0 for the others; arguments as of `multinomial`.

    One decomposition of the covariance serves every strength, which is in units of its mean eigenvalue.
    """
    present, codes = np.unique(labels, return_inverse=True)
    targets = np.eye(len(present))[codes]
    shares = weights / weights.sum()
    mean, mean_target = shares @ features, shares @ targets
    centred = (features - mean) * np.sqrt(shares)[:, None]
    values, vectors = _directions(centred)
    mean_value = max(values.sum() / features.shape[1], SMALLEST_SPREAD)
    towards = vectors.T @ (centred.T @ ((targets - mean_target) * np.sqrt(shares)[:, None]))
    heads = []
    for strength in strengths:
        weight = (vectors @ (towards / (np.maximum(values, 0) + strength * mean_value)[:, None])).T
        head = LinearHead(RIDGE_SCALE * weight, RIDGE_SCALE * (mean_target - weight @ mean))
        heads.append(_with_absent(head, present, class_count))
    return heads


def gaussian(
    features: Floats, labels: Labels, weights: Floats, class_count: int, strengths: Sequence[float]
) -> list[LinearHead]:
    """Linear discriminant analysis: classes are Gaussians of one covariance, equally likely; as `multinomial`.

    The covariance is mixed with a round one in the share that `strength` says, 0 to 1.
    """
    present, codes = np.unique(labels, return_inverse=True)
    members = np.eye(len(present))[codes] * weights[:, None]
    means = (members / members.sum(axis=0)).T @ features
    within = (features - means[codes]) * np.sqrt(weights / weights.sum())[:, None]
    values, vectors = _directions(within)
    seen = means @ vectors
    unseen = means - seen @ vectors.T  # in directions in which no image differs from its class's mean
    heads = []
    for strength in strengths:
        least = strength * max(values.sum() / features.shape[1], SMALLEST_SPREAD)
        spread = (1 - strength) * np.maximum(values, 0) + least
        distances = (seen**2 / spread).sum(axis=1) + (unseen**2).sum(axis=1) / least
        head = LinearHead((seen / spread) @ vectors.T + unseen / least, -0.5 * distances)
        # In many dimensions these are far too sure: brought to the size of usual logits.
        scale = USUAL_SPREAD / max(float(np.ptp(head.logits(features), axis=1).mean()), SMALLEST_SPREAD)
        heads.append(_with_absent(LinearHead(scale * head.weight, scale * head.bias), present, class_count))
    return heads


def _directions(centred: Floats) -> tuple[Floats, Floats]:
    """The eigenvalues of `centred.T @ centred` and their directions (features, values).

    Where images are fewer than features, all other eigenvalues are 0 and are left out: the products of the images with
    one another hold the same, in a fraction of the time.
    """
    count, width = centred.shape
    values, vectors = np.linalg.eigh(centred @ centred.T if count < width else centred.T @ centred)
    if count >= width:
        return values, vectors
    is_kept = values > RANK_TOLERANCE * values[-1]
    directions: Floats = centred.T @ (vectors[:, is_kept] / np.sqrt(values[is_kept]))
    return values[is_kept], directions


def _with_absent(head: LinearHead, present: NDArray[np.int64], class_count: int) -> LinearHead:
    """The same head with rows for classes that had no image: they never have the highest logit."""
    weight = np.zeros((class_count, head.weight.shape[1]))
    bias = np.full(class_count, head.bias.min() - ABSENT_BELOW)
    weight[present], bias[present] = head.weight, head.bias
    return LinearHead(weight, bias)


Fit = Callable[[Floats, Labels, Floats, int, Sequence[float]], list[LinearHead]]
HEADS: Mapping[str, tuple[Fit, tuple[float, ...]]] = {
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
        class_count: number of classes.
        weights: (images,) how much each counts in the fit; None = 1.
        kinds: names in `HEADS` to try; none means all.
        strengths: to try for each kind; none means those of `HEADS`.
    """
    values = features.astype(np.float32)
    each = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    with threadpool_limits(1):  # more threads are slower here, up to sixteen times
        wanted = {kind: tuple(strengths) or HEADS[kind][1] for kind in kinds or HEADS}
        if not (fold_of >= 0).any():
            return _usual_head(values, labels, wanted, class_count=class_count, weights=each)
        logits = _held_out_logits(values, labels, fold_of, class_count=class_count, weights=each, wanted=wanted)
        held_out = np.flatnonzero(fold_of >= 0)
        judged = [_judge(raw[held_out], labels[held_out], *name) for name, raw in logits.items()]
        best, probabilities = min(judged, key=lambda one: one[0].log_loss)
    return ChosenHead(
        head=fit_one_head(values, labels, best, class_count=class_count, weights=each),
        best=best,
        trials=tuple(trial for trial, _ in judged),
        held_out=held_out,
        probabilities=probabilities.astype(np.float32),
    )


def _usual_head(
    features: NDArray[np.float32],
    labels: Labels,
    wanted: Mapping[str, Sequence[float]],
    *,
    class_count: int,
    weights: Floats,
) -> ChosenHead:
    """Where nothing can be held out: of the kinds that are wanted the first, at a middling strength."""
    kind, strengths = next(iter(wanted.items()))
    best = HeadTrial(
        kind=kind, strength=strengths[len(strengths) // 2], sharpness=1.0, log_loss=math.nan, accuracy=math.nan
    )
    return ChosenHead(
        head=fit_one_head(features, labels, best, class_count=class_count, weights=weights),
        best=best,
        trials=(),
        held_out=np.zeros(0, np.int64),
        probabilities=np.zeros((0, class_count), np.float32),
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
    each = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    with threadpool_limits(1):
        (head,) = fit_heads(features, labels, trial.kind, (trial.strength,), class_count=class_count, weights=each)
    return LinearHead(head.weight * trial.sharpness, head.bias * trial.sharpness)


def _held_out_logits(
    features: NDArray[np.float32],
    labels: Labels,
    fold_of: NDArray[np.int64],
    *,
    class_count: int,
    weights: Floats,
    wanted: Mapping[str, Sequence[float]],
) -> dict[tuple[str, float], Floats]:
    """For each kind and strength the logits (images, classes) by heads that had not seen the image.

    What the first fold shows to be hopeless is not tried on the others.
    """
    logits: dict[tuple[str, float], Floats] = {}
    for number, fold in enumerate(np.unique(fold_of[fold_of >= 0])):
        seen, unseen = fold_of != fold, fold_of == fold
        for kind, strengths in wanted.items():
            heads = fit_heads(
                features[seen], labels[seen], kind, strengths, class_count=class_count, weights=weights[seen]
            )
            for strength, head in zip(strengths, heads, strict=True):
                into = logits.setdefault((kind, strength), np.zeros((len(labels), class_count)))
                into[unseen] = head.logits(features[unseen])
        if number == 0:
            losses = {name: _judge(raw[unseen], labels[unseen], *name)[0].log_loss for name, raw in logits.items()}
            hopeful = [name for name, loss in losses.items() if loss <= HOPELESS * min(losses.values())]
            logits = {name: logits[name] for name in hopeful}
            chosen = {kind: tuple(strength for other, strength in hopeful if other == kind) for kind in wanted}
            wanted = {kind: strengths for kind, strengths in chosen.items() if strengths}
    return logits


def feature_spread(features: NDArray[np.floating]) -> NDArray[np.floating]:
    """(features,) what each is divided by: its standard deviation, drawn towards that of all where images are few.

    A few images do not tell which of a thousand features is a quiet one; dividing by such guesses makes noise loud.
    """
    each, count = features.var(axis=0), len(features)
    drawn = (count * each + IMAGES_FOR_SPREAD * each.mean()) / (count + IMAGES_FOR_SPREAD)
    spread: NDArray[np.floating] = np.sqrt(drawn) + SMALLEST_SPREAD
    return spread


def fit_heads(
    features: NDArray[np.floating],
    labels: Labels,
    kind: str,
    strengths: Sequence[float],
    *,
    class_count: int,
    weights: Floats,
) -> list[LinearHead]:
    """Heads of one kind for features as the network gives them: standardised for the fit, and folded back."""
    fit, _ = HEADS[kind]
    mean, spread = features.mean(axis=0), feature_spread(features)
    heads = fit((features - mean) / spread, labels, weights, class_count, strengths)
    scaled = [head.weight / spread for head in heads]
    return [LinearHead(weight, head.bias - weight @ mean) for weight, head in zip(scaled, heads, strict=True)]


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
