"""The kinds of change that are looked for: each kind's scores, and how they become levels of evidence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from vidi.errors import ShapeError
from vidi.metrics.arrays import Counts, Floats
from vidi.model_file.drift_reference import DriftReference, Histogram, ReferenceImages
from vidi.model_file.limits import VERDICTS
from vidi.monitoring.contrast import (
    FIRST,
    ComparedWindows,
    RunningSums,
    compare_counts,
    compare_excess,
    compare_means,
    compare_mixture,
    compare_together,
    cut_windows,
    sum_up,
)
from vidi.monitoring.finding import Aspect, DriftKind
from vidi.monitoring.places import KnownPlaces, bin_values, find_cut, own_sums
from vidi.monitoring.traffic import ModelTraffic

# Share of the false-alarm rate that each kind may use; what a missing kind leaves is the others'.
WEIGHTS: Mapping[DriftKind, float] = {
    "embeddings": 0.3,
    "novelty": 0.25,
    "confidence": 0.1,
    "verdicts": 0.05,
    "classes": 0.25,
    "qualities": 0.3,
}
HALF, QUARTER = np.log(0.5), np.log(0.25)
NOVELTY_CUTS = (0.8, 0.95, 0.99)  # shares of the reference that are less strange than what is counted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KindComparison:
    """One kind of change."""

    kind: DriftKind
    aspects: tuple[Aspect, ...]
    # (looks,) starts and ends of windows to (looks, aspects): logarithms of p-values, so raised that the smallest of a
    # look's aspects is one
    levels: Callable[[Counts, Counts], Floats]


def compare_traffic(traffic: ModelTraffic, reference: DriftReference) -> tuple[KindComparison, ...]:
    """Every kind of change that this traffic and this reference allow to look for.

    Raises:
        ShapeError: the traffic is not of the model with this reference.
    """
    images = reference.images
    found = [_by_class(traffic, reference), _by_confidence(traffic, reference)]
    if all(verdict is not None for verdict in traffic.verdicts):
        found.append(_by_verdict(traffic, reference))
    if images is not None and traffic.qualities:
        found.append(_by_quality(traffic, images))
    places = None if images is None or images.embeddings is None else KnownPlaces.of(images.embeddings)
    if reference.novelty is not None and traffic.novelty is not None:
        found.append(_by_novelty(traffic, reference, reference.novelty, places))
    if images is not None and places is not None and traffic.embeddings is not None:
        found.append(_by_embedding(traffic.embeddings, places, images))
    return tuple(found)


def _own_size(reference: DriftReference) -> float:
    """Independent answers; none by other networks of the same recipe, whose answers differ by more than chance."""
    return float(reference.group_count) if reference.basis == "calibration" else 0.0


def _by_class(traffic: ModelTraffic, reference: DriftReference) -> KindComparison:
    count, classes = traffic.said.shape
    if classes != len(reference.classes):
        raise ShapeError(
            f"answers have {classes} classes, but the model's reference {len(reference.classes)}",
            "Use answers of this very model.",
        )
    size = _own_size(reference)
    own = np.array(reference.classes, np.float64) * size / max(1, reference.answer_count)
    sums = RunningSums(size=size, own=own, stream=sum_up(lambda rows: traffic.said[rows].astype(np.float64), count))
    is_one = sum(reference.classes) == reference.answer_count and bool((traffic.said.sum(axis=1) == 1).all())

    def levels(starts: Counts, ends: Counts) -> Floats:
        windows = cut_windows(sums, starts, ends)
        single: Floats = compare_counts(windows) + np.log(classes)
        return np.concatenate([single, compare_mixture(windows)], axis=1) - HALF if is_one else single

    aspects = [Aspect(kind="classes", class_index=index) for index in range(classes)]
    return KindComparison(
        kind="classes", aspects=(*aspects, Aspect(kind="classes")) if is_one else tuple(aspects), levels=levels
    )


def _by_verdict(traffic: ModelTraffic, reference: DriftReference) -> KindComparison:
    size = _own_size(reference)
    own = np.array([reference.verdicts[name] for name in VERDICTS]) * size / max(1, reference.answer_count)
    index = {name: number for number, name in enumerate(VERDICTS)}
    numbers = np.array([index[verdict] for verdict in traffic.verdicts if verdict is not None], np.int64)
    marks = np.eye(len(VERDICTS))
    sums = RunningSums(size=size, own=own, stream=sum_up(lambda rows: marks[numbers[rows]], len(numbers)))
    return KindComparison(
        kind="verdicts",
        aspects=tuple(Aspect(kind="verdicts", name=name) for name in VERDICTS),
        levels=lambda starts, ends: np.add(compare_counts(cut_windows(sums, starts, ends)), np.log(len(VERDICTS))),
    )


def _binned_sums(values: Floats, histogram: Histogram, size: float) -> RunningSums:
    """Sums of each value's place in the reference, of its distance from the middle, and of their squares."""
    binned = bin_values(values, histogram)
    scores = np.stack([binned.positions, (binned.positions - 0.5) ** 2], axis=1)
    scores = np.concatenate([scores, scores**2], axis=1)
    own = binned.counts @ scores * size / max(1.0, float(binned.counts.sum()))
    return RunningSums(size=size, own=own, stream=sum_up(lambda rows: scores[binned.bins[rows]], len(values)))


