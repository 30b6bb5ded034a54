"""What monitoring found as one document of plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from vidi.files import escape_path
from vidi.model_file.read import ModelFile
from vidi.monitoring.estimate import AccuracyEstimate
from vidi.monitoring.finding import Aspect, DriftFinding
from vidi.monitoring.traffic import ModelTraffic
from vidi.workflows.monitoring.feedback import FeedbackAccuracy
from vidi.workflows.monitoring.stream import Counted

Document = dict[str, Any]
SCHEMA = 1


def monitor_document(
    model: ModelFile,
    traffic: ModelTraffic,
    counted: Counted,
    *,
    log: str,
    since: float | None,
    drift: DriftFinding,
    estimates: Mapping[str, AccuracyEstimate | None],
    parts: Sequence[tuple[int, AccuracyEstimate]],
    feedback: FeedbackAccuracy,
) -> Document:
    """The document that `--json` prints and the page shows.

    Args:
        model: the file.
        traffic: that was compared.
        counted: rows that were read.
        log: the log's address, without a password.
        since: when the traffic begins, as it was asked for.
        drift: what the search for drift found.
        estimates: of all traffic (`all`) and of that since a change (`since`).
        parts: the row after each part of the traffic, and its estimate.
        feedback: what people said.
    """
    metadata = model.metadata
    return {
        "schema": SCHEMA,
        "model": {
            "path": escape_path(model.path),
            "id": model.model_id,
            "version": metadata.run,
            "classes": list(metadata.classes),
        },
        "log": log,
        "since": since,
        "traffic": {
            "rows": counted.rows,
            "images": counted.images,
            "compared": len(traffic),
            "refused": counted.refused,
            "incomplete": counted.incomplete,
            "first": counted.first,
            "last": counted.last,
        },
        "drift": _drift(drift, traffic, metadata.classes),
        "accuracy": _estimate(estimates["all"]),
        "accuracy_since_change": _estimate(estimates["since"]),
        "accuracy_over_time": [{**_place(row - 1, traffic), **(_estimate(one) or {})} for row, one in parts],
        "feedback": asdict(feedback),
    }


def _drift(drift: DriftFinding, traffic: ModelTraffic, classes: Sequence[str]) -> Document:
    return {
        "state": drift.state,
        "rate": drift.rate,
        "images": drift.image_count,
        "p_value": drift.p_value,
        "alarmed": None if drift.alarmed_at is None else _place(drift.alarmed_at, traffic),
        "began": None if drift.began is None else _place(drift.began, traffic),
        "evidence": dict(drift.evidence),
        "changes": [
            {
                **_aspect(one.aspect, classes),
                "before": one.before,
                "after": one.after,
                "before_quartiles": one.before_quartiles,
                "after_quartiles": one.after_quartiles,
                "p_value": one.p_value,
            }
            for one in drift.changes
        ],
        "curves": [
            {
                **_aspect(one.aspect, classes),
                "usual": one.usual,
                "points": [
                    {**_place(int(row) - 1, traffic), "value": float(value)}
                    for row, value in zip(one.until, one.values, strict=True)
                    if np.isfinite(value)
                ],
            }
            for one in drift.curves
        ],
        "loudest": [_shown(int(row), traffic, classes) for row in ([] if drift.loudest is None else drift.loudest)],
    }


def _aspect(aspect: Aspect, classes: Sequence[str]) -> Document:
    name = aspect.name if aspect.class_index is None else classes[aspect.class_index]
    return {"kind": aspect.kind, "name": name}


def _place(row: int, traffic: ModelTraffic) -> Document:
    """Where a row stands in the traffic: its number from 1, and its time."""
    return {"image": row + 1, "at": float(traffic.at[row])}


def _shown(row: int, traffic: ModelTraffic, classes: Sequence[str]) -> Document:
    """One image that shows a change."""
    said = traffic.said[row].nonzero()[0].tolist()
    return {
        **_place(row, traffic),
        "digest": traffic.digests[row],
        "said": [classes[index] for index in said],
        "probability": float(traffic.probabilities[row].max()),
        "verdict": traffic.verdicts[row],
        "novelty": None if traffic.novelty is None else float(traffic.novelty[row]),
    }


def _estimate(found: AccuracyEstimate | None) -> Document | None:
    if found is None:
        return None
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "images": found.image_count,
        "confidence": found.confidence,
        "reference": found.reference,
        "distrust": list(found.distrust),
    }
