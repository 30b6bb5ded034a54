"""Whether what comes in has changed, and what: one alarm over a whole stream, with a stated false-alarm rate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vidi.errors import ShapeError
from vidi.metrics.arrays import Counts, Floats
from vidi.model_file.drift_reference import DriftReference, Histogram, ReferenceImages, SummedScores
from vidi.model_file.limits import VERDICTS
from vidi.monitoring.contrast import (
    BLOCK,
    FIRST,
    ComparedWindows,
    PlannedLooks,
    RunningSums,
    compare_counts,
    compare_excess,
    compare_means,
    compare_mixture,
    compare_together,
    cut_windows,
    plan_looks,
    sum_up,
)
from vidi.monitoring.finding import Aspect, DriftChange, DriftCurve, DriftFinding, DriftKind
from vidi.monitoring.places import USUAL_RANGE, KnownPlaces, bin_values, find_cut, own_sums
from vidi.monitoring.traffic import ModelTraffic, as_stream

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


LOOKS_AT_ONCE = 10_000
RATE = 0.01
PARTS, LEAST_IN_PART = 50, 50
MOST_CLASSES = 10  # whose curves are drawn
LOUD_CHANGES, MOST_LOUD = 3, 24
FARTHEST = 10.0  # robust standard deviations
STRANGE = 0.95  # of the reference's images are less strange than those that are counted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Searched:
    """A level is the logarithm of the smallest false-alarm rate at which a look had raised the alarm."""

    comparison: KindComparison
    by_look: Floats  # (looks,) lowest level of the aspects
    lowest: Floats  # (aspects,)
    strongest: Counts  # (aspects,) look with the lowest level

    @property
    def level(self) -> float:
        """The lowest of all."""
        return float(self.lowest.min())


def search_all(comparisons: Sequence[KindComparison], looks: PlannedLooks) -> tuple[Searched, ...]:
    """Make every comparison at every look; each kind has its share of the rate, and each look its share of that."""
    total = sum(WEIGHTS[one.kind] for one in comparisons)
    return tuple(_search(one, looks, WEIGHTS[one.kind] / total) for one in comparisons)


def _search(comparison: KindComparison, looks: PlannedLooks, weight: float) -> Searched:
    by_look = np.empty(len(looks.ends))
    lowest = np.full(len(comparison.aspects), np.inf)
    strongest = np.zeros(len(comparison.aspects), np.int64)
    for start in range(0, len(looks.ends), LOOKS_AT_ONCE):
        some = slice(start, start + LOOKS_AT_ONCE)
        levels = comparison.levels(looks.starts[some], looks.ends[some])
        levels -= np.log(looks.shares[some] * weight)[:, None]
        by_look[some] = levels.min(axis=1)
        rows = levels.argmin(axis=0)
        found = levels[rows, np.arange(len(lowest))]
        strongest = np.where(found < lowest, rows + start, strongest)
        lowest = np.minimum(found, lowest)
    return Searched(comparison=comparison, by_look=by_look, lowest=lowest, strongest=strongest)


def find_beginning(searched: Sequence[Searched], looks: PlannedLooks) -> int:
    """Images before the change: where the window that ends at the strongest look must begin to be stronger still."""
    one = min(searched, key=lambda found: found.level)
    end = int(looks.ends[one.by_look.argmin()])
    starts = np.arange(0, end - FIRST + 1, BLOCK)
    levels = [
        one.comparison.levels(some, np.full(len(some), end)).min(axis=1)
        for some in np.array_split(starts, 1 + len(starts) // LOOKS_AT_ONCE)
    ]
    return int(starts[np.concatenate(levels).argmin()])


def find_drift(traffic: ModelTraffic, reference: DriftReference, *, rate: float = RATE) -> DriftFinding:
    """Look for a change of embeddings, confidence, verdicts, classes and image qualities, from the first image on.

    The stream is compared at predetermined counts of images, so that asking often, or seldom, changes nothing: as a
    whole, and through windows of the latest images. Each comparison asks how often a random part of all images, those
    of the reference and of the stream so far, is so different from the rest. So the reference's own sampling error
    counts. The rate is shared out among all looks, windows and kinds of change: at most this share of streams that do
    not change ever raises the alarm, if their images are independent of one another. Images of one time are one sample,
    whatever their order: only images of different times are told apart by time.

    Args:
        traffic: of the model, from the first image on, in the order of arrival.
        rate: share of unchanged streams that may ever raise the alarm.

    Raises:
        ShapeError: the traffic is not of the model with this reference.

    Source: the comparisons are permutation tests (Fisher 1935, Wilcoxon 1945, Pearson 1900); the rate is shared out as
    in Lan and DeMets 1983, Discrete sequential boundaries for clinical trials.
    """
    rows, stream = as_stream(traffic)
    if len(stream) < FIRST:
        return DriftFinding(state="too few", rate=rate, image_count=len(stream))
    looks = plan_looks(len(stream))
    searched = search_all(compare_traffic(stream, reference), looks)
    alarms = np.flatnonzero(np.min([one.by_look for one in searched], axis=0) <= np.log(rate))
    evidence = {one.comparison.kind: float(np.exp(min(0.0, one.level))) for one in searched}
    yardstick = Yardstick.of(reference)
    until = np.maximum.accumulate(rows)  # (images,) last row of the traffic that was seen by then
    found = DriftFinding(
        state="quiet",
        rate=rate,
        image_count=len(stream),
        p_value=min(evidence.values()),
        evidence=evidence,
        curves=draw_curves(stream, yardstick, searched, until),
    )
    if not len(alarms):
        return found
    changes = describe_changes(stream, yardstick, searched, looks, rate=rate)
    # The image nearest to the strongest look with which a new time begins.
    beginnings = np.flatnonzero(np.diff(stream.at, prepend=np.nan) != 0)
    began = int(beginnings[np.abs(beginnings - find_beginning(searched, looks)).argmin()])
    return replace(
        found,
        state="alarm",
        alarmed_at=int(until[looks.ends[alarms[0]] - 1]),
        began=int(rows[began:].min()),
        changes=changes,
        loudest=rows[find_loudest(stream, yardstick, changes, began)],
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Yardstick:
    """A reference, and where its embeddings lie once they are clipped; None without embeddings."""

    reference: DriftReference
    places: KnownPlaces | None
    clipped: Floats | None  # (images, components)

    @classmethod
    def of(cls, reference: DriftReference) -> "Yardstick":
        """What parts of a stream are measured by."""
        if reference.images is None or reference.images.embeddings is None:
            return cls(reference=reference, places=None, clipped=None)
        kept = reference.images.embeddings
        places = KnownPlaces.of(kept)
        return cls(reference=reference, places=places, clipped=places.scores(kept.placed()))

    def part_of(self, aspect: Aspect, traffic: ModelTraffic, rows: slice) -> tuple[Floats, SummedScores] | None:
        """The aspect's embeddings in some rows, clipped, and the same of the reference in sums; None without any."""
        if traffic.embeddings is None or self.places is None:
            return None
        here, summed = self.places.scores(traffic.embeddings[rows]), self.places.summed
        if aspect.kind == "embeddings":
            return here, summed.shift
        if summed.strangest is None or traffic.novelty is None:
            return None
        return here[traffic.novelty[rows] > summed.strangest.limit], summed.strangest.scores


