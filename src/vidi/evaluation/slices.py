"""The accuracy on parts of the test images: the small ones, the dark ones, those of one camera, source or column."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.answers import Answers, Traits
from vidi.evaluation.scores import ENOUGH_GROUPS, Estimate, effective_weights
from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.intervals import bootstrap_intervals, wilson_interval
from vidi.model_file.values import ROUND, key
from vidi.numbers import is_number

LEAST_IMAGES = 20  # in a slice and outside it; fewer say nothing
MOST_SLICES = 20  # of one column or the like, the largest; more are not kinds but names
CUTS = 4  # a number is cut into so many parts of equal count
LEAST_SPREAD = 1.1  # the largest number over the smallest: images that differ by less are of one size
SURE = 0.05  # how often a false alarm may be raised, over all slices together
LEAST_WORSE = 0.02  # points: a smaller difference is not worth a flag, however sure it is


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of the test images."""

    by: str  # what divides them: size, brightness, source, camera, or the name of a column
    name: str  # which part
    accuracy: Estimate
    others: Estimate  # the accuracy on all other test images
    chance: float = field(metadata=ROUND)  # that it fares so much worse by chance, with all slices counted
    is_worse: bool = field(metadata=key("worse"))


def evaluate_slices(answers: Answers, *, seed: int = 0) -> tuple[Slice, ...]:
    """Each slice with its accuracy, and whether it is clearly worse than the rest.

    Args:
        answers: about test images of classes that the model knows, with their traits.

    Returns:
        The slices, those of one division together; empty where nothing divides the images.
    """
    if answers.traits is None or len(answers.traits) < 2 * LEAST_IMAGES:
        return ()
    right = answers.is_right
    groups = answers.group_numbers
    found = [(by, name, inside) for by, name, inside in _divide(answers.traits, answers.truths)]
    chances = adjust_for_multiplicity([worse_by_chance(right, inside, groups) for _, _, inside in found])
    slices = []
    for (by, name, inside), chance in zip(found, chances.tolist(), strict=True):
        accuracy, others = (
            estimate_shares(right[side, None], groups[side], seed=seed)[0] for side in (inside, ~inside)
        )
        lost = (others.value or 0.0) - (accuracy.value or 0.0)
        slices.append(Slice(by, name, accuracy, others, chance, chance < SURE and lost >= LEAST_WORSE))
    return tuple(slices)


def _divide(traits: Sequence[Traits], truths: Sequence[str]) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Every slice that is large enough: what divides, which part, and (images,) bool."""
    sides = np.array([np.sqrt(one.size[0] * one.size[1]) for one in traits])
    yield from _by_number("size, pixels of the mean side", sides)
    yield from _by_number("brightness, of 255", np.array([one.brightness for one in traits]))
    yield from _by_kind("source", [one.source for one in traits], truths)
    yield from _by_kind("camera", [one.camera for one in traits], truths)
    tables = [dict(one.columns) for one in traits]
    for column in dict.fromkeys(name for table in tables for name in table):
        texts = [table.get(column, "") for table in tables]
        named = [text for text in texts if text]
        if len(set(named)) > CUTS and all(map(is_number, named)):
            yield from _by_number(column, np.array([float(text) if text else np.nan for text in texts]))
        else:
            yield from _by_kind(column, texts, truths)


def _by_number(by: str, values: NDArray[np.float64]) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Four parts of equal count where the values differ enough; equal values stay together."""
    known = values[~np.isnan(values)]
    if not len(known) or (known.min() > 0 and known.max() < LEAST_SPREAD * known.min()):
        return
    edges = np.unique(np.quantile(known, np.arange(1, CUTS) / CUTS, method="lower"))
    edges = edges[edges < known.max()]
    part = np.searchsorted(edges, values, side="left")
    for number in range(len(edges) + 1):
        inside = (part == number) & ~np.isnan(values)
        if _is_enough(inside):
            yield by, _range(edges, number), inside


def _range(edges: NDArray[np.float64], number: int) -> str:
    texts = [f"{edge:.3g}" if abs(edge) < 1_000 else f"{edge:,.0f}" for edge in edges.tolist()]
    if number == 0:
        return f"up to {texts[0]}"
    return f"over {texts[-1]}" if number == len(texts) else f"over {texts[number - 1]} to {texts[number]}"


def _by_kind(by: str, texts: Sequence[str], truths: Sequence[str]) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """One part for each text, unless the texts are but other names of the classes."""
    kinds = np.array(texts)
    names, counts = np.unique(kinds, return_counts=True)
    if len(names) < 2 or len(set(zip(texts, truths, strict=True))) == len(names) == len(set(truths)):
        return
    largest = names[np.argsort(-counts, kind="stable")[:MOST_SLICES]]
    for name in sorted(largest.tolist()):
        inside = kinds == name
        if _is_enough(inside):
            yield by, name or "not said", inside


