"""Hands a server's answers to its prediction log: which further outputs that takes, and a row for each image."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ImageError
from vidi.files import digest_of
from vidi.images.statistics import statistics_of
from vidi.log.acknowledged import FeedbackWriter
from vidi.log.answers import EMBEDDING, AnswerRows
from vidi.log.writer import HandedOver, LogWriter
from vidi.prediction.prediction import Prediction
from vidi.serving.engine.classify import Classified, Rows
from vidi.serving.models.served import ServedModel
from vidi.serving.page_answers import PageAnswer
from vidi.workflows.requests.in_use import LogRequest

Outcome = Prediction | ImageError


class Recorder:
    """Records answers; nothing of it waits for the log, and nothing that it does fails an answer."""

    def __init__(
        self, writer: LogWriter, feedback: FeedbackWriter | None = None, *, now: Callable[[], float] = time.time
    ) -> None:
        """Store what records.

        Args:
            writer: of the log.
            feedback: commits what people say of answers; None: the server takes none.
            now: seconds since 1970, UTC.
        """
        self.writer, self.feedback = writer, feedback
        self._now = now
        self._rows: dict[str, tuple[ServedModel, AnswerRows]] = {}  # name → the model of that name, while it is served

    def rows_of(self, served: ServedModel) -> AnswerRows:
        """What makes rows of a model's answers; its reference is decoded once."""
        known = self._rows.get(served.name)
        if known is None or known[0] is not served:
            known = self._rows[served.name] = (
                served,
                AnswerRows.of(served.model, name=served.name, version=served.version),
            )
        return known[1]

    def outputs(self, served: ServedModel) -> tuple[str, ...]:
        """The outputs of a model that its rows are made of."""
        return ("probabilities", *self.rows_of(served).outputs)

    def record_files(
        self,
        served: ServedModel,
        files: Sequence[bytes],
        classified: Sequence[Classified],
        outcomes: Sequence[Outcome],
    ) -> None:
        """Hand over the answers about some image files.

        Args:
            served: the model that answered.
            files: the bytes of the image files.
            classified: what the network gave for each.
            outcomes: the answer about each.
        """
        rows, at = self.rows_of(served), self._now()
        keeps = self.writer.retention is not None
        self.writer.write(
            [
                HandedOver(
                    make=partial(
                        rows.row,
                        outcome,
                        digest=one.read.digest,
                        at=at,
                        source="serve",
                        embedding=one.rows.get(EMBEDDING),
                        statistics=one.statistics,
                    ),
                    image=data if keeps and one.error is None else None,
                )
                for data, one, outcome in zip(files, classified, outcomes, strict=True)
            ]
        )

    def record_page(self, answer: PageAnswer, seen: Classified | None) -> None:
        """Hand over an answer that was made in a browser.

        Args:
            answer: as it was sent.
            seen: what the server's own network gave for its image, where that was sent along.
        """
        rows, at = self.rows_of(answer.served), self._now()
        make = partial(
            rows.row,
            answer.prediction,
            digest=answer.digest,
            at=at,
            source="page",
            embedding=None if seen is None else seen.rows.get(EMBEDDING),
            statistics=answer.statistics if seen is None else seen.statistics,
        )
        self.writer.write([HandedOver(make=make, image=answer.image)])

    def record_arrays(
        self, served: ServedModel, images: NDArray[np.uint8], given: Rows, outcomes: Sequence[Prediction]
    ) -> None:
        """Hand over the answers about images (batch, height, width, 3) that came as numbers; their digest is of these.

        No image is kept: there is no file.
        """
        rows, at = self.rows_of(served), self._now()
        framing = served.metadata.framing
        embeddings = given.get(EMBEDDING)
        self.writer.write(
            [
                HandedOver(
                    make=partial(
                        rows.row,
                        outcome,
                        digest=digest_of(np.ascontiguousarray(image).data.cast("B")),
                        at=at,
                        source="serve",
                        embedding=None if embeddings is None else embeddings[index],
                        statistics=statistics_of(image, framing, (image.shape[0], image.shape[1])),
                    )
                )
                for index, (image, outcome) in enumerate(zip(images, outcomes, strict=True))
            ]
        )


@contextlib.contextmanager
def recording(
    request: LogRequest, environment: Mapping[str, str], tell: Callable[[str], None]
) -> Iterator[Recorder | None]:
    """What logs the answers; None without `--log`, which needs no database.

    Args:
        request: whether predictions are logged, and where.
        environment: variables of the process.
        tell: receives sentences about the log.
    """
    if request.log is None and not request.keep_images:
        yield None
        return
    from vidi.workflows.log import open_log, retention_of

    with (
        open_log(request, environment) as log,
        LogWriter(log, retention=retention_of(request), tell=tell) as writer,
        FeedbackWriter(log) as feedback,
    ):
        yield Recorder(writer, feedback)