def median_of(histogram: Histogram) -> float:
    """The median of the values of a histogram, evenly spread within each bin.

    >>> median_of(Histogram(edges=(0.0, 1.0, 2.0), counts=(3, 1)))
    0.6666666666666666
    """
    return _quantile(histogram, 0.5)


def _quantile(histogram: Histogram, share: float) -> float:
    up_to = np.concatenate([[0], np.cumsum(histogram.counts)])
    return float(np.interp(share * up_to[-1], up_to, histogram.edges))


def usual_value(aspect: Aspect, reference: DriftReference) -> float:
    """The aspect's value in the reference."""
    if aspect.kind == "novelty" and aspect.name is None and reference.novelty is not None:
        return find_cut(reference.novelty, STRANGE)[1]
    if aspect.kind == "confidence":
        return median_of(reference.confidence)
    if aspect.kind == "qualities" and reference.images is not None and aspect.name is not None:
        return median_of(reference.images.qualities[aspect.name])
    if aspect.kind in ("embeddings", "novelty"):
        return 0.0
    if aspect.kind == "verdicts":
        return sum(count for name, count in reference.verdicts.items() if name == aspect.name) / max(
            1, reference.answer_count
        )
    number = aspect.class_index
    return 0.0 if number is None else reference.classes[number] / max(1, reference.answer_count)


