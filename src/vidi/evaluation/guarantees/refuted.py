"""Whether test images refute what a model guarantees, and which guarantees these are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from vidi.evaluation.answers import TEST, Answers
from vidi.evaluation.guarantees.verdicts import hold_to_limits
from vidi.metrics.arrays import Counts
from vidi.metrics.conformal import coverage_by_chance
from vidi.metrics.intervals import failures_by_chance, shown_together
from vidi.metrics.operating import Mask
from vidi.metrics.paired import effective_weight
from vidi.model_file.decisions import call_classes
from vidi.model_file.limits import OperatingPoints, Refuted, VerdictLimits
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.values import ROUND, key

CHANCE = 0.01  # of naming any where all are kept
Kind = Literal["sure", "candidates", "recall", "precision", "false-alarms", "costs", "f1"]  # what is guaranteed


@dataclass(frozen=True, slots=True, kw_only=True)
class RefutedGuarantee:
    """One guarantee that does not hold, as metrics.json states it."""

    kind: str
    name: str | None = field(metadata=key("class"))  # None where it is about all
    guaranteed: float
    measured: float = field(metadata=ROUND)
    image_count: int = field(metadata=key("n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldGuarantee:
    """One guarantee with its test result."""

    kind: Kind
    name: str  # of the class; empty where it is about all
    guaranteed: float  # the share of failures that is allowed at most, or of successes at least
    measured: float
    image_count: int  # images that it is about
    p_value: float  # how often chance alone gives so bad a figure where the guarantee is kept

    def as_refuted(self) -> RefutedGuarantee:
        """The entry of metrics.json, where the test refutes it."""
        return RefutedGuarantee(
            kind=self.kind,
            name=self.name or None,
            guaranteed=self.guaranteed,
            measured=self.measured,
            image_count=self.image_count,
        )


def hold_to_guarantees(
    answers: Answers, limits: VerdictLimits | None, points: OperatingPoints | None
) -> list[HeldGuarantee]:
    """Test a model's answers against all its guarantees.

    Images of one group count as many as are independent (Kish's effective number).

    Args:
        answers: about test images of classes that the model knows.
        limits: of the model file; None where it states none.
    """
    if not len(answers.paths):
        return []
    groups = answers.group_numbers
    tested = [] if limits is None else _test_limits(answers, limits, groups)
    return tested + ([] if points is None else _test_points(answers, points, groups))


def _test_limits(answers: Answers, limits: VerdictLimits, groups: Counts) -> list[HeldGuarantee]:
    held, tested = hold_to_limits(answers, limits), []
    if limits.sure is not None and held.is_sure.any():
        wrong = ~answers.is_right
        tested.append(_failures("sure", "", wrong, held.is_sure, groups, guaranteed=limits.max_error))
    if limits.candidate is not None:
        weight = effective_weight(groups)
        count, covered = len(groups), int(held.is_covered.sum())
        chance = coverage_by_chance(
            covered * weight, count * weight, limits.image_count * weight, coverage=limits.coverage
        )
        tested.append(
            HeldGuarantee(
                kind="candidates",
                name="",
                guaranteed=limits.coverage,
                measured=covered / count,
                image_count=count,
                p_value=chance,
            )
        )
    return tested


def _test_points(answers: Answers, points: OperatingPoints, groups: Counts) -> list[HeldGuarantee]:
    if points.share is None or points.measure in ("costs", "f1"):
        return []
    called, shown = call_classes(answers.probabilities, points, answers.classes), answers.truth.shown
    tested = []
    for point in points.points:
        if not point.is_promised:
            continue
        index = answers.classes.index(point.name)
        said, true = called[:, index], shown[:, index]
        match points.measure:
            case "recall":
                failed, among = ~said, true
            case "precision":
                failed, among = ~true, said
            case _:
                failed, among = said, ~true
        if among.any():
            tested.append(_failures(points.measure, point.name, failed, among, groups, guaranteed=points.share))
    return tested


def _failures(kind: Kind, name: str, failed: Mask, among: Mask, groups: Counts, *, guaranteed: float) -> HeldGuarantee:
    """A guarantee about a share of images, with the number of failures."""
    count, failures = int(among.sum()), int((failed & among).sum())
    at_most = kind in ("sure", "false-alarms")
    weight = effective_weight(np.unique(groups[among], return_inverse=True)[1])
    chance = failures_by_chance(failures * weight, count * weight, allowed=guaranteed if at_most else 1 - guaranteed)
    measured = failures / count
    return HeldGuarantee(
        kind=kind,
        name=name,
        guaranteed=guaranteed,
        measured=measured if at_most else 1 - measured,
        image_count=count,
        p_value=chance,
    )


def choose_refuted(tested: Sequence[HeldGuarantee], *, chance: float) -> tuple[HeldGuarantee, ...]:
    """Choose the guarantees that the test refutes, with at most this rate of false refutations.

    Args:
        chance: of naming any where all are kept.
    """
    shown = shown_together([one.p_value for one in tested], [0.0] * len(tested), chance=chance)
    return tuple(one for one, is_refuted in zip(tested, shown.tolist(), strict=True) if is_refuted)


def as_refuted(refuted: Sequence[HeldGuarantee]) -> Refuted | None:
    """The same as the model file states it; None where nothing is refuted."""
    if not refuted:
        return None
    kinds = {one.kind for one in refuted}
    return Refuted(
        sure="sure" in kinds, candidates="candidates" in kinds, classes=tuple(one.name for one in refuted if one.name)
    )


def refuted_on(answers: Answers, metadata: ModelMetadata) -> tuple[HeldGuarantee, ...]:
    """The guarantees of a model file that a set of images refutes; one is named in 1 % of the cases if all are kept."""
    tested = answers.only((np.array(answers.parts) == TEST) & (answers.labels >= 0))
    return choose_refuted(hold_to_guarantees(tested, metadata.verdict, metadata.operating_points), chance=CHANCE)
