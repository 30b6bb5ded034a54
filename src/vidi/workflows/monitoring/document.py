"""What monitoring found, with the accuracy by feedback: as one document of plain values, and as gauges."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from vidi.files import escape_path, write_whole
from vidi.log.records import Feedback, LoggedPrediction
from vidi.metrics.intervals import wilson_interval
from vidi.model_file.decisions import say
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.monitoring.estimate import AccuracyEstimate
from vidi.monitoring.finding import Aspect, DriftFinding
from vidi.monitoring.traffic import ModelTraffic
from vidi.workflows.monitoring.stream import Counted

Document = dict[str, Any]
SCHEMA = 1
Said = frozenset[str]  # classes
LABELS = ("model_id", "version")
Found = Mapping[str, Any]  # a document of monitoring
# Name of each gauge → what it says.
GAUGES: Mapping[str, str] = {
    "vidi_drift_alarm": "1 if the images have changed, 0 if no change is shown.",
    "vidi_drift_p_value": "Smallest false-alarm rate at which the alarm had been raised.",
    "vidi_drift_images": "Different images that were compared with the reference.",
    "vidi_estimated_accuracy": "Estimated accuracy on all images, without labels.",
    "vidi_estimated_accuracy_low": "Lower end of its 95 % range.",
    "vidi_estimated_accuracy_high": "Upper end of its 95 % range.",
    "vidi_estimated_accuracy_trusted": "0 where the estimate cannot be trusted, for example for new classes.",
    "vidi_estimated_accuracy_since_change": "Estimated accuracy since the change.",
    "vidi_feedback_accuracy": "Accuracy by feedback, on images that people chose.",
    "vidi_feedback_images": "Images with clear feedback.",
    "vidi_monitor_last_image_timestamp_seconds": "Time of the last image in the log.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackAccuracy:
    """Answers beside people's words about the same images."""

    images: int  # that were answered and have feedback
    judged: int  # of these, with a clear and undisputed class
    right: int
    unclear: int  # nobody could tell
    disagreed: int  # people say different things
    value: float | None  # right of judged
    low: float | None  # of the 95 % interval
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorFindings:
    """What was found about a model's traffic."""

    drift: DriftFinding
    accuracy: AccuracyEstimate | None  # of all of it
    accuracy_since_change: AccuracyEstimate | None  # None without an alarm, too
    accuracy_over_time: Sequence[tuple[int, AccuracyEstimate]]  # the row after each part, and the part's estimate
    feedback: FeedbackAccuracy


def monitor_document(
    model: ModelFile,
    traffic: ModelTraffic,
    counted: Counted,
    findings: MonitorFindings,
    *,
    log: str,
    since: float | None,
) -> Document:
    """The document that `--json` prints and the page shows.

    Args:
        model: the file.
        traffic: that was compared.
        counted: rows that were read.
        findings: about that traffic.
        log: the log's address, without a password.
        since: when the traffic begins, as it was asked for.
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
        "drift": _drift(findings.drift, traffic, metadata.classes),
        "accuracy": _estimate(findings.accuracy),
        "accuracy_since_change": _estimate(findings.accuracy_since_change),
        "accuracy_over_time": [
            {**_place(row - 1, traffic), **(_estimate(one) or {})} for row, one in findings.accuracy_over_time
        ],
        "feedback": asdict(findings.feedback),
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


class NotedAnswers:
    """Rows that pass, and what was last said of some images."""

    def __init__(self, metadata: ModelMetadata, wanted: Collection[str]) -> None:
        """
        Args:
            metadata: of the model that answered.
            wanted: digests of the images.
        """
        self.answers: dict[str, Said] = {}
        self._metadata = metadata
        self._wanted = frozenset(wanted)

    def passing(self, rows: Iterable[LoggedPrediction]) -> Iterator[LoggedPrediction]:
        """The rows as they are."""
        classes = self._metadata.classes
        for row in rows:
            if row.digest in self._wanted and row.probabilities is not None:
                called = say(row.probabilities[None], self._metadata)[0]
                self.answers[row.digest] = frozenset(classes[index] for index in called.nonzero()[0].tolist())
            yield row


def judge_by_feedback(answers: Mapping[str, Said], feedback: Sequence[Feedback]) -> FeedbackAccuracy:
    """Compare what the model said with what people say; of one person the last word counts.

    An image on which people disagree is left out, and so is one that nobody could tell. “None of the classes” makes
    every class wrong.

    Args:
        answers: by the image's digest, the classes that the model named.
        feedback: in the order of arrival, of any images.
    """
    words = _last_words(feedback)
    right = judged = unclear = disagreed = 0
    for digest, said in answers.items():
        clear = {frozenset(one.labels) for one in words.get(digest, ()) if one.kind != "unclear"}
        if len(clear) == 1:
            judged += 1
            right += said in clear
        elif clear:
            disagreed += 1
        else:
            unclear += 1
    interval = wilson_interval(right, judged) if judged else None
    return FeedbackAccuracy(
        images=len(answers),
        judged=judged,
        right=right,
        unclear=unclear,
        disagreed=disagreed,
        value=right / judged if judged else None,
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
    )


def _last_words(feedback: Sequence[Feedback]) -> Mapping[str, Collection[Feedback]]:
    """By image, the last word of each source."""
    words: dict[str, dict[str, Feedback]] = {}
    for one in feedback:
        words.setdefault(one.digest, {})[one.source] = one
    return {digest: of_sources.values() for digest, of_sources in words.items()}


class MonitorGauges(Collector):
    """The gauges of some models, as a registry of Prometheus asks for them."""

    def __init__(self, documents: Sequence[Found] = ()) -> None:
        """
        Args:
            documents: of `vidi monitor --json`, one for each model.
        """
        self.documents = documents

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every gauge with a sample for each model; a value that is not known is left out."""
        shown = [((one["model"]["id"], one["model"]["version"]), values_of(one)) for one in self.documents]
        for name, sentence in GAUGES.items():
            family = GaugeMetricFamily(name, sentence, labels=LABELS)
            for labels, values in shown:
                if (value := values[name]) is not None:
                    family.add_metric(labels, float(value))
            if family.samples:
                yield family


def write_gauges(path: Path, document: Found) -> None:
    """Write the gauges as the textfile collector of the node exporter reads them, whole or not at all.

    Args:
        path: the collector takes files that end in `.prom`.
        document: of `vidi monitor --json`.

    Raises:
        ResourceError: the file cannot be written.
    """
    registry = CollectorRegistry()
    registry.register(MonitorGauges([document]))
    write_whole(path, generate_latest(registry))


def values_of(document: Found) -> dict[str, float | None]:
    """The value of each gauge; None where it is not known."""
    drift, feedback = document["drift"], document["feedback"]
    accuracy, since = document["accuracy"] or {}, document["accuracy_since_change"] or {}
    return {
        "vidi_drift_alarm": drift["state"] == "alarm",
        "vidi_drift_p_value": drift["p_value"],
        "vidi_drift_images": drift["images"],
        "vidi_estimated_accuracy": accuracy.get("value"),
        "vidi_estimated_accuracy_low": accuracy.get("low"),
        "vidi_estimated_accuracy_high": accuracy.get("high"),
        "vidi_estimated_accuracy_trusted": None if accuracy.get("value") is None else not accuracy["distrust"],
        "vidi_estimated_accuracy_since_change": since.get("value"),
        "vidi_feedback_accuracy": feedback["value"],
        "vidi_feedback_images": feedback["judged"],
        "vidi_monitor_last_image_timestamp_seconds": document["traffic"]["last"],
    }