def value_in(aspect: Aspect, traffic: ModelTraffic, yardstick: Yardstick, rows: slice) -> float:
    """The aspect's value in some rows of the traffic."""
    reference = yardstick.reference
    measured = _measured(aspect, traffic, reference, rows)
    if measured is not None:
        return float(np.median(measured[0]))
    if aspect.kind == "novelty" and aspect.name is None and traffic.novelty is not None and reference.novelty:
        return float((traffic.novelty[rows] >= find_cut(reference.novelty, STRANGE)[0]).mean())
    if aspect.kind in ("embeddings", "novelty"):
        return _distance(aspect, traffic, yardstick, rows)
    return _share(aspect, traffic, reference, rows)


def _share(aspect: Aspect, traffic: ModelTraffic, reference: DriftReference, rows: slice) -> float:
    """The share of a verdict, of a class, or of the answers that fall on other classes."""
    if aspect.kind == "verdicts":
        verdicts = traffic.verdicts[rows]
        return sum(one == aspect.name for one in verdicts) / max(1, len(verdicts))
    shares = traffic.said[rows].mean(axis=0)
    if aspect.class_index is not None:
        return float(shares[aspect.class_index])
    return float(np.abs(shares - np.array(reference.classes) / max(1, reference.answer_count)).sum() / 2)


def _distance(aspect: Aspect, traffic: ModelTraffic, yardstick: Yardstick, rows: slice) -> float:
    """How far the mean embedding lies from the reference's, less what chance alone gives."""
    parts = yardstick.part_of(aspect, traffic, rows)
    if parts is None or not len(parts[0]):
        return 0.0
    here, known = parts
    means = np.array(known.means)
    by_chance = ((np.array(known.squares) - means**2) * (1 / len(here) + 1 / known.image_count)).sum()
    return float(np.sqrt(max(0.0, ((here.mean(axis=0) - means) ** 2).sum() - by_chance)))


def describe_changes(
    traffic: ModelTraffic, yardstick: Yardstick, searched: Sequence[Searched], looks: PlannedLooks, *, rate: float
) -> tuple[DriftChange, ...]:
    """Every aspect whose change is shown beyond chance, the most certain first."""
    found = [
        (float(one.lowest[number]), aspect, int(one.strongest[number]))
        for one in searched
        for number, aspect in enumerate(one.comparison.aspects)
        if one.lowest[number] <= np.log(rate)
    ]
    return tuple(
        _change(aspect, traffic, yardstick, slice(int(looks.starts[look]), int(looks.ends[look])), level)
        for level, aspect, look in sorted(found, key=lambda one: one[0])
    )


def _change(aspect: Aspect, traffic: ModelTraffic, yardstick: Yardstick, rows: slice, level: float) -> DriftChange:
    change = DriftChange(
        aspect=aspect,
        before=usual_value(aspect, yardstick.reference),
        after=value_in(aspect, traffic, yardstick, rows),
        p_value=float(np.exp(level)),
    )
    measured = _measured(aspect, traffic, yardstick.reference, rows)
    if measured is None:
        return change
    values, histogram = measured
    return replace(
        change,
        before_quartiles=(_quantile(histogram, 0.25), _quantile(histogram, 0.75)),
        after_quartiles=(float(np.quantile(values, 0.25)), float(np.quantile(values, 0.75))),
    )


def _measured(
    aspect: Aspect, traffic: ModelTraffic, reference: DriftReference, rows: slice
) -> tuple[Floats, Histogram] | None:
    """An aspect's values in some rows and its histogram in the reference; None where it is no value of each image."""
    if aspect.kind == "confidence":
        return traffic.probabilities[rows].max(axis=1), reference.confidence
    if aspect.kind == "qualities" and aspect.name is not None and reference.images is not None:
        return traffic.qualities[aspect.name][rows], reference.images.qualities[aspect.name]
    return None


