"""Answers of the server, and of pages in browsers, on their way to the prediction log."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from vidi.errors import ImageError
from vidi.files import digest_of
from vidi.images.statistics import QUALITIES, ImageStatistics, statistics_of
from vidi.log.answers import EMBEDDING, AnswerRows
from vidi.log.writer import FeedbackWriter, LogWriter, PendingAnswer
from vidi.metrics.outputs import SOFTMAX
from vidi.prediction.prediction import Prediction, decide
from vidi.serving.bodies import Digest, misfit, read_json
from vidi.serving.engine.engine import Classified, Rows
from vidi.serving.engine.models import ModelTable, ServedModel
from vidi.serving.problems import Problem
from vidi.workflows.requests.predict import LogRequest

SUM_ERROR: Final = 0.01  # of probabilities that add up to one


Share = Annotated[float, Meta(ge=0, le=1)]
Measure = Annotated[float, Meta(ge=0, le=1e9)]
# The fields of `ImageStatistics`, each bounded.
Statistics = msgspec.defstruct("Statistics", [(name, Measure) for name in QUALITIES], forbid_unknown_fields=True)


class SentAnswer(Struct, kw_only=True, forbid_unknown_fields=True):
    """An answer that was made in a browser."""

    digest: Digest
    model: str | None = None
    model_id: str | None = None
    probabilities: Annotated[list[Share], Meta(description="As the model gave them, one for each class.")]
    novelty: Measure | None = None
    statistics: Statistics | None = None  # type: ignore[valid-type]  # made of the names
    image: Annotated[bytes | None, Meta(description="The file itself, only where its owner sends it along.")] = None


class SentAnswers(Struct, forbid_unknown_fields=True):
    """Answers of a page."""

    consent: Annotated[Literal[True], Meta(description="The person whose images they are has agreed.")]
    answers: Annotated[list[SentAnswer], Meta(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PageAnswer:
    """One answer of a page."""

    served: ServedModel
    digest: str
    prediction: Prediction
    statistics: ImageStatistics | None
    image: bytes | None  # only where its owner sends it along


def read_answers(body: bytes, models: ModelTable, *, most: int) -> list[PageAnswer]:
    """The body of `POST /v1/answers`.

    Args:
        models: that are served; an answer by another one is refused.
        most: answers in one request.

    Raises:
        Problem: it is malformed, the consent is missing, or an answer cannot be one of the model.
    """
    answers = read_json(body, SentAnswers).answers
    if len(answers) > most:
        raise misfit(f"The body has {len(answers)} answers", f"Send 1 to {most}.")
    return [_answer(one, models) for one in answers]


def _answer(sent: SentAnswer, models: ModelTable) -> PageAnswer:
    served = models.find(sent.model)
    if sent.model_id not in (None, served.model_id):
        raise Problem("no-such-model", "The answer is of another model file.", "Load the page again.")
    if sent.image is not None and digest_of(sent.image) != sent.digest:
        raise misfit("The image has another digest", "Send the file that the digest is of.")
    given = sent.statistics
    return PageAnswer(
        served=served,
        digest=sent.digest,
        prediction=decide(_probabilities(sent, served), served.metadata, novelty=sent.novelty),
        statistics=None if given is None else ImageStatistics(**msgspec.structs.asdict(given)),
        image=sent.image,
    )


def _probabilities(sent: SentAnswer, served: ServedModel) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    count, metadata = len(sent.probabilities), served.metadata
    if count != len(metadata.classes):
        raise misfit(f"There are {count} probabilities", f"Give one for each of {len(metadata.classes)}.")
    values = np.array(sent.probabilities, np.float32)
    if metadata.outputs == SOFTMAX and abs(float(values.sum()) - 1) > SUM_ERROR:
        raise misfit("The probabilities do not add up to 1", "Send them as the model gave them.")
    return values


Outcome = Prediction | ImageError


class Recorder:
    """Records answers; nothing of it waits for the log, and nothing that it does fails an answer."""

    def __init__(self, writer: LogWriter, feedback: FeedbackWriter | None = None) -> None:
        """Store what records.

        Args:
            feedback: commits what people say of answers; None: the server takes none.
        """
        self.writer, self.feedback = writer, feedback
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
            files: the bytes of the image files.
        """
        rows, at = self.rows_of(served), time.time()
        keeps = self.writer.retention is not None
        self.writer.write(
            [
                PendingAnswer(
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
            seen: what the server's own network gave for its image, where that was sent along.
        """
        rows, at = self.rows_of(answer.served), time.time()
        make = partial(
            rows.row,
            answer.prediction,
            digest=answer.digest,
            at=at,
            source="page",
            embedding=None if seen is None else seen.rows.get(EMBEDDING),
            statistics=answer.statistics if seen is None else seen.statistics,
        )
        self.writer.write([PendingAnswer(make=make, image=answer.image)])

    def record_arrays(
        self, served: ServedModel, images: NDArray[np.uint8], given: Rows, outcomes: Sequence[Prediction]
    ) -> None:
        """Hand over the answers about images (batch, height, width, 3) that came as numbers; their digest is of these.

        No image is kept: there is no file.
        """
        rows, at = self.rows_of(served), time.time()
        framing = served.metadata.framing
        embeddings = given.get(EMBEDDING)
        self.writer.write(
            [
                PendingAnswer(
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
    """What logs the answers; None without `--log`, which needs no database."""
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