def _most_of_two(windows: ComparedWindows) -> Floats:
    """(looks, 1): the stronger of a shift and a change of spread."""
    found: Floats = compare_means(windows).min(axis=1, keepdims=True) - HALF
    return found


def _by_confidence(traffic: ModelTraffic, reference: DriftReference) -> KindComparison:
    sums = _binned_sums(
        traffic.probabilities.max(axis=1).astype(np.float64), reference.confidence, _own_size(reference)
    )
    return KindComparison(
        kind="confidence",
        aspects=(Aspect(kind="confidence"),),
        levels=lambda starts, ends: _most_of_two(cut_windows(sums, starts, ends)),
    )


def _by_quality(traffic: ModelTraffic, images: ReferenceImages) -> KindComparison:
    size = float(images.group_count)
    names = [name for name in images.qualities if name in traffic.qualities]
    sums = [_binned_sums(traffic.qualities[name], images.qualities[name], size) for name in names]

    def levels(starts: Counts, ends: Counts) -> Floats:
        found = [_most_of_two(cut_windows(one, starts, ends)) for one in sums]
        together: Floats = np.concatenate(found, axis=1) + np.log(len(names))
        return together

    return KindComparison(
        kind="qualities", aspects=tuple(Aspect(kind="qualities", name=name) for name in names), levels=levels
    )


def _by_novelty(
    traffic: ModelTraffic, reference: DriftReference, known: Histogram, places: KnownPlaces | None
) -> KindComparison:
    """Whether more images are strange, and whether the strangest show something else than the reference's strangest.

    A new class moves the strangest images most: it is a larger part of them than of all.
    """
    novelty, size = np.asarray(traffic.novelty), _own_size(reference)
    cuts = [find_cut(known, share) for share in NOVELTY_CUTS]
    limits = np.array([limit for limit, _ in cuts], novelty.dtype)
    own = np.array([above for _, above in cuts]) * size
    stream = sum_up(lambda rows: (novelty[rows, None] >= limits).astype(np.float64), len(novelty))
    sums = RunningSums(size=size, own=own, stream=stream)
    strangest = None if places is None or reference.images is None else _among_the_strangest(traffic, places, reference)

    def levels(starts: Counts, ends: Counts) -> Floats:
        more: Floats = compare_excess(cut_windows(sums, starts, ends)).min(axis=1, keepdims=True) + np.log(len(cuts))
        return more if strangest is None else np.concatenate([more, strangest(starts, ends)], axis=1) - HALF

    aspects = (Aspect(kind="novelty"), Aspect(kind="novelty", name="embeddings"))
    return KindComparison(kind="novelty", aspects=aspects[: 1 if strangest is None else 2], levels=levels)


def _among_the_strangest(
    traffic: ModelTraffic, places: KnownPlaces, reference: DriftReference
) -> Callable[[Counts, Counts], Floats] | None:
    """The embeddings of the strangest fifth of the images, compared with those of the reference's strangest fifth."""
    novelty, embeddings, images = traffic.novelty, traffic.embeddings, reference.images
    strangest = places.summed.strangest
    if strangest is None or images is None or novelty is None or embeddings is None:
        return None

    def scores(rows: slice) -> Floats:
        mark = (novelty[rows, None] > strangest.limit).astype(np.float64)
        clipped = places.scores(embeddings[rows]) * mark
        return np.concatenate([mark, clipped, clipped**2], axis=1)

    known = own_sums((strangest.scores,), images.group_count / max(1, images.image_count), sum_up(scores, len(novelty)))
    sums = RunningSums(size=known.size, own=np.append(known.size, known.own), stream=known.stream)
    weights = np.array(strangest.scores.weights)

    def levels(starts: Counts, ends: Counts) -> Floats:
        found = np.zeros((len(starts), 1))
        is_enough = cut_windows(sums, starts, ends).inside[:, 0] >= FIRST
        windows = cut_windows(sums, starts[is_enough], ends[is_enough]).marked()
        found[is_enough] = compare_together(windows, weights=weights)
        return found

    return levels


def _by_embedding(embeddings: Floats, places: KnownPlaces, images: ReferenceImages) -> KindComparison:
    summed = places.summed
    components = len(summed.middle)

    def scores(rows: slice) -> Floats:
        clipped = places.scores(embeddings[rows])
        spread = np.abs(clipped)
        return np.concatenate([clipped, spread, clipped**2, spread**2], axis=1)

    share = images.group_count / max(1, images.image_count)
    sums = own_sums((summed.shift, summed.width), share, sum_up(scores, len(embeddings)))
    weights = np.array(summed.shift.weights), np.array(summed.width.weights)

    def levels(starts: Counts, ends: Counts) -> Floats:
        windows = cut_windows(sums, starts, ends)
        shift, spread = windows.only(components, 0), windows.only(components, 1)
        single = compare_means(shift).min(axis=1, keepdims=True) + np.log(components) - QUARTER
        together = compare_together(shift, weights=weights[0]) - HALF
        wider = compare_together(spread, weights=weights[1]) - QUARTER
        found: Floats = np.minimum(np.minimum(single, together), wider)
        return found

    return KindComparison(kind="embeddings", aspects=(Aspect(kind="embeddings"),), levels=levels)