def draw_curves(
    traffic: ModelTraffic, yardstick: Yardstick, searched: Sequence[Searched], until: Counts
) -> tuple[DriftCurve, ...]:
    """Every aspect over the stream, in at most 50 parts; of many classes, those whose shares changed most surely.

    Args:
        until: (images,) last row of the traffic as it was given that was seen with each image.
    """
    count = len(traffic)
    stops = np.linspace(0, count, max(1, min(PARTS, count // LEAST_IN_PART)) + 1).round().astype(np.int64)
    parts = [slice(*pair) for pair in zip(stops[:-1].tolist(), stops[1:].tolist(), strict=True)]
    chosen = [
        one.comparison.aspects[number]
        for one in searched
        for number in sorted(np.argsort(one.lowest, kind="stable")[:MOST_CLASSES].tolist())
    ]
    return tuple(
        DriftCurve(
            aspect=aspect,
            until=until[stops[1:] - 1] + 1,
            values=np.array([value_in(aspect, traffic, yardstick, part) for part in parts]),
            usual=usual_value(aspect, yardstick.reference),
        )
        for aspect in chosen
    )


def find_loudest(traffic: ModelTraffic, yardstick: Yardstick, changes: Sequence[DriftChange], began: int) -> Counts:
    """Rows of the images since the change that show it most, in the three most certain aspects taken together."""
    since = slice(began, len(traffic))
    loudness = np.zeros(len(traffic) - began)
    for change in changes[:LOUD_CHANGES]:
        loudness += _loudness(change, traffic, yardstick, since)
    return np.argsort(-loudness, kind="stable")[:MOST_LOUD] + began


def _loudness(change: DriftChange, traffic: ModelTraffic, yardstick: Yardstick, rows: slice) -> Floats:
    """(rows,): how far each image lies in the direction of the change, in robust standard deviations."""
    aspect, sign, reference = change.aspect, 1.0 if change.after >= change.before else -1.0, yardstick.reference
    if aspect.kind == "embeddings" or (aspect.kind == "novelty" and aspect.name is not None):
        return _along(aspect, traffic, yardstick, rows)
    if aspect.kind == "novelty" and traffic.novelty is not None and reference.novelty is not None:
        return sign * _deviations(traffic.novelty[rows], reference.novelty)
    if aspect.kind == "classes":
        number = aspect.class_index
        return np.zeros(1) if number is None else sign * traffic.probabilities[rows, number].astype(np.float64)
    if aspect.kind == "verdicts":
        return sign * np.array([one == aspect.name for one in traffic.verdicts[rows]], np.float64)
    measured = _measured(aspect, traffic, reference, rows)
    return np.zeros(1) if measured is None else sign * _deviations(*measured)


def _deviations(values: Floats, histogram: Histogram) -> Floats:
    """How far values lie from the reference's median, in robust standard deviations of it."""
    spread = (_quantile(histogram, 0.75) - _quantile(histogram, 0.25)) / USUAL_RANGE
    found: Floats = np.clip((values - median_of(histogram)) / max(spread, 1e-9), -FARTHEST, FARTHEST)
    return found


def _along(aspect: Aspect, traffic: ModelTraffic, yardstick: Yardstick, rows: slice) -> Floats:
    """How far each image lies where the mean embedding has moved to; if it is the strangest ones', others have 0."""
    parts, known = yardstick.part_of(aspect, traffic, rows), yardstick.clipped
    if parts is None or known is None or yardstick.places is None or not len(parts[0]):
        return np.zeros(1)
    direction = parts[0].mean(axis=0) - np.array(parts[1].means)
    along = known @ direction
    here = yardstick.places.scores(np.asarray(traffic.embeddings)[rows]) @ direction
    loud: Floats = (here - along.mean()) / max(float(along.std()), 1e-12)
    strangest = yardstick.places.summed.strangest
    if aspect.kind == "novelty" and strangest is not None and traffic.novelty is not None:
        return np.where(traffic.novelty[rows] > strangest.limit, loud, 0.0)
    return loud
