"""Answers that were made in a browser, with its owner's consent: digest, probabilities and statistics."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from vidi.files import digest_of
from vidi.images.statistics import QUALITIES, ImageStatistics
from vidi.metrics.outputs import SOFTMAX
from vidi.prediction.prediction import Prediction, decide
from vidi.serving.json_body import Digest, misfit, read_json
from vidi.serving.models.served import ServedModel
from vidi.serving.models.table import ModelTable
from vidi.serving.problems import Problem

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
        body: all of it.
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
