"""The prediction log of a verb, written beside the answers; and `vidi log`: what it holds."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vidi.errors import ResourceError, UsageError
from vidi.files import digest_of, escape_path
from vidi.images.store import ImageStore
from vidi.log.address import parse_address
from vidi.log.answers import AnswerRows
from vidi.log.records import Deleted, Feedback, LogContents, LoggedPrediction, ModelTally, check_digest
from vidi.log.store import PredictionLog
from vidi.log.writer import LogWriter, PendingAnswer, Retention
from vidi.model_file.read import ModelFile, name_of
from vidi.model_file.values import as_plain
from vidi.prediction.prediction import Answer
from vidi.workflows.requests.in_use import LogContentsRequest
from vidi.workflows.requests.predict import LogRequest
from vidi.workflows.requests.shared import parse_time

Document = dict[str, Any]


def open_log(request: LogRequest, environment: Mapping[str, str]) -> PredictionLog:
    """The log that a verb is to write.

    Raises:
        UsageError: the address cannot be used, or images are to be kept and no log is named.
        LogUnavailableError: it cannot be reached.
        NewerLogError: a newer vidi wrote it.
    """
    if request.log is None:
        raise UsageError("--keep-images without a log", "Say where with `--log URL`.")
    return PredictionLog.open(parse_address(request.log, environment=environment))


def retention_of(request: LogRequest) -> Retention | None:
    """For how long images are kept; None where none are."""
    if not request.keep_images:
        return None
    return Retention(days=request.keep_days)


class AnswerLogger:
    """Logs the answers of a program as they pass; the program waits where the log is slower than the answers."""

    def __init__(self, writer: LogWriter, rows: AnswerRows, *, now: Callable[[], float] = time.time) -> None:
        self._writer, self._rows = writer, rows
        self._at = now()  # of all answers: what one call is given comes together, in no order

    def passing(self, answers: Iterator[Answer], store: ImageStore) -> Iterator[Answer]:
        """The answers, each logged before it is given on; one about a path that is no readable file is left out."""
        for answer in answers:
            if answer.digest:
                self._log(answer, store)
            yield answer

    def _log(self, answer: Answer, store: ImageStore) -> None:
        row = self._rows.row(
            answer.outcome,
            digest=answer.digest,
            at=self._at,
            source="predict",
            embedding=answer.embedding,
            statistics=answer.statistics,
        )
        image = None
        if self._writer.retention is not None and answer.error is None:
            data = store.read(answer.path)
            image = data if digest_of(data) == answer.digest else None  # it was changed meanwhile
        self._writer.write([PendingAnswer(make=lambda: row, image=image)])


@contextlib.contextmanager
def logging_answers(
    request: LogRequest,
    model: ModelFile,
    path: Path,
    environment: Mapping[str, str],
    *,
    say: Callable[[str], None],
) -> Iterator[AnswerLogger]:
    """What logs a program's answers.

    Raises:
        ResourceError: at the end, where some answers could not be logged.
    """
    with open_log(request, environment) as log:
        rows = AnswerRows.of(model, name=name_of(path), version=model.metadata.provenance.run or "1")
        with LogWriter(log, retention=retention_of(request), waits_for_room=True, tell=say) as writer:
            yield AnswerLogger(writer, rows)
    found = writer.state()
    if found.lost or found.images_lost:
        raise ResourceError(
            f"{found.lost:,} answers and {found.images_lost:,} images could not be logged: {found.why}",
            "The answers themselves are complete. Make the log reachable, and predict again.",
        )
    say(f"{found.written:,} answers logged to {log.address}")


def log_document(request: LogContentsRequest, environment: Mapping[str, str]) -> Document:
    """What was asked for, as plain values; what is to be deleted is deleted first.

    Args:
        environment: may hold the log's password.

    Raises:
        UsageError: options contradict each other, or the address, a digest or the time cannot be used.
        NoLogError: there is no log.
        NewerLogError: a newer vidi wrote it.
        LogUnavailableError: it cannot be reached, or is locked for 5 s.
    """
    digests = [check_digest(digest) for digest in request.digests]
    before = None if request.before is None else parse_time(request.before)
    _check(request)
    address = parse_address(request.log, environment=environment)
    with PredictionLog.open(address, create=False) as log:
        document: Document = {"log": str(log.address)}
        if request.delete:
            document["deleted"] = as_plain(_delete(log, digests, before, images=request.images))
        if digests:
            document["images"] = [_known_of(log, digest) for digest in digests]
        else:
            document |= _contents_document(log.contents())
    return document


def _check(request: LogContentsRequest) -> None:
    chosen = request.before is not None or request.images
    if request.delete and not (chosen or request.digests):
        raise UsageError("--delete without what", "Name images by DIGEST, or use --before or --images.")
    if chosen and not request.delete:
        raise UsageError("--before and --images choose what is deleted", "Add --delete.")
    if request.digests and request.before is not None:
        raise UsageError("--before with DIGEST", "Delete by one of them, then by the other.")


def _delete(log: PredictionLog, digests: Sequence[str], before: float | None, *, images: bool) -> Deleted:
    deleted = Deleted()
    for digest in digests:
        deleted += log.delete(digest=digest, images=images)
    return deleted if digests else log.delete(before=before, images=images)


def _contents_document(found: LogContents) -> Document:
    return {
        "schema": found.schema,
        "predictions": found.predictions,
        "models": [_model_document(one) for one in found.models],
        "kept_images": found.images,
        "kept_bytes": found.image_bytes,
        "feedback": as_plain(found.feedback),
        "sources": found.sources,
        "events": found.events,
        "bytes": found.bytes,
    }


def _model_document(tally: ModelTally) -> Document:
    return {
        "id": tally.model.model_id,
        "name": tally.model.name,
        "version": tally.model.version,
        "predictions": tally.predictions,
        "refused": tally.refused,
        "first": _time(tally.first),
        "last": _time(tally.last),
    }


def _known_of(log: PredictionLog, digest: str) -> Document:
    image = log.image(digest)
    return {
        "digest": digest,
        "predictions": [_prediction_document(one) for _, one in log.predictions(digest=digest)],
        "feedback": [_feedback_document(one) for one in log.feedback(digest=digest)],
        "kept_bytes": None if image is None else len(image),
    }


def _prediction_document(one: LoggedPrediction) -> Document:
    return {
        "at": _time(one.at),
        "source": one.source,
        "model": one.model.model_id,
        "error": one.error,
        "label": one.label,
        "probabilities": None
        if one.probabilities is None
        else dict(zip(one.model.classes, one.probabilities.tolist(), strict=True)),
        "verdict": one.verdict,
        "candidates": list(one.candidates),
        "decision": None if one.decision is None else list(one.decision),
        "novelty": one.novelty,
    }


def _feedback_document(one: Feedback) -> Document:
    return {"at": _time(one.at), "kind": one.kind, "labels": list(one.labels), "source": one.source, "via": one.via}


def _time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def describe(document: Mapping[str, Any]) -> str:
    """The document as lines for people."""
    lines = [f"log         {document['log']}"]
    if "deleted" in document:
        lines.append(f"deleted     {', '.join(f'{count:,} {what}' for what, count in document['deleted'].items())}")
    if "images" in document:
        return "\n".join([*lines, *(line for one in document["images"] for line in _lines_of(one))])
    feedback = document["feedback"]
    lines.append(f"predictions {document['predictions']:,}")
    lines += [
        f"  {one['name']} {one['id']}, version {one['version']}: {one['predictions']:,} from {one['first']} to "
        f"{one['last']}; {one['refused']:,} of images that could not be used"
        for one in document["models"]
    ]
    lines.append(f"images      {document['kept_images']:,} kept, {_megabytes(document['kept_bytes'])}")
    lines.append(
        f"feedback    {sum(feedback.values()):,} from {document['sources']} sources: "
        f"{feedback['label']:,} with labels, {feedback['none']:,} none of the classes, {feedback['unclear']:,} unclear"
    )
    lines.append(f"events      {document['events']:,} of watched sources")
    lines.append(f"size        {_megabytes(document['bytes'])}, schema {document['schema']}")
    return "\n".join(lines)


def _lines_of(image: Mapping[str, Any]) -> list[str]:
    lines = [f"image       {image['digest']}"]
    for one in image["predictions"]:
        answer = one["label"] if one["error"] is None else f"refused: {one['error']}"
        lines.append(f"  {one['at']} model {one['model']}: {escape_path(str(answer))} {one['verdict'] or ''}".rstrip())
    for one in image["feedback"]:
        said = ", ".join(map(escape_path, one["labels"])) or one["kind"]
        lines.append(f"  {one['at']} {one['source']} says: {said}")
    kept = image["kept_bytes"]
    lines.append("  the image is not kept" if kept is None else f"  the image is kept, {kept:,} bytes")
    return lines


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
