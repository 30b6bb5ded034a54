"""The prediction log of a verb: opened, and written beside the answers."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from vidi.errors import ResourceError, UsageError
from vidi.files import digest_of
from vidi.images.store import ImageStore
from vidi.log.address import parse_address
from vidi.log.answers import AnswerRows
from vidi.log.store import PredictionLog
from vidi.log.writer import HandedOver, LogWriter, Retention
from vidi.model_file.read import ModelFile, name_of
from vidi.prediction.prediction import Answer
from vidi.workflows.requests.in_use import LogRequest


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
        """The answers, each logged before it is given on; one about a path that is no readable file is left out.

        Args:
            answers: of `Predictor.predict_files`, with embeddings and statistics.
            store: where their files are read again, if they are kept.
        """
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
        self._writer.write([HandedOver(make=lambda: row, image=image)])


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

    Args:
        request: where to, and what is kept.
        model: that answers.
        path: of the model file or its run folder, as it was given.
        environment: variables of the process.
        say: receives lines for people.

    Raises:
        ResourceError: at the end, where some answers could not be logged.
    """
    with open_log(request, environment) as log:
        rows = AnswerRows.of(model, name=name_of(path), version=model.metadata.run or "1")
        with LogWriter(log, retention=retention_of(request), waits_for_room=True, tell=say) as writer:
            yield AnswerLogger(writer, rows)
    found = writer.state()
    if found.lost or found.images_lost:
        raise ResourceError(
            f"{found.lost:,} answers and {found.images_lost:,} images could not be logged: {found.why}",
            "The answers themselves are complete. Make the log reachable, and predict again.",
        )
    say(f"{found.written:,} answers logged to {log.address}")
