"""metrics.json: all figures of a model in one document."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self, TypeVar

import numpy as np

from vidi.evaluation.answers import EXTRA, TEST, Answers, join_names
from vidi.evaluation.evaluate import Evaluation, evaluate_labels, evaluate_predictions
from vidi.evaluation.guarantees.refuted import RefutedGuarantee
from vidi.evaluation.guarantees.verdicts import (
    OperatingFigures,
    VerdictFigures,
    evaluate_points,
    evaluate_verdicts,
    find_unknown,
    unknown_share,
)
from vidi.evaluation.robustness import NotMeasured, Robustness
from vidi.evaluation.scores import Estimate
from vidi.evaluation.sections import (
    AccountFacts,
    CorrectedTest,
    DataFacts,
    EnsembleFigures,
    LabelErrors,
    LearnedFacts,
    LearningFigures,
    ModelName,
    PartComparison,
    SplitFacts,
    SuspectTestLabel,
    TrainingFacts,
)
from vidi.evaluation.slices import Slice
from vidi.files import escape_path
from vidi.metrics.label_errors import find_unlikely_labels, find_wrong_targets
from vidi.metrics.outputs import SOFTMAX
from vidi.metrics.ranking import area_under_roc
from vidi.metrics.truth import OneClass, SeveralClasses
from vidi.model_file.limits import VerdictLimits
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.values import BESIDE, ROUND, by_fields, entry_names, from_plain

Figures = TypeVar("Figures")

SCHEMA = 2
WITHOUT_DUPLICATES = "without_near_duplicates"
NULL = frozenset({"verdicts", "operating_points", "foreign"})  # sections that are null where there is none
NULL_IN_A_RUN = frozenset({"calibration", "two_parts", "ensemble"})  # an evaluation leaves them out


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFigures:
    """What was said of images of classes that the model lacks, which should be answered `unknown`."""

    images: int
    classes: Mapping[str, int]  # images of each
    should_be: str = "unknown"
    mean_confidence: float = field(metadata=ROUND)
    # The chance that a known image gets a higher top probability than a foreign one; 0.5 means that it tells nothing.
    confidence_area: float | None = field(metadata=ROUND)
    novelty_area: float | None = field(metadata=ROUND)  # the same: that a foreign one is stranger than a known one
    called_unknown: Estimate | None  # the share of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which model and which images the figures are about."""

    model: ModelName | None = None
    data: DataFacts | None = None
    split: SplitFacts | None = None
    training: TrainingFacts | None = None  # None of an evaluation
    absent_classes: tuple[str, ...] | None = None  # of the model, without images; None of a run
    foreign_classes: tuple[str, ...] | None = None  # of the images, which the model lacks; None of a run


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """How far the model keeps what it promises, by part."""

    verdicts: Mapping[str, VerdictFigures] | None = None
    operating_points: Mapping[str, OperatingFigures] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Where the figures do not hold."""

    refuted: tuple[RefutedGuarantee, ...] = ()
    slices: tuple[Slice, ...] = ()
    robustness: Robustness | NotMeasured | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFigures:
    """What the labels are like, and what more of them would bring."""

    label_errors: LabelErrors | None = None
    doubted_test_labels: tuple[SuspectTestLabel, ...] = ()
    learning_curve: LearningFigures | None = None
    corrected_test: CorrectedTest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The figures of each part."""

    test: Evaluation | None = None
    test_without_near_duplicates: Evaluation | None = None
    extra: Evaluation | None = None
    extra_without_near_duplicates: Evaluation | None = None
    foreign: ForeignFigures | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Everything that metrics.json says of a run or an evaluation; None where nobody looked."""

    schema: int = SCHEMA
    classes: tuple[str, ...] = ()  # of the model
    task: str = SOFTMAX.task
    origin: Origin = field(default_factory=Origin, metadata=BESIDE)
    calibration: Mapping[str, Any] | None = None  # the figures of the step, as the model file states them
    decisions: Decisions = field(default_factory=Decisions, metadata=BESIDE)
    two_parts: PartComparison | None = None
    ensemble: EnsembleFigures | None = None
    account: AccountFacts | None = None
    learned_from: LearnedFacts | None = None
    trust: Trust = field(default_factory=Trust, metadata=BESIDE)
    labels: LabelFigures = field(default_factory=LabelFigures, metadata=BESIDE)
    test_uses: int | None = None  # how often these test images were used, this time included
    seconds: Mapping[str, float] | None = None  # by stage
    parts: Parts = field(default_factory=Parts, metadata=BESIDE)

    @property
    def is_evaluation(self) -> bool:
        """Whether it is about other images than the run's own, by `vidi evaluate`."""
        return self.origin.foreign_classes is not None

    @property
    def test_verdicts(self) -> VerdictFigures | None:
        """The verdicts on the test images."""
        return (self.decisions.verdicts or {}).get(TEST)

    @property
    def test_points(self) -> OperatingFigures | None:
        """The operating points on the test images."""
        return (self.decisions.operating_points or {}).get(TEST)

    def as_json(self) -> dict[str, object]:
        """The content of metrics.json."""
        entries, nulls = by_fields(self), NULL if self.origin.training is None else NULL | NULL_IN_A_RUN
        return {name: entries.get(name) for name in entry_names(Metrics) if name in entries or name in nulls}

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote, or an older vidi; sections that it does not know are passed over.

        Raises:
            TypeError, ValueError, KeyError, AttributeError: a section is damaged.
        """
        return from_plain(cls, entries)


def evaluate_parts(answers: Answers, *, seed: int = 0) -> dict[str, Evaluation]:
    """Score each part by itself; images of classes that the model lacks are left out.

    Returns:
        `test`, always; `test_without_near_duplicates` where some of its images have near-duplicates among those that
        something was chosen on; the same two for `extra`, where there is such a part.
    """
    known, parts, copies = (
        answers.truth.is_known,
        np.array(answers.parts),
        np.array(answers.near_duplicates, dtype=np.bool_),
    )
    figures = {}
    for part in (TEST, EXTRA):
        rows = (parts == part) & known
        if part == TEST or rows.any():
            figures[part] = _evaluate(answers.only(rows), seed=seed)
        if (rows & copies).any():
            figures[f"{part}_{WITHOUT_DUPLICATES}"] = _evaluate(answers.only(rows & ~copies), seed=seed)
    return figures


def describe_foreign(answers: Answers, limits: VerdictLimits | None = None) -> ForeignFigures | None:
    """Describe the images of unknown classes; None without any."""
    foreign = ~answers.truth.is_known
    if not foreign.any():
        return None
    confidence = answers.probabilities.max(axis=1)
    names, counts = np.unique(np.array(answers.truths)[foreign], return_counts=True)
    return ForeignFigures(
        images=int(foreign.sum()),
        classes={str(name): int(count) for name, count in zip(names, counts, strict=True)},
        mean_confidence=float(confidence[foreign].mean()),
        confidence_area=area_under_roc(confidence, ~foreign),
        novelty_area=None if answers.novelty is None else area_under_roc(answers.novelty, foreign),
        called_unknown=None if limits is None else unknown_share(answers.only(foreign), limits),
    )


def by_part(answers: Answers, measure: Callable[[Answers], Figures]) -> dict[str, Figures]:
    """Figures of each part of the test images, those of classes that the model lacks left out."""
    parts, known = np.array(answers.parts), answers.truth.is_known
    rows = {part: (parts == part) & known for part in (TEST, EXTRA)}
    return {part: measure(answers.only(of_part)) for part, of_part in rows.items() if of_part.any()}


def scored_metrics(
    answers: Answers, figures: Mapping[str, Evaluation], metadata: ModelMetadata | None = None, *, seed: int = 0
) -> Metrics:
    """What answers alone say; whoever knows more replaces further sections.

    Args:
        metadata: of the model, with its limits and operating points; None: it states none.
    """
    limits = None if metadata is None else metadata.verdict
    points = None if metadata is None else metadata.operating_points
    return Metrics(
        classes=tuple(answers.classes),
        task=answers.truth.outputs.task,
        decisions=Decisions(
            verdicts=None if limits is None else by_part(answers, partial(evaluate_verdicts, limits=limits, seed=seed)),
            operating_points=None
            if points is None
            else by_part(answers, partial(evaluate_points, points=points, seed=seed)),
        ),
        labels=LabelFigures(doubted_test_labels=doubt_labels(answers, limits)),
        parts=Parts(
            test=figures.get(TEST),
            test_without_near_duplicates=figures.get(f"{TEST}_{WITHOUT_DUPLICATES}"),
            extra=figures.get(EXTRA),
            extra_without_near_duplicates=figures.get(f"{EXTRA}_{WITHOUT_DUPLICATES}"),
            foreign=describe_foreign(answers, limits),
        ),
    )


def doubt_labels(answers: Answers, limits: VerdictLimits | None) -> tuple[SuspectTestLabel, ...]:
    """Find the images whose label is likely wrong, the least likely label first.

    Images of unknown classes, and those that the model calls unknown, are not doubted: nothing is known about them.

    Args:
        answers: of a model that was not trained on the images.
        limits: of the model; None: it states none.
    """
    judged = answers.truth.is_known
    if limits is not None:
        judged = judged & ~find_unknown(answers, limits)
    answers = answers.only(judged)
    match answers.truth:
        case OneClass(labels=labels):
            rows = find_unlikely_labels(answers.probabilities, labels).tolist()
            suggested = [escape_path(answers.classes[row]) for row in answers.predicted.tolist()]
            given = [escape_path(name) for name in answers.truths]
        case SeveralClasses(shown=shown):
            wrong = find_wrong_targets(answers.probabilities, shown)
            believed = np.where(shown, answers.probabilities, 1 - answers.probabilities)
            least = np.where(wrong, believed, 1.0).min(axis=1, initial=1.0)
            rows = [row for row in np.argsort(least, kind="stable").tolist() if wrong[row].any()]
            suggested = [join_names(answers.classes, row) for row in shown ^ wrong]
            given = [join_names(answers.classes, row) for row in shown]
    return tuple(
        SuspectTestLabel(path=escape_path(answers.paths[row]), label=given[row], suggested=suggested[row])
        for row in rows
    )


def short_figures(test: Evaluation) -> dict[str, Any]:
    """Return the test figures for the model file."""
    several = test.hamming_loss is not None
    figures = {
        "accuracy": test.accuracy,
        "balanced_accuracy": None if several else test.macro.recall,
        "macro_f1": test.macro.f1,
        "hamming_loss": test.hamming_loss,
        "log_loss": test.log_loss,
        "brier_loss": None if several else test.brier_loss,
    }
    return {
        "images": test.image_count,
        **{name: one.as_json() for name, one in figures.items() if one is not None},
        **({"mean_average_precision": test.ranking.average_precision} if several else {}),
        "calibration_error": test.calibration.error,
        "recall": {one.name: one.recall.as_json() for one in test.per_class},
    }


def _evaluate(answers: Answers, *, seed: int) -> Evaluation:
    classes, groups = answers.classes, answers.groups
    match answers.truth:
        case OneClass(labels=labels):
            return evaluate_predictions(answers.probabilities, labels, classes, groups=groups, seed=seed)
        case SeveralClasses(shown=shown):
            return evaluate_labels(answers.probabilities, shown, answers.called, classes, groups=groups, seed=seed)
