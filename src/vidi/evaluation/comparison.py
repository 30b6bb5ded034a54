"""Two models on the same images: which is better overall and for each class, and where they disagree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.answers import Answers, join_names
from vidi.files import escape_path, write_csv_atomic
from vidi.metrics.arrays import SMALLEST_PROBABILITY, Counts, Floats, check_same_length
from vidi.metrics.intervals import Interval, bootstrap_intervals, group_mean_interval, mean_interval, shown_together
from vidi.metrics.multi_label import probability_of_all
from vidi.metrics.paired import PairedComparison, Verdict, compare_paired, images_needed, sign_test, units_needed
from vidi.metrics.truth import OneClass
from vidi.model_file.values import rounded

# Of 100 comparisons of equals at most five name a winner anywhere: four overall, one among all classes together. Where
# a winner was shown overall, its four pass on to the classes.
CHANCE_OVERALL, CHANCE_OF_CLASSES = 0.04, 0.01
SMALL_GAP = 0.01  # what is asked after where no difference was seen: one percentage point
Kind = Literal["only-b-right", "only-a-right", "both-wrong"]
KINDS: tuple[Kind, ...] = ("only-b-right", "only-a-right", "both-wrong")
NONE = "none"  # what is said where an image may show several classes and is called none of them
COLUMNS = ("path", "digest", "label", "right", "a", "a_probability", "b", "b_probability")

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One comparison with its verdict."""

    counts: PairedComparison
    verdict: Verdict  # whether the second model is better
    chance: float  # that the verdict is held to; a class may be spared some of the others, see `shown_together`

    @property
    def more_images(self) -> int | None:
        """Estimate how many more images would show the observed difference; None if it is already clear."""
        needed = images_needed(self.counts, chance=self.chance)
        if self.verdict != "not shown" or needed is None:
            return None
        return max(1, needed - self.counts.image_count)

    def as_json(self) -> dict[str, object]:
        """Plain values for compare.json."""
        counts = self.counts
        return {
            "images": counts.image_count,
            "groups": counts.group_count,
            "a": rounded(counts.first_accuracy),
            "b": rounded(counts.second_accuracy),
            **_difference_as_json(counts.difference, counts.interval),
            "only_a_right": counts.only_first,
            "only_b_right": counts.only_second,
            "p_value": rounded(counts.p_value),
            "verdict": self.verdict,
            "more_images": self.more_images,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanDifference:
    """Difference of a figure between both models."""

    first: float
    second: float
    interval: Interval | None  # of the second less the first

    def as_json(self) -> dict[str, object]:
        """Plain values for compare.json."""
        return {
            "a": rounded(self.first),
            "b": rounded(self.second),
            **_difference_as_json(self.second - self.first, self.interval),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All figures of a comparison."""

    overall: Judged
    per_class: Mapping[str, Judged]  # those with images, by name
    balanced_accuracy: MeanDifference
    log_loss: MeanDifference

    @property
    def images_for_a_point(self) -> int | None:
        """Estimate how many images would show a difference of one point at this rate of disagreement.

        None where they never disagree.
        """
        counts = self.overall.counts
        apart = (counts.groups_lost + counts.groups_won) / counts.group_count
        if apart == 0:
            return None
        units = units_needed(max(apart, SMALL_GAP), SMALL_GAP, chance=CHANCE_OVERALL)
        return int(np.ceil(units * counts.image_count / counts.group_count))

    def as_json(self) -> dict[str, object]:
        """Plain values for compare.json."""
        counts = self.overall.counts
        return {
            "accuracy": self.overall.as_json(),
            "both_right": counts.both_right,
            "neither_right": counts.image_count - counts.both_right - counts.only_first - counts.only_second,
            "images_for_a_point": self.images_for_a_point,
            "balanced_accuracy": self.balanced_accuracy.as_json(),
            "log_loss": self.log_loss.as_json(),
            "classes": [{"class": name, **judged.as_json()} for name, judged in self.per_class.items()],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedAnswers:
    """Answers of two models about the same images; all fields in one order."""

    classes: tuple[str, ...]  # that both know
    shown: Flags  # (images, classes); which class each shows, or which several
    first_is_right: Flags  # (images,)
    second_is_right: Flags
    groups: Counts  # (images,) int; images of one group stand or fall together
    # (images,) the probability of the true class by each; of several, the mean over them (geometric). For the log loss
    of_truth: tuple[Floats, Floats] | None = None
    of_classes: tuple[Flags, Flags] | None = None  # like `shown`: whether each is right about a class, of several

    def __post_init__(self) -> None:
        check_same_length(self.shown, self.first_is_right)
        check_same_length(self.shown, self.second_is_right)


def pair_answers(first: Answers, second: Answers, classes: Sequence[str], shown: Flags) -> PairedAnswers:
    """Pair the answers of two models about the same images, in one order.

    Args:
        shown: (images, classes) bool; what they show.
    """
    rows, both = np.arange(len(shown)), (first, second)
    if first.several is None:
        of_truth, of_classes = [one.probabilities[rows, one.labels] for one in both], None
    else:
        of_truth = [np.exp(-one.truth.log_losses(one.probabilities)) for one in both]
        of_classes = (first.called == shown, second.called == shown)
    return PairedAnswers(
        classes=tuple(classes),
        shown=shown,
        first_is_right=first.is_right,
        second_is_right=second.is_right,
        groups=first.group_numbers,
        of_truth=(of_truth[0], of_truth[1]),
        of_classes=of_classes,
    )


def compare_answers(answers: PairedAnswers) -> Comparison:
    """Compare two models on at least one image.

    A winner is named by exact sign tests alone (McNemar's), so that of many comparisons of equals at most five in a
    hundred name one, overall or in any class: see `judge`.
    """
    random = np.random.default_rng(0)
    overall = _counted(answers, np.ones(len(answers.shown), np.bool_), random)
    present = list(range(len(answers.classes)))
    if answers.of_classes is None:
        present = [index for index in present if answers.shown[:, index].any()]
        per_class = [_counted(answers, answers.shown[:, index], random) for index in present]
    else:
        columns = zip(*(flags.T for flags in answers.of_classes), strict=True)
        per_class = [_compared(first, second, answers.groups, random) for first, second in columns]
    judged = judge([overall, *per_class])
    names = [answers.classes[index] for index in present]
    balanced, loss = _mean_differences(answers, per_class, random)
    return Comparison(
        overall=judged[0],
        per_class=dict(zip(names, judged[1:], strict=True)),
        balanced_accuracy=balanced,
        log_loss=loss,
    )


def judge(counts: Sequence[PairedComparison]) -> list[Judged]:
    """Judge the difference on all images and on each class.

    Source of the order of tests: Wiens 2003, A fixed sequence Bonferroni procedure for testing multiple endpoints.
    """
    overall, classes = counts[0], counts[1:]
    verdict = overall.verdict_at(CHANCE_OVERALL)
    left = CHANCE_OF_CLASSES + (CHANCE_OVERALL if overall.p_value <= CHANCE_OVERALL else 0.0)
    shown = shown_together(
        [one.p_value for one in classes],
        [sign_test(0, one.groups_lost + one.groups_won) for one in classes],
        chance=left,
    )
    return [
        Judged(counts=overall, verdict=verdict, chance=CHANCE_OVERALL),
        *(
            Judged(counts=one, verdict=one.verdict_at(left) if is_shown else "not shown", chance=left / len(classes))
            for one, is_shown in zip(classes, shown.tolist(), strict=True)
        ),
    ]


def _counted(answers: PairedAnswers, rows: Flags, random: np.random.Generator) -> PairedComparison:
    return _compared(answers.first_is_right[rows], answers.second_is_right[rows], answers.groups[rows], random)


def _compared(first: Flags, second: Flags, groups: Counts, random: np.random.Generator) -> PairedComparison:
    counts = compare_paired(first, second, groups=groups, random=random)
    assert counts is not None  # noqa: S101  # there are images
    return counts


def _mean_differences(
    answers: PairedAnswers, per_class: Sequence[PairedComparison], random: np.random.Generator
) -> tuple[MeanDifference, MeanDifference]:
    """Of balanced accuracy and of log loss.

    The intervals hold those by resampling and those in closed form; None where all images are of one group.
    """
    assert answers.of_truth is not None  # noqa: S101  # a comparison is also one of the log loss
    labels, count = answers.shown.argmax(axis=1), len(answers.classes)
    gain = answers.second_is_right.astype(np.float64) - answers.first_is_right
    first, second = (
        -np.log(np.maximum(of_truth, SMALLEST_PROBABILITY)).astype(np.float64) for of_truth in answers.of_truth
    )

    def figures(weights: Floats) -> Floats:
        loss = (weights * (second - first)).sum() / weights.sum()
        if answers.of_classes is not None:
            gained = answers.of_classes[1].mean(axis=1) - answers.of_classes[0].mean(axis=1)
            return np.array([(weights * gained).sum() / weights.sum(), loss])
        images = np.bincount(labels, weights, count)
        gains = np.bincount(labels, weights * gain, count)
        tested = images > 0
        return np.array([(gains[tested] / images[tested]).mean(), loss])

    drawn = bootstrap_intervals(figures, answers.groups, random=random) or [None, None]
    closed = (_mean_of_differences(per_class), group_mean_interval(second - first, answers.groups))
    accuracies = [(one.first_accuracy, one.second_accuracy) for one in per_class]
    shares = [sum(values) / len(per_class) for values in zip(*accuracies, strict=True)]
    return (
        MeanDifference(first=shares[0], second=shares[1], interval=closed[0].around(drawn[0])),
        MeanDifference(
            first=float(first.mean()),
            second=float(second.mean()),
            interval=closed[1] and closed[1].around(drawn[1]),
        ),
    )


def _mean_of_differences(per_class: Sequence[PairedComparison]) -> Interval:
    """The interval of the mean of the classes' differences, which lie between -1 and 1."""
    halved = [(one.difference + 1) / 2 for one in per_class]
    between = [Interval((one.interval.low + 1) / 2, (one.interval.high + 1) / 2) for one in per_class]
    interval = mean_interval(halved, between)
    assert interval is not None  # noqa: S101  # there are images
    return Interval(2 * interval.low - 1, 2 * interval.high - 1)


def _difference_as_json(difference: float, interval: Interval | None) -> dict[str, object]:
    return {
        "difference": rounded(difference),
        "low": None if interval is None else rounded(interval.low),
        "high": None if interval is None else rounded(interval.high),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One image for which the two models predict different classes."""

    kind: Kind
    path: str  # as the store names it
    digest: str
    label: str  # the true class, as the data names it
    first: str  # what A says, in its own words
    first_probability: float
    second: str
    second_probability: float

    def as_json(self) -> dict[str, object]:
        """Plain values for compare.json."""
        return {
            "kind": self.kind,
            "path": escape_path(self.path),
            "digest": self.digest,
            "label": self.label,
            "a": self.first,
            "a_probability": rounded(self.first_probability),
            "b": self.second,
            "b_probability": rounded(self.second_probability),
        }


def find_disagreements(first: Answers, second: Answers, labels: Sequence[str]) -> list[Disagreement]:
    """Find the images on which the models disagree, most confident errors first.

    Args:
        second: what B said of the same images, in the same order.
    """
    found = []
    a_is_right, b_is_right = first.is_right, second.is_right
    a_said, b_said = _said(first), _said(second)
    for row, label in enumerate(labels):
        (a, a_probability), (b, b_probability) = a_said[row], b_said[row]
        if a_is_right[row] == b_is_right[row] and (a_is_right[row] or a == b):
            continue
        kind: Kind = "only-b-right" if b_is_right[row] else "only-a-right" if a_is_right[row] else "both-wrong"
        found.append(
            Disagreement(
                kind=kind,
                path=first.paths[row],
                digest=first.digests[row],
                label=label,
                first=a,
                first_probability=a_probability,
                second=b,
                second_probability=b_probability,
            )
        )
    return sorted(found, key=lambda one: (KINDS.index(one.kind), -_loudness(one), one.path))


def _said(answers: Answers) -> list[tuple[str, float]]:
    """What a model says of each image and how likely it is right; several classes joined, or `none`."""
    if isinstance(answers.truth, OneClass):
        top = answers.probabilities.max(axis=1).tolist()
        return [(answers.classes[said], value) for said, value in zip(answers.predicted.tolist(), top, strict=True)]
    likely = probability_of_all(answers.probabilities, answers.called).tolist()
    names = [join_names(answers.classes, called) or NONE for called in answers.called]
    return list(zip(names, likely, strict=True))


def _loudness(one: Disagreement) -> float:
    """How strongly a wrong answer was held."""
    wrong = {"only-b-right": (one.first_probability,), "only-a-right": (one.second_probability,)}
    return max(wrong.get(one.kind, (one.first_probability, one.second_probability)))


def choose_shown(disagreements: Sequence[Disagreement], *, most: int) -> list[Disagreement]:
    """Choose the most confident disagreements of each kind, up to a maximum count."""
    return [one for kind in KINDS for one in [each for each in disagreements if each.kind == kind][:most]]


def write_disagreements(path: Path, disagreements: Sequence[Disagreement]) -> None:
    """Write all of them as CSV; paths and names escaped so that they can be read back exactly."""
    right = {"only-b-right": "b", "only-a-right": "a", "both-wrong": ""}
    rows = (
        [
            escape_path(one.path),
            one.digest,
            escape_path(one.label),
            right[one.kind],
            escape_path(one.first),
            f"{one.first_probability:.6g}",
            escape_path(one.second),
            f"{one.second_probability:.6g}",
        ]
        for one in disagreements
    )
    write_csv_atomic(path, [COLUMNS, *rows])
