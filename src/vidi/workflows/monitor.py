"""`vidi monitor`: has what comes in changed, how good are the answers probably, and which images say so?"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np

from vidi.errors import DataError, GateError, ModelError
from vidi.files import escape_path
from vidi.images.statistics import QUALITIES
from vidi.log.address import parse_address
from vidi.log.records import Feedback, LoggedPrediction
from vidi.log.store import PredictionLog
from vidi.metrics.intervals import wilson_interval
from vidi.model_file.decisions import say
from vidi.model_file.drift_reference import DriftReference
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.values import as_plain
from vidi.monitoring.drift import find_drift
from vidi.monitoring.estimate import AccuracyEstimate, estimate_accuracy, estimate_parts
from vidi.monitoring.finding import Aspect, DriftFinding
from vidi.monitoring.traffic import ModelTraffic, as_stream
from vidi.report.pages.monitor import headline
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.run_folder import require_own
from vidi.workflows.requests.in_use import MonitorRequest

SAID_EVERY = 5_000  # rows
KEPT_WHOLE = 100_000  # different images; of as many more every second is kept, of the next 200,000 every fourth

BLOCK = 4_096  # images
Document = dict[str, Any]
SCHEMA = 1
Said = frozenset[str]  # classes


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorResult:
    """Result of monitoring."""

    document: Document  # that `--json` prints and the page shows
    drift: DriftFinding

    def require_quiet(self) -> None:
        """Require that there is no alarm.

        Raises:
            GateError: there is one.
        """
        if self.drift.is_alarm:
            raise GateError(
                headline(self.document).removeprefix("Alarm: ").rstrip("."),
                "Look at the images (`-o page.html`), label some of them, and train again if the answers are worse.",
            )


def monitor(request: MonitorRequest, *, events: Events = SILENCE) -> MonitorResult:
    """Compare the traffic in a prediction log with the model file's reference; write the page.

    Raises:
        ModelError: no model file, or one without a drift reference.
        NoLogError: there is no log.
        DataError: the log holds predictions of other models alone.
        UsageError: the log's address cannot be used, or the page would replace something else.
        LogUnavailableError: the log cannot be read.
    """
    model = read_model(request.model)
    reference = _reference(model)
    if request.output is not None:
        require_own(request.output)
    address = parse_address(request.log, environment=os.environ)
    with PredictionLog.open(address, create=False) as log:
        _require_known(log, model)
        feedback = log.feedback()
        noted = NotedAnswers(model.metadata, {one.digest for one in feedback})
        rows = (row for _, row in log.predictions(model.model_id, since=request.since))
        traffic, counted = read_traffic(noted.passing(_counted(rows, events)), model.metadata)
        drift = find_drift(traffic, reference)
        document = {
            **_compared(model, traffic, counted, log=str(address), since=request.since),
            "drift": _drift(drift, traffic, model.metadata.classes),
            "accuracy": as_plain(estimate_accuracy(traffic, model.metadata)),
            "accuracy_since_change": as_plain(_estimate_since_change(traffic, model, drift)),
            "accuracy_over_time": [
                {**_place(row - 1, traffic), **as_plain(one)} for row, one in estimate_parts(traffic, model.metadata)
            ],
            "feedback": asdict(judge_by_feedback(noted.answers, feedback)),
        }
        if request.output is not None:
            from vidi.report.pages.monitor import write_monitor_page

            write_monitor_page(request.output, document, image_of=log.image if request.images else None)
    return MonitorResult(document=document, drift=drift)


def _reference(model: ModelFile) -> DriftReference:
    reference = model.metadata.drift_reference
    if reference is None:
        raise ModelError(
            f"{escape_path(model.path)} holds no drift reference, so there is nothing to compare with",
            "Add one with labelled images that the model has not seen: `vidi calibrate MODEL DATA -o NEW`.",
        )
    return reference


def _require_known(log: PredictionLog, model: ModelFile) -> None:
    """Refuse a log that holds other models' predictions alone."""
    others = log.models()
    if others and all(one.model_id != model.model_id for one in others):
        named = ", ".join(f"{one.name} ({one.model_id})" for one in others[:5])
        raise DataError(
            f"{log.address} holds no prediction by {escape_path(model.path)} ({model.model_id}); it holds those of "
            f"{named}{' and more' if len(others) > 5 else ''}",
            "Name the model file that gave them. A file that was calibrated again is another model.",
        )


