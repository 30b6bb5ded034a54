"""Rounds of labelling: choose some images, learn their labels, fit the head again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench.choosing.features import Floats, ImageSet, Labels, Part
from vidi.labelling import choose_images
from vidi.metrics.outputs import SOFTMAX
from vidi.training.heads.linear import Examples, multinomial

STRENGTH = 100.0  # of the head's penalty, as `vidi train` takes it where it tries none
FOLDS = 5  # ActiveLab weighs the model by its answers about images that it has not seen


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningRound:
    """What a choice may look at."""

    pool: Part
    labelled: NDArray[np.int64]  # rows of the pool whose labels are known
    left: NDArray[np.int64]  # the others
    probabilities: Floats  # (left, classes)
    class_count: int
    step: int  # how many will be labelled
    random: np.random.Generator


Choose = Callable[[MiningRound], NDArray[np.int64]]  # places in `left`, the first to be labelled first


def at_random(now: MiningRound) -> NDArray[np.int64]:
    """Any images."""
    return now.random.permutation(len(now.left))


def by_vidi(now: MiningRound) -> NDArray[np.int64]:
    """As `vidi review` orders them."""
    return choose_images(now.probabilities, embeddings=now.pool.places[now.left], most=now.step)


def by_activelab(now: MiningRound) -> NDArray[np.int64]:
    """Lowest scores of cleanlab's ActiveLab first; images that have a label are not asked about again.

    The labels here are the truth, so that a second one would be wasted.
    """
    from cleanlab.multiannotator import get_active_learning_scores

    labels = now.pool.labels[now.labelled]
    held_out = np.zeros((len(labels), now.class_count), np.float32)
    fold = now.random.permutation(len(labels)) % FOLDS
    for number in range(FOLDS):
        inside = fold != number
        held_out[~inside] = fit(now.pool.features[now.labelled[inside]], labels[inside], now.class_count)(
            now.pool.features[now.labelled[~inside]]
        )
    _, scores = get_active_learning_scores(labels[:, None], held_out, now.probabilities)
    return np.argsort(scores, kind="stable")


STRATEGIES: Mapping[str, Choose] = {"random": at_random, "vidi": by_vidi, "ActiveLab": by_activelab}


def fit(
    features: Floats, labels: Labels, class_count: int, *, weights: NDArray[np.float64] | None = None
) -> Callable[[Floats], Floats]:
    """A head on features, of which each row may count as several; it gives probabilities."""
    each = np.ones(len(labels)) if weights is None else weights
    with threadpool_limits(1):  # small products: a second thread costs more than it brings
        (head,) = multinomial(Examples(features, labels, each, class_count), [STRENGTH])
    return lambda rows: np.asarray(SOFTMAX.probabilities(head.logits(rows)), np.float32)


def curve(
    images: ImageSet, scored: Part, choose: Choose, *, start: int, step: int, most: int, seed: int
) -> list[float]:
    """Accuracy on a part after each round, from `start` labels drawn at random to `most`.

    Args:
        images: the pool.
        scored: the part.
        choose: which images are labelled next.
        start: labels at the beginning, the same for every choice of a seed.
        step: labels given in each round.
        most: labels at the end.
        seed: of the beginning and of random choices.
    """
    labelled = np.random.default_rng([seed, 0]).permutation(len(images.pool.labels))[:start]
    random = np.random.default_rng([seed, 1])
    found = []
    while True:
        answer = fit(images.pool.features[labelled], images.pool.labels[labelled], images.class_count)
        found.append(float((answer(scored.features).argmax(axis=1) == scored.labels).mean()))
        if len(labelled) >= most:
            return found
        left = np.setdiff1d(np.arange(len(images.pool.labels)), labelled)
        now = MiningRound(
            pool=images.pool,
            labelled=labelled,
            left=left,
            probabilities=answer(images.pool.features[left]),
            class_count=images.class_count,
            step=step,
            random=random,
        )
        labelled = np.concatenate([labelled, left[choose(now)[: min(step, most - len(labelled))]]])
