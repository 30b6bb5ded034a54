"""Whether a newly trained model may replace the one in use, judged on the same images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from vidi.evaluation.comparison import PairedAnswers
from vidi.evaluation.guarantees.refuted import HeldGuarantee, choose_refuted
from vidi.metrics.intervals import shown_together
from vidi.metrics.paired import PairedComparison, compare_paired, worse_by_chance
from vidi.model_file.values import Json, rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """What a candidate has to keep to; shares of images and of chance."""

    max_drop: float = 0.01  # accuracy that may be lost where enough images could show it
    # With fewer images, standard errors of the difference instead: an equal candidate passes in 95 of 100 cases.
    errors: float = 3.6
    class_drop: float = 0.05  # of one class
    class_images: int = 30  # a class with fewer is not judged by itself
    chance_of_classes: float = 0.05  # that any class is named where none is worse
    chance_of_guarantees: float = 0.01  # that any guarantee is called refuted where all are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPart:
    """The accuracy of both models on one part."""

    comparison: PairedComparison  # champion first
    margin: float  # the lower end of the difference's interval has to lie above minus this
    max_drop: float
    must_gain: bool  # the difference itself has to be above 0, too

    @property
    def is_met(self) -> bool:
        """Whether the candidate keeps to the rule on this part."""
        gains = self.comparison.difference > 0 or not self.must_gain
        return gains and self.comparison.interval.low > -self.margin

    @property
    def more_images(self) -> int:
        """Estimate how many more images would bring the margin down to the largest drop; 0 where it is that."""
        count = self.comparison.image_count
        return math.ceil(count * ((self.margin / self.max_drop) ** 2 - 1) - 1e-9)

    def as_json(self) -> dict[str, Json]:
        """Plain values for gate.json."""
        counts = self.comparison
        return {
            "met": self.is_met,
            "must_gain": self.must_gain,
            "images": counts.image_count,
            "champion": rounded(counts.first_accuracy),
            "candidate": rounded(counts.second_accuracy),
            "difference": rounded(counts.difference),
            "low": rounded(counts.interval.low),
            "high": rounded(counts.interval.high),
            "only_champion_right": counts.only_first,
            "only_candidate_right": counts.only_second,
            "margin": rounded(self.margin),
            "more_images": self.more_images,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedClass:
    """The accuracy of both models on the test images of one class."""

    name: str
    image_count: int
    difference: float  # the candidate's accuracy less the champion's
    p_value: float  # how often chance alone loses as many where the candidate is as good
    is_worse: bool  # by more than the rule allows, and beyond chance

    def as_json(self) -> dict[str, Json]:
        """Plain values for gate.json."""
        return {
            "class": self.name,
            "images": self.image_count,
            "difference": rounded(self.difference),
            "p_value": rounded(self.p_value),
            "worse": self.is_worse,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """Whether the candidate passes, and how it did by each rule."""

    test: JudgedPart
    classes: tuple[JudgedClass, ...]  # those with enough test images
    feedback: JudgedPart | None  # None: no feedback was held back, and only the test part can show a gain
    refuted: tuple[HeldGuarantee, ...]  # guarantees of the candidate that the test images refute
    rules: GateRules

    @property
    def passed(self) -> bool:
        """Whether the candidate may replace the champion."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """The rules that are not met, by their codes; empty where the candidate passes."""
        if self.feedback is None:
            feedback = "" if self.test.must_gain else "no-feedback"
        else:
            feedback = "" if self.feedback.is_met else "feedback"
        gains = not self.test.must_gain or self.test.comparison.difference > 0
        found = {
            "test": not self.test.is_met and gains,
            "no-gain": not gains,
            "classes": any(one.is_worse for one in self.classes),
            feedback: bool(feedback),
            "guarantees": bool(self.refuted),
        }
        return tuple(code for code, is_so in found.items() if is_so)

    def as_json(self) -> dict[str, Json]:
        """Plain values for gate.json and the registry's history."""
        return {
            "passed": self.passed,
            "reasons": list(self.reasons),
            "test": self.test.as_json(),
            "classes": [one.as_json() for one in self.classes],
            "feedback": None if self.feedback is None else self.feedback.as_json(),
            "refuted": [
                {
                    "kind": one.kind,
                    "class": one.name or None,
                    "guaranteed": rounded(one.guaranteed),
                    "measured": rounded(one.measured),
                    "images": one.image_count,
                }
                for one in self.refuted
            ],
        }


