"""metrics.json: all figures of a model in one document."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vidi.evaluation.answers import EXTRA, TEST, Answers
from vidi.evaluation.evaluate import evaluate_predictions
from vidi.evaluation.evaluate_labels import evaluate_labels
from vidi.evaluation.evaluation import Evaluation, rounded
from vidi.evaluation.guarantees.at_points import evaluate_points
from vidi.evaluation.guarantees.verdicts import evaluate_verdicts, unknown_share
from vidi.files import write_whole
from vidi.metrics.ranking import area_under_roc
from vidi.metrics.truth import OneClass, SeveralClasses
from vidi.model_file.limits import VerdictLimits
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.operating_points import OperatingPoints

SCHEMA = 1
WITHOUT_COPIES = "without_near_copies"


def evaluate_parts(answers: Answers, *, seed: int = 0) -> dict[str, Evaluation]:
    """Score each part by itself; images of classes that the model lacks are left out.

    Returns:
        `test`, always; `test_without_near_copies` where some of its images have near copies among those that
        something was chosen on; the same two for `extra`, where there is such a part.
    """
    known, parts, copies = (
        answers.truth.is_known,
        np.array(answers.parts),
        np.array(answers.near_copies, dtype=np.bool_),
    )
    figures = {}
    for part in (TEST, EXTRA):
        rows = (parts == part) & known
        if part == TEST or rows.any():
            figures[part] = _evaluate(answers.only(rows), seed=seed)
        if (rows & copies).any():
            figures[f"{part}_{WITHOUT_COPIES}"] = _evaluate(answers.only(rows & ~copies), seed=seed)
    return figures


def describe_foreign(answers: Answers, limits: VerdictLimits | None = None) -> dict[str, object] | None:
    """Describe the images of unknown classes, which should be answered `unknown`; None without any.

    `confidence_area` is the chance that a known image gets a higher top probability than a foreign one, and
    `novelty_area` that a foreign one is stranger than a known one: 0.5 means that it tells nothing.

    Args:
        answers: of a model.
        limits: of the same.
    """
    foreign = ~answers.truth.is_known
    if not foreign.any():
        return None
    confidence = answers.probabilities.max(axis=1)
    names, counts = np.unique(np.array(answers.truths)[foreign], return_counts=True)
    return {
        "images": int(foreign.sum()),
        "classes": {str(name): int(count) for name, count in zip(names, counts, strict=True)},
        "should_be": "unknown",
        "mean_confidence": rounded(float(confidence[foreign].mean())),
        "confidence_area": rounded(area_under_roc(confidence, ~foreign)),
        "novelty_area": None if answers.novelty is None else rounded(area_under_roc(answers.novelty, foreign)),
        "called_unknown": None if limits is None else unknown_share(answers.only(foreign), limits).as_json(),
    }


def verdict_figures(answers: Answers, limits: VerdictLimits | None, *, seed: int) -> dict[str, object] | None:
    """Figures of the guarantees on each part of the test images, for metrics.json; None without limits."""
    if limits is None:
        return None
    parts, known = np.array(answers.parts), answers.truth.is_known
    return {
        part: evaluate_verdicts(answers.only((parts == part) & known), limits, seed=seed).as_json()
        for part in (TEST, EXTRA)
        if ((parts == part) & known).any()
    }


def promise_figures(answers: Answers, metadata: ModelMetadata, *, seed: int) -> dict[str, object]:
    """The sections `verdicts` and `operating_points` of metrics.json; null where the model states none.

    Args:
        answers: what was scored.
        metadata: of the model, with its limits and operating points.
        seed: for the resampling of groups.
    """
    return {
        "verdicts": verdict_figures(answers, metadata.verdict, seed=seed),
        "operating_points": point_figures(answers, metadata.operating_points, seed=seed),
    }


def point_figures(answers: Answers, points: OperatingPoints | None, *, seed: int) -> dict[str, object] | None:
    """Figures of the operating points on each part of the test images, for metrics.json; None without them."""
    if points is None:
        return None
    parts, known = np.array(answers.parts), answers.truth.is_known
    return {
        part: evaluate_points(answers.only((parts == part) & known), points, seed=seed).as_json()
        for part in (TEST, EXTRA)
        if ((parts == part) & known).any()
    }


def metrics_document(
    answers: Answers,
    figures: Mapping[str, Evaluation],
    *,
    about: Mapping[str, object],
    limits: VerdictLimits | None = None,
) -> dict[str, object]:
    """The content of metrics.json.

    Args:
        answers: what was scored.
        figures: from `evaluate_parts`.
        about: further sections that the report shows: `model`, `data`, `calibration`, `verdicts`, `account`,
            `test_uses`.
        limits: of the model.
    """
    return {
        "schema": SCHEMA,
        "classes": list(answers.classes),
        "task": answers.truth.outputs.task,
        **about,
        **{part: evaluation.as_json() for part, evaluation in figures.items()},
        "foreign": describe_foreign(answers, limits),
    }


def write_metrics(path: Path, document: Mapping[str, object]) -> None:
    """Write metrics.json whole. No data is null; a NaN is a bug and raises ValueError."""
    write_whole(path, json.dumps(document, allow_nan=False, ensure_ascii=True, indent=1) + "\n")


def _evaluate(answers: Answers, *, seed: int) -> Evaluation:
    groups = None if not any(answers.groups) else answers.groups
    match answers.truth:
        case OneClass(labels=labels):
            return evaluate_predictions(answers.probabilities, labels, answers.classes, groups=groups, seed=seed)
        case SeveralClasses(shown=shown):
            return evaluate_labels(
                answers.probabilities, shown, answers.called, answers.classes, groups=groups, seed=seed
            )
