"""Whether a newly trained model may replace the one in use, judged on the same images."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from vidi.evaluation.gate.decision import USUAL_RULES, GateDecision, GateRules, JudgedClass, JudgedPart, SameImages
from vidi.evaluation.guarantees.refuted import HeldGuarantee, choose_refuted
from vidi.metrics.many_tests import shown_together
from vidi.metrics.paired import compare_paired, worse_by_chance


def judge_candidate(
    test: SameImages,
    feedback: SameImages | None,
    *,
    classes: Sequence[str],
    guarantees: Sequence[HeldGuarantee] = (),
    rules: GateRules = USUAL_RULES,
) -> GateDecision:
    """Judge whether a candidate may replace the champion.

    On the frozen test it must not be clearly worse: the lower end of the paired 95 % interval of the difference lies
    above minus a margin, the larger of `max_drop` and 3.6 standard errors. No class of enough images may be more than
    5 points worse beyond chance. On held-back feedback the candidate must be better. Its guarantees must hold.

    Args:
        test: both models on the frozen test part.
        feedback: both on held-back feedback; None where there is none, and then the candidate does not pass.
        classes: names, by the columns of `shown`.
        guarantees: of the candidate, held to the test part by `hold_to_guarantees`.
        rules: the figures of these rules.

    Raises:
        ShapeError: there is no test image.
    """
    return GateDecision(
        test=judge_part(test, rules, must_gain=False),
        classes=judge_classes(test, classes, rules),
        feedback=None if feedback is None or not len(feedback.shown) else judge_part(feedback, rules, must_gain=True),
        refuted=choose_refuted(guarantees, chance=rules.chance_of_guarantees),
        rules=rules,
    )


def judge_part(images: SameImages, rules: GateRules, *, must_gain: bool) -> JudgedPart:
    """The accuracy of both models on one part, with the margin that its number of images allows.

    The standard error is that of the interval: the distance of its lower end from the difference, over 1.96. It then
    also holds for few images, for none on which the two disagree, and for images that belong together.

    Args:
        images: at least one.
        rules: figures of the gate.
        must_gain: whether being as good is not enough.
    """
    comparison = compare_paired(images.champion_is_right, images.candidate_is_right, groups=images.groups)
    assert comparison is not None  # noqa: S101  # there are images
    quantile = NormalDist().inv_cdf((1 + comparison.level) / 2)
    error = (comparison.difference - comparison.interval.low) / quantile
    return JudgedPart(
        comparison=comparison,
        margin=max(rules.max_drop, rules.errors * error),
        max_drop=rules.max_drop,
        must_gain=must_gain,
    )


def judge_classes(images: SameImages, classes: Sequence[str], rules: GateRules) -> tuple[JudgedClass, ...]:
    """The classes with enough images, and which of them are worse by more than chance explains.

    An image that shows several classes counts for each of them, and as right where the whole answer is. Each class is
    held to the exact one-sided sign test, together by Holm's procedure; groups count once.

    Args:
        images: the test part.
        classes: names, by the columns of `shown`.
        rules: figures of the gate.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    units = np.arange(len(images.shown)) if images.groups is None else images.groups
    gain = images.candidate_is_right.astype(np.int64) - images.champion_is_right.astype(np.int64)
    sizes = images.shown.sum(axis=0)
    judged = np.flatnonzero(sizes >= rules.class_images).tolist()
    drops: dict[int, float] = {}
    lost_and_won: dict[int, tuple[int, int]] = {}
    for label in judged:
        rows = images.shown[:, label]
        net = np.bincount(np.unique(units[rows], return_inverse=True)[1], weights=gain[rows])
        drops[label] = float(gain[rows].mean())
        lost_and_won[label] = int((net < 0).sum()), int((net > 0).sum())
    p_values = [worse_by_chance(lost, won) for lost, won in lost_and_won.values()]
    least = [0.5 ** (lost + won) for lost, won in lost_and_won.values()]
    shown = shown_together(p_values, least, chance=rules.chance_of_classes).tolist()
    return tuple(
        JudgedClass(
            name=classes[label],
            image_count=int(sizes[label]),
            difference=drops[label],
            p_value=chance,
            is_worse=is_shown and drops[label] < -rules.class_drop,
        )
        for label, chance, is_shown in zip(judged, p_values, shown, strict=True)
    )