def _counted(rows: Iterator[LoggedPrediction], events: Events) -> Iterator[LoggedPrediction]:
    for number, row in enumerate(rows, start=1):
        if number % SAID_EVERY == 0:
            events.reading(number, 0)
        yield row


def _estimate_since_change(traffic: ModelTraffic, model: ModelFile, drift: DriftFinding) -> AccuracyEstimate | None:
    if not drift.began or not drift.is_alarm:
        return None
    return estimate_accuracy(traffic.only(np.arange(drift.began, len(traffic))), model.metadata)


@dataclass(slots=True)
class RowCounts:
    """Rows that were read, and what became of them."""

    rows: int = 0  # with an answer that can be used
    images: int = 0  # different ones among these
    refused: int = 0  # about images that could not be used
    incomplete: int = 0  # without probabilities, or without what the reference is compared with
    first: float | None = None  # seconds since 1970, UTC
    last: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredValues:
    """What a row must hold to be compared with a model's reference."""

    class_count: int
    novelty: bool
    components: int | None
    statistics: bool

    @classmethod
    def by(cls, metadata: ModelMetadata) -> "RequiredValues":
        """What the model's reference and limits ask for."""
        reference = metadata.drift_reference
        images = None if reference is None else reference.images
        embeddings = None if images is None else images.embeddings
        return cls(
            class_count=len(metadata.classes),
            novelty=(metadata.verdict is not None and metadata.verdict.novelty is not None)
            or (reference is not None and reference.novelty is not None),
            components=None if embeddings is None else embeddings.component_count,
            statistics=images is not None,
        )

    def is_in(self, row: LoggedPrediction) -> bool:
        """Whether a row holds all of it."""
        if row.probabilities is None or len(row.probabilities) != self.class_count:
            return False
        if (self.novelty and row.novelty is None) or (self.statistics and row.statistics is None):
            return False
        return self.components is None or (row.embedding is not None and len(row.embedding) == self.components)


