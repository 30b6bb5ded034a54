"""Whether test and training images come from one source: held-out figures beside the test's, and their features."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.guarantees.refuted import HeldGuarantee, choose_refuted
from vidi.evaluation.sections import FeatureSeparation, ImageShare, PartComparison, SharesOfClass
from vidi.files import escape_path
from vidi.groups import number_groups
from vidi.metrics.arrays import Counts, Floats, check_same_length
from vidi.metrics.components import principal_axes
from vidi.metrics.intervals import shown_together
from vidi.metrics.operating import Mask

Flags = NDArray[np.bool_]

DRAWS = 1_999  # of the groups' parts, where images hang together
MOST_DRAWN = 20_000_000  # draws x groups at a time
NEGLIGIBLE = 1e-13  # outcomes less likely than this are not followed up


def lower_by_chance(
    is_correct: Flags, is_second: Flags, *, strata: Counts, groups: Counts, random: np.random.Generator
) -> float:
    """How often chance alone leaves the second set so few correct answers, where both come from one source.

    Images are compared within their stratum only, so that another mixture of classes explains nothing. Of independent
    images the p-value is exact: the correct answers of each stratum are assigned to the two sets at random, as in
    Fisher's test, and summed. If images belong together, whole groups are assigned within the stratum of most of their
    images.

    Args:
        is_correct: (images,) bool.
        is_second: (images,) bool: which set each image is of.
        strata: (images,) int: their classes.
        groups: (images,) int; images of one group stand or fall together.

    Returns:
        A one-sided p-value; 1 where nothing can be compared.

    Source: Cox 1970, Analysis of binary data, section 5.3 (exact test of a common odds ratio in several 2 x 2 tables).

    >>> second = np.array([False] * 4 + [True] * 4)
    >>> nothing = np.zeros(8, np.int64)
    >>> round(lower_by_chance(~second, second, strata=nothing, groups=np.arange(8), random=np.random.default_rng(0)), 4)
    0.0143
    """
    check_same_length(is_correct, is_second)
    if len(np.unique(groups)) == len(groups):
        return _exact(is_correct, is_second, strata)
    return _by_groups(is_correct, is_second, strata, groups, random)


def _exact(is_correct: Flags, is_second: Flags, strata: Counts) -> float:
    from scipy.stats import hypergeom

    chances, least, seen = np.ones(1), 0, 0
    for stratum in np.unique(strata).tolist():
        rows = strata == stratum
        count, correct, second = int(rows.sum()), int(is_correct[rows].sum()), int(is_second[rows].sum())
        lowest, highest = max(0, correct + second - count), min(correct, second)
        seen += int((is_correct & is_second & rows).sum())
        chances = np.convolve(chances, hypergeom(count, correct, second).pmf(np.arange(lowest, highest + 1)))
        kept = np.flatnonzero(chances > NEGLIGIBLE)
        least += lowest + int(kept[0])
        chances = chances[kept[0] : kept[-1] + 1]
    return float(min(1.0, max(0.0, chances[: max(0, seen - least + 1)].sum())))


def _by_groups(
    is_correct: Flags, is_second: Flags, strata: Counts, groups: Counts, random: np.random.Generator
) -> float:
    _, stratum = np.unique(strata, return_inverse=True)
    usual = np.bincount(stratum, is_correct) / np.bincount(stratum)
    units = _units(groups, stratum)
    surplus = np.bincount(units.of_image, is_correct - usual[stratum])
    second = is_second[units.first]
    seen = float(surplus[second].sum())
    sums = np.concatenate([surplus @ assigned for assigned in _permutations(second, units.stratum, random)])
    return float((1 + (sums <= seen + 1e-9).sum()) / (1 + len(sums)))


@dataclass(frozen=True, slots=True)
class _ClassUnits:
    """Groups of images, each assigned as a whole."""

    of_image: Counts  # (images,) its group, from 0
    first: Counts  # (groups,) one image of each
    stratum: Counts  # (groups,) that of most of its images


def _units(groups: Counts, stratum: Counts) -> _ClassUnits:
    _, first, of_image = np.unique(groups, return_index=True, return_inverse=True)
    pairs, counts = np.unique(np.stack([of_image, stratum], axis=1), axis=0, return_counts=True)
    order = np.lexsort((-counts, pairs[:, 0]))  # each group's most frequent stratum first
    chosen = order[np.unique(pairs[order, 0], return_index=True)[1]]
    return _ClassUnits(of_image, first, pairs[chosen, 1])


def _permutations(second: Flags, stratum: Counts, random: np.random.Generator) -> list[Flags]:
    """(units, some draws) each: the units assigned to the two sets at random, as many of each stratum as there are."""
    size = max(1, min(DRAWS, MOST_DRAWN // max(1, len(second))))
    assigned = []
    for start in range(0, DRAWS, size):
        some = np.empty((len(second), min(size, DRAWS - start)), np.bool_)
        for one in np.unique(stratum).tolist():
            rows = np.flatnonzero(stratum == one)
            some[rows] = random.permuted(np.repeat(second[rows, None], some.shape[1], axis=1), axis=0)
        assigned.append(some)
    return assigned


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """How well features separate two sets of images."""

    area: float  # under the ROC curve, on images that the telling had not seen: 0.5 is chance, 1 is always
    by_chance: float  # what chance alone gives in 99 of 100 cases, at most
    p_value: float  # how often chance alone gives as much
    first_count: int  # images or groups of the first set that were looked at, and …
    second_count: int
    loudness: Floats  # (images,) how much each looks like the second set rather than the first


LEAST_UNITS = 8  # of each set; fewer cannot show anything
MOST_UNITS = 300  # of each set: more make it slower, not clearer
MOST_AXES = 64
FOLDS = 5
SHRINKAGE = 0.1  # of the mean variance


def measure_separation(
    features: Floats, is_second: Flags, *, strata: Counts, groups: Counts, random: np.random.Generator
) -> Separation | None:
    """Tell two sets of images apart by a linear rule on their features, cross-validated; None of too few images.

    Both sets are thinned to the same number of each stratum, so that another mixture of classes tells nothing, and
    groups count once in each stratum. Chance is what the same rule gives when the sets are assigned at random.

    Args:
        features: (images, features) float.
        is_second: (images,) bool: which set each image is of.
        strata: (images,) int: their classes.
        groups: (images,) int; images of one group stand or fall together.

    Source: Lopez-Paz and Oquab 2017, Revisiting classifier two-sample tests; the rule is a ridge regression.
    """
    check_same_length(is_second, features)
    spread = features.std(axis=0)
    places = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    places = places @ principal_axes(places, MOST_AXES)
    pairs, unit_of = np.unique(np.stack([groups, strata], axis=1), axis=0, return_inverse=True)
    counts = np.bincount(unit_of)
    units = np.stack([np.bincount(unit_of, column) / counts for column in places.T], axis=1)
    second = np.zeros(len(pairs), np.bool_)
    second[unit_of] = is_second
    chosen = _matched(second, pairs[:, 1], random)
    if second[chosen].sum() < LEAST_UNITS or (~second[chosen]).sum() < LEAST_UNITS:
        return None
    areas = _areas(units[chosen], second[chosen], pairs[chosen], random)
    weights = _rule(units[chosen]) @ (second[chosen] - second[chosen].mean())
    return Separation(
        area=float(areas[0]),
        by_chance=float(np.quantile(areas[1:], 0.99)),
        p_value=float((areas >= areas[0] - 1e-12).mean()),
        first_count=int((~second[chosen]).sum()),
        second_count=int(second[chosen].sum()),
        loudness=places @ weights,
    )


def _matched(second: Flags, strata: Counts, random: np.random.Generator) -> Counts:
    """Rows with equally many of each set in every stratum, in random order, up to a maximum count."""
    kept: list[Counts] = []
    for stratum in np.unique(strata).tolist():
        mine = random.permutation(np.flatnonzero(strata == stratum))
        sides = mine[~second[mine]], mine[second[mine]]
        size = min(map(len, sides))
        kept += [np.stack([side[:size] for side in sides], axis=1)]
    pairs = random.permutation(np.concatenate(kept))[:MOST_UNITS]
    return np.sort(pairs.ravel())


def _areas(units: Floats, second: Flags, pairs: NDArray[np.int64], random: np.random.Generator) -> Floats:
    """(1 + draws,): the cross-validated area for the sets as they are, then for sets assigned at random."""
    whole = _units(pairs[:, 0], np.unique(pairs[:, 1], return_inverse=True)[1])
    assigned = _permutations(second[whole.first], whole.stratum, random)
    parts = np.concatenate([second[:, None], np.concatenate(assigned, axis=1)[whole.of_image]], axis=1)
    fold_of = (random.permutation(len(whole.first)) % FOLDS)[whole.of_image]
    scores = np.zeros(parts.shape)
    for fold in range(FOLDS):
        out = fold_of == fold
        known = parts[~out].astype(np.float64)
        centred = units[out] - units[~out].mean(axis=0)
        told = centred @ (_rule(units[~out]) @ (known - known.mean(axis=0)))
        scores[out] = told - told.mean(axis=0)  # a fold's level says how many of each set were left to learn from
    ranks = np.empty(parts.shape)
    np.put_along_axis(ranks, scores.argsort(axis=0, kind="stable"), np.arange(1.0, len(parts) + 1)[:, None], axis=0)
    seconds = parts.sum(axis=0)
    above = (ranks * parts).sum(axis=0) - seconds * (seconds + 1) / 2
    return np.asarray(above / np.maximum(1, seconds * (len(parts) - seconds)), np.float64)


def _rule(units: Floats) -> Floats:
    """(features, units): what ridge regression makes of centred targets of these units."""
    centred = units - units.mean(axis=0)
    products = centred.T @ centred
    ridge = SHRINKAGE * np.trace(products) / len(products)
    solved: Floats = np.linalg.solve(products + (ridge + 1e-12) * np.eye(len(products)), centred.T)
    return solved


# Of saying anything of parts from one source: half for the parts, half for the guarantees. Where the parts are said to
# differ, that has happened already, and the guarantees get all of it.
CHANCE = 0.01
CLEARLY_APART = 0.6  # area under the ROC curve: less is not worth a word, however certain
MOST_LOUD = 12  # images named


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Answers about one of the two parts, each by a model that was not trained on the image."""

    is_correct: Mask  # (images,)
    strata: Counts  # (images,) class index, or the rarest class shown
    groups: tuple[str, ...]  # images of one group are never in both parts


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFeatures:
    """Features of images of both parts, none of which the features were trained on."""

    features: Floats  # (images, features)
    is_test: Mask
    strata: Counts
    groups: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedParts:
    """Comparison of the two parts, and of the guarantees."""

    figures: PartComparison  # the section `two_parts` of metrics.json
    refuted: tuple[HeldGuarantee, ...]