USUAL_RULES = GateRules()


def judge_candidate(
    test: PairedAnswers,
    feedback: PairedAnswers | None,
    *,
    guarantees: Sequence[HeldGuarantee] = (),
    corrected: bool = False,
    rules: GateRules = USUAL_RULES,
) -> GateDecision:
    """Judge whether a candidate may replace the champion.

    On the frozen test it must not be clearly worse: the lower end of the paired 95 % interval of the difference lies
    above minus a margin, the larger of `max_drop` and 3.6 standard errors. No class of enough images may be more than
    5 points worse beyond chance. On held-back feedback the candidate must be better; where it learned from corrected
    labels alone, on the test part. Its guarantees must hold.

    Args:
        test: the champion (in use) first, the candidate second, on the frozen test part.
        feedback: both on held-back feedback; None where there is none, and then the candidate does not pass unless it
            is `corrected`.
        corrected: the candidate learned from corrected labels, and from no new image.

    Raises:
        ShapeError: there is no test image.
    """
    held_back = None if feedback is None or not len(feedback.shown) else judge_part(feedback, rules, must_gain=True)
    return GateDecision(
        test=judge_part(test, rules, must_gain=corrected and held_back is None),
        classes=judge_classes(test, rules),
        feedback=held_back,
        refuted=choose_refuted(guarantees, chance=rules.chance_of_guarantees),
        rules=rules,
    )


def judge_part(images: PairedAnswers, rules: GateRules, *, must_gain: bool) -> JudgedPart:
    """The accuracy of both models on one part, with the margin that its number of images allows.

    The standard error is that of the interval: the distance of its lower end from the difference, over 1.96. It then
    also holds for few images, for none on which the two disagree, and for images that belong together.

    Args:
        images: at least one.
        must_gain: whether being as good is not enough.
    """
    comparison = compare_paired(images.first_is_right, images.second_is_right, groups=images.groups)
    assert comparison is not None  # noqa: S101  # there are images
    quantile = NormalDist().inv_cdf((1 + comparison.level) / 2)
    error = (comparison.difference - comparison.interval.low) / quantile
    return JudgedPart(
        comparison=comparison,
        margin=max(rules.max_drop, rules.errors * error),
        max_drop=rules.max_drop,
        must_gain=must_gain,
    )


def judge_classes(images: PairedAnswers, rules: GateRules) -> tuple[JudgedClass, ...]:
    """The classes with enough images, and which of them are worse by more than chance explains.

    An image that shows several classes counts for each of them, and as right where the whole answer is. Each class is
    held to the exact one-sided sign test, together by Holm's procedure; groups count once.

    Args:
        images: the test part.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    gain = images.second_is_right.astype(np.int64) - images.first_is_right.astype(np.int64)
    sizes = images.shown.sum(axis=0)
    judged = np.flatnonzero(sizes >= rules.class_images).tolist()
    drops: dict[int, float] = {}
    lost_and_won: dict[int, tuple[int, int]] = {}
    for label in judged:
        rows = images.shown[:, label]
        net = np.bincount(np.unique(images.groups[rows], return_inverse=True)[1], weights=gain[rows])
        drops[label] = float(gain[rows].mean())
        lost_and_won[label] = int((net < 0).sum()), int((net > 0).sum())
    p_values = [worse_by_chance(lost, won) for lost, won in lost_and_won.values()]
    least = [0.5 ** (lost + won) for lost, won in lost_and_won.values()]
    shown = shown_together(p_values, least, chance=rules.chance_of_classes).tolist()
    return tuple(
        JudgedClass(
            name=images.classes[label],
            image_count=int(sizes[label]),
            difference=drops[label],
            p_value=chance,
            is_worse=is_shown and drops[label] < -rules.class_drop,
        )
        for label, chance, is_shown in zip(judged, p_values, shown, strict=True)
    )