def keep_every(number: int, *, whole: int = KEPT_WHOLE) -> int:
    """Of the images around this one, one of how many is kept.

    It depends on an image's number alone, not on how many follow: what one look has seen, a later one sees again.

    Args:
        number: of the different images before it.
        whole: so many at the beginning are all kept.

    >>> [keep_every(number, whole=10) for number in (0, 9, 10, 19, 20, 39, 40)]
    [1, 1, 2, 2, 4, 4, 8]
    """
    return 1 if number < whole else 2 << (number // whole).bit_length() - 1


def read_traffic(
    rows: Iterable[LoggedPrediction], metadata: ModelMetadata, *, whole: int = KEPT_WHOLE
) -> tuple[ModelTraffic, RowCounts]:
    """Collect the images to compare, those of one time shuffled, and count the rest.

    Args:
        rows: of one model, in the order of arrival.
        whole: so many different images are all kept; of more, ever fewer (see `keep_every`).
    """
    counted = RowCounts()
    kept = _thinned(_once(rows, RequiredValues.by(metadata), counted), whole)
    # Arrays of many images take less memory than the rows of a log: those are held for one block alone.
    blocks = [_as_traffic(block, metadata) for block in iter(lambda: list(islice(kept, BLOCK)), [])]
    traffic = _joined(blocks) if blocks else _as_traffic([], metadata)
    return as_stream(traffic)[1], counted


def _once(rows: Iterable[LoggedPrediction], needed: RequiredValues, counted: RowCounts) -> Iterator[LoggedPrediction]:
    """Each image when it first comes: a repeated one is no new evidence."""
    seen: set[int] = set()
    for row in rows:
        if row.error is not None:
            counted.refused += 1
            continue
        if not needed.is_in(row):
            counted.incomplete += 1
            continue
        counted.rows += 1
        counted.first = row.at if counted.first is None else min(counted.first, row.at)
        counted.last = row.at if counted.last is None else max(counted.last, row.at)
        digest = int(row.digest[:15], 16)  # 60 bits: of a million images two are alike in one of two million logs
        if digest not in seen:
            seen.add(digest)
            counted.images += 1
            yield row


def _thinned(images: Iterable[LoggedPrediction], whole: int) -> Iterator[LoggedPrediction]:
    for number, one in enumerate(images):
        if number % keep_every(number, whole=whole) == 0:
            yield one


def _as_traffic(kept: list[LoggedPrediction], metadata: ModelMetadata) -> ModelTraffic:
    needed, count = RequiredValues.by(metadata), len(kept)
    probabilities = np.array([one.probabilities for one in kept], np.float32).reshape(count, needed.class_count)
    placed = [one.embedding for one in kept if one.embedding is not None]
    seen = [one.statistics for one in kept if one.statistics is not None]
    return ModelTraffic(
        at=np.array([one.at for one in kept], np.float64),
        digests=[one.digest for one in kept],
        probabilities=probabilities,
        said=say(probabilities, metadata),
        verdicts=[one.verdict for one in kept],
        novelty=np.array([one.novelty for one in kept], np.float32) if needed.novelty else None,
        embeddings=None
        if needed.components is None
        else np.array(placed, np.float32).reshape(count, needed.components),
        qualities={name: np.array([getattr(one, name) for one in seen], np.float32) for name in QUALITIES}
        if needed.statistics
        else {},
    )


def _joined(blocks: Sequence[ModelTraffic]) -> ModelTraffic:
    """Blocks of one stream as one traffic; they hold the same fields."""
    first = blocks[0]
    return ModelTraffic(
        at=np.concatenate([one.at for one in blocks]),
        digests=[digest for one in blocks for digest in one.digests],
        probabilities=np.concatenate([one.probabilities for one in blocks]),
        said=np.concatenate([one.said for one in blocks]),
        verdicts=[verdict for one in blocks for verdict in one.verdicts],
        novelty=None
        if first.novelty is None
        else np.concatenate([one.novelty for one in blocks if one.novelty is not None]),
        embeddings=None
        if first.embeddings is None
        else np.concatenate([one.embeddings for one in blocks if one.embeddings is not None]),
        qualities={name: np.concatenate([one.qualities[name] for one in blocks]) for name in first.qualities},
    )


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


def _compared(
    model: ModelFile, traffic: ModelTraffic, counted: RowCounts, *, log: str, since: float | None
) -> Document:
    """Which model and which traffic the document is about."""
    return {
        "schema": SCHEMA,
        "model": {
            "path": escape_path(model.path),
            "id": model.model_id,
            "version": model.metadata.provenance.run,
            "classes": list(model.metadata.classes),
        },
        "log": log,
        "since": since,
        "traffic": {**asdict(counted), "compared": len(traffic)},
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


class NotedAnswers:
    """Rows that pass, and what was last said of some images."""

    def __init__(self, metadata: ModelMetadata, wanted: Collection[str]) -> None:
        """
        Args:
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
    words: dict[str, dict[str, Feedback]] = {}  # by image, the last word of each source
    for one in feedback:
        words.setdefault(one.digest, {})[one.source] = one
    right = judged = unclear = disagreed = 0
    for digest, said in answers.items():
        clear = {frozenset(one.labels) for one in words.get(digest, {}).values() if one.kind != "unclear"}
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