def compare_parts(
    held_out: Side,
    test: Side,
    names: Sequence[str],
    *,
    looks: PartFeatures | None,
    held: Sequence[HeldGuarantee],
    seed: int,
) -> ComparedParts | None:
    """Compare the test part with held-out training images; None if one of them is empty.

    Where both are of one source and every guarantee is kept, `differs` or `refuted` says so in at most 1 of 100 cases.

    Args:
        held_out: answers about images that were held out from training.
        test: answers about the test images.
        names: of the strata: the classes, perhaps one more for images without any.
        looks: features of images of both; None where there are none.
    """
    if not len(held_out.is_correct) or not len(test.is_correct):
        return None
    random = np.random.default_rng([seed, 17])
    is_correct = np.concatenate([held_out.is_correct, test.is_correct])
    is_test = np.repeat([False, True], [len(held_out.is_correct), len(test.is_correct)])
    strata = np.concatenate([held_out.strata, test.strata])
    groups = number_groups([*held_out.groups, *test.groups])
    chance = lower_by_chance(is_correct, is_test, strata=strata, groups=groups, random=random)
    apart = None
    if looks is not None:
        looked = number_groups(looks.groups)
        apart = measure_separation(looks.features, looks.is_test, strata=looks.strata, groups=looked, random=random)
    tests, least = [chance, 1.0 if apart is None else apart.p_value], [0.0, 1.0 if apart is None else 1 / (DRAWS + 1)]
    is_lower, is_apart = shown_together(tests, least, chance=CHANCE / 2).tolist()
    is_apart = is_apart and apart is not None and apart.area >= CLEARLY_APART
    figures = PartComparison(
        differs=is_lower or is_apart,
        accuracy=replace(_shares("", is_correct, is_test, is_lower=is_lower), p_value=chance),
        # Those in both parts, the greatest loss first.
        classes=_by_class(is_correct, is_test, strata, groups, names, wanted=is_lower, random=random),
        features=None
        if apart is None
        else FeatureSeparation(
            area=apart.area,
            by_chance=apart.by_chance,
            p_value=apart.p_value,
            held_out=apart.first_count,
            test=apart.second_count,
            is_apart=is_apart,
        ),
        loudest=_loudest(looks, apart) if looks is not None and apart is not None and is_apart else (),
    )
    return ComparedParts(
        figures=figures, refuted=choose_refuted(held, chance=CHANCE if figures.differs else CHANCE / 2)
    )


