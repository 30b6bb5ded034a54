"""`vidi monitor`: has what comes in changed, how good are the answers probably, and which images say so?"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vidi.errors import DataError, GateError, ModelError
from vidi.files import escape_path
from vidi.log.address import parse_address
from vidi.log.records import LoggedPrediction
from vidi.log.store import PredictionLog
from vidi.model_file.drift_reference import DriftReference
from vidi.model_file.read import ModelFile, read_model
from vidi.monitoring.drift import find_drift
from vidi.monitoring.estimate import AccuracyEstimate, estimate_accuracy, estimate_parts, part_of
from vidi.monitoring.finding import DriftFinding
from vidi.monitoring.traffic import ModelTraffic
from vidi.report.pages.monitor import headline
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.places import require_own
from vidi.workflows.monitoring.document import MonitorFindings, NotedAnswers, judge_by_feedback, monitor_document
from vidi.workflows.monitoring.stream import read_traffic
from vidi.workflows.requests.in_use import MonitorRequest

SAID_EVERY = 5_000  # rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitored:
    """Result of monitoring."""

    document: dict[str, Any]  # see `vidi.workflows.monitoring.document`
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


def monitor(request: MonitorRequest, *, events: Events = SILENCE) -> Monitored:
    """Compare the traffic in a prediction log with the model file's reference; write the page and the gauges.

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
        document = monitor_document(
            model,
            traffic,
            counted,
            MonitorFindings(
                drift=drift,
                accuracy=estimate_accuracy(traffic, model.metadata),
                accuracy_since_change=_estimate_since_change(traffic, model, drift),
                accuracy_over_time=estimate_parts(traffic, model.metadata),
                feedback=judge_by_feedback(noted.answers, feedback),
            ),
            log=str(address),
            since=request.since,
        )
        if request.output is not None:
            from vidi.report.pages.monitor import write_monitor_page

            write_monitor_page(request.output, document, image_of=log.image if request.images else None)
    if request.prometheus is not None:
        from vidi.workflows.monitoring.document import write_gauges

        write_gauges(request.prometheus, document)
    return Monitored(document=document, drift=drift)


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
    return estimate_accuracy(part_of(traffic, drift.began, len(traffic)), model.metadata)