def _is_enough(inside: NDArray[np.bool_]) -> bool:
    return min(int(inside.sum()), int((~inside).sum())) >= LEAST_IMAGES


def estimate_shares(hits: NDArray[np.bool_], groups: Counts, *, seed: int = 0) -> tuple[Estimate, ...]:
    """The share of True in each column: Wilson's interval, or by resampling where images belong together.

    Args:
        hits: (images, columns) bool.
        groups: (images,) int; images of one group stand or fall together.

    >>> estimate_shares(np.array([[True], [True], [False]]), np.arange(3))[0].as_json()
    {'value': 0.666667, 'low': 0.20766, 'high': 0.938508, 'n': 3}
    """
    count = len(hits)
    if not count:
        return tuple(Estimate(None, None, 0) for _ in hits.T)
    weights, group_counts = effective_weights(np.zeros(count, np.int64), groups, 1)
    weight, group_count = float(weights[0]), int(group_counts[0])
    intervals = [wilson_interval(weight * float(hit), weight * count) for hit in hits.sum(axis=0)]
    if ENOUGH_GROUPS <= group_count < count:
        values = hits.astype(np.float64)

        def shares(weights: Floats) -> Floats:
            drawn: Floats = weights @ values / weights.sum()
            return drawn

        drawn = bootstrap_intervals(shares, groups, random=np.random.default_rng([seed, 3])) or intervals
        # Where resampling shows no spread, as at 100 %, the closed form with the effective number is honest.
        intervals = [
            other if other is not None and other.low < other.high else one
            for one, other in zip(intervals, drawn, strict=True)
        ]
    return tuple(
        Estimate(float(share), interval, count) for share, interval in zip(hits.mean(axis=0), intervals, strict=True)
    )


def worse_by_chance(right: NDArray[np.bool_], inside: NDArray[np.bool_], groups: Counts) -> float:
    """p-value of a part of the images being worse than the rest if both were equally hard.

    Independent images: Fisher's exact test, one-sided. Where images belong together, whole groups count: the larger of
    Fisher's value with every group as so many images as it is worth, and of a t test with the spread between groups.

    Args:
        right: (images,) bool, whether each was classified correctly.
        inside: (images,) bool, which are in the part; there must be some inside and some outside.
        groups: (images,) int; images of one group stand or fall together.

    Source: Cameron, Gelbach and Miller 2008, Bootstrap-based improvements for inference with clustered errors, sec. 2.

    >>> right, inside = np.array([False] * 5 + [True] * 5), np.array([True] * 5 + [False] * 5)
    >>> round(worse_by_chance(right, inside, np.arange(10)), 6)
    0.003968
    """
    from scipy.stats import hypergeom, t

    (hits, count), (others_hits, others) = (_worth(right[side], groups[side]) for side in (inside, ~inside))
    exact = float(hypergeom.cdf(hits, count + others, hits + others_hits, count))
    if len(np.unique(groups)) == len(groups):
        return exact
    influence = np.where(
        inside, (right - right[inside].mean()) / inside.sum(), -(right - right[~inside].mean()) / (~inside).sum()
    )
    numbers = np.unique(groups, return_inverse=True)[1]
    spread = float(np.sqrt((np.bincount(numbers, weights=influence) ** 2).sum()))
    freedom = min(len(np.unique(groups[side])) for side in (inside, ~inside)) - 1
    if spread == 0 or freedom < 1:
        return exact
    difference = float(right[inside].mean() - right[~inside].mean())
    return max(exact, float(t.cdf(difference / spread, freedom)))


def _worth(right: NDArray[np.bool_], groups: Counts) -> tuple[int, int]:
    """How many images were right, of how many, in images that stand for themselves (Kish's effective number)."""
    sizes = np.unique(groups, return_counts=True)[1]
    units = len(right) ** 2 / float((sizes.astype(np.float64) ** 2).sum())
    return round(units * float(right.mean())), round(units)


def adjust_for_multiplicity(chances: Sequence[float]) -> Floats:
    """Chances made larger for how many were looked at: below 0.05 none of them is a false alarm, 95 times in 100.

    Args:
        chances: one for each look.

    Returns:
        (looks,) float, each between its chance and 1.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.

    >>> adjust_for_multiplicity([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(chances, np.float64)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, values[order] * np.arange(len(values), 0, -1)))
    return adjusted