def _loudest(looks: PartFeatures, apart: Separation) -> tuple[str, ...]:
    """The test images that look least like the training images; escaped."""
    rows = np.flatnonzero(looks.is_test)
    order = rows[np.argsort(-apart.loudness[rows], kind="stable")]
    return tuple(escape_path(looks.paths[row]) for row in order[:MOST_LOUD].tolist())


def _shares(name: str, is_correct: Mask, is_test: Mask, *, is_lower: bool) -> SharesOfClass:
    held_out, test = (
        ImageShare(value=float(is_correct[part].mean()), image_count=int(part.sum())) for part in (~is_test, is_test)
    )
    return SharesOfClass(name=name, held_out=held_out, test=test, is_lower=is_lower)


def _by_class(
    is_correct: Mask,
    is_test: Mask,
    strata: Counts,
    groups: Counts,
    names: Sequence[str],
    *,
    wanted: bool,
    random: np.random.Generator,
) -> tuple[SharesOfClass, ...]:
    """Each class by itself; which are lower is asked only where all together are."""
    both = [one for one in np.unique(strata).tolist() if len(np.unique(is_test[strata == one])) == 2]
    chances = [1.0] * len(both)
    if wanted:
        masks = [strata == one for one in both]
        chances = [
            lower_by_chance(is_correct[mask], is_test[mask], strata=strata[mask], groups=groups[mask], random=random)
            for mask in masks
        ]
    shown = shown_together(chances, [0.0] * len(both), chance=CHANCE).tolist() if both else []
    found = [
        _shares(names[one], is_correct[strata == one], is_test[strata == one], is_lower=is_lower)
        for one, is_lower in zip(both, shown, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: one.test.value - one.held_out.value))
