"""Answers that were made in a browser, with its owner's consent: digest, probabilities and statistics."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from vidi.errors import UsageError
from vidi.files import digest_of
from vidi.images.statistics import QUALITIES, ImageStatistics
from vidi.log.records import check_digest
from vidi.metrics.outputs import SOFTMAX
from vidi.model_file.values import Json
from vidi.prediction.prediction import Prediction, decide
from vidi.serving.json_body import list_in, object_in, parse_json_body, text_in
from vidi.serving.models.served import ServedModel
from vidi.serving.models.table import ModelTable
from vidi.serving.problems import Problem

MEMBERS: Final = ("digest", "model", "model_id", "probabilities", "novelty", "statistics", "image")
LARGEST: Final = 1e9  # of a number that a page measures
SUM_ERROR: Final = 0.01  # of probabilities that add up to one


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
    document = object_in(parse_json_body(body), "The body")
    _check_members(document, ("consent", "answers"), "The body")
    if document.get("consent") is not True:
        raise Problem("invalid-input", "The body has no consent.", 'Send "consent": true when the person agreed.')
    answers = list_in(document.get("answers"), "`answers`")
    if not 1 <= len(answers) <= most:
        raise Problem("invalid-input", f"The body has {len(answers)} answers.", f"Send 1 to {most}.")
    return [_answer(object_in(one, f"`answers[{place}]`"), models) for place, one in enumerate(answers)]


def _answer(document: Mapping[str, Json], models: ModelTable) -> PageAnswer:
    _check_members(document, MEMBERS, "An answer")
    served = models.find(None if "model" not in document else text_in(document["model"], "`model`"))
    if document.get("model_id", served.model_id) != served.model_id:
        raise Problem("no-such-model", "The answer is of another model file.", "Load the page again.")
    try:
        digest = check_digest(text_in(document.get("digest"), "`digest`"))
    except UsageError as error:
        raise Problem("invalid-input", f"{error.cause}.", "Give the SHA-256 of the image file.") from error
    novelty = None if document.get("novelty") is None else _number(document["novelty"], "`novelty`", LARGEST)
    return PageAnswer(
        served=served,
        digest=digest,
        prediction=decide(_probabilities(document, served), served.metadata, novelty=novelty),
        statistics=_statistics(document.get("statistics")),
        image=_image(document.get("image"), digest),
    )


def _check_members(document: Mapping[str, Json], known: tuple[str, ...], what: str) -> None:
    if unknown := sorted(set(document) - set(known)):
        raise Problem(
            "invalid-input", f"{what} has an unknown member {unknown[0][:60]!r}.", f"Known: {', '.join(known)}."
        )


def _probabilities(document: Mapping[str, Json], served: ServedModel) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    given = list_in(document.get("probabilities"), "`probabilities`")
    metadata = served.metadata
    if len(given) != len(metadata.classes):
        raise Problem(
            "invalid-input", f"There are {len(given)} probabilities.", f"Give one for each of {len(metadata.classes)}."
        )
    values = np.array([_number(one, "A probability", 1.0) for one in given], np.float32)
    if metadata.outputs == SOFTMAX and abs(float(values.sum()) - 1) > SUM_ERROR:
        raise Problem("invalid-input", "The probabilities do not add up to 1.", "Send them as the model gave them.")
    return values


def _statistics(value: Json) -> ImageStatistics | None:
    if value is None:
        return None
    document = object_in(value, "`statistics`")
    _check_members(document, QUALITIES, "`statistics`")
    return ImageStatistics(
        **{one.name: _number(document.get(one.name), f"`{one.name}`", LARGEST) for one in fields(ImageStatistics)}
    )


def _number(value: Json, where: str, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise Problem("invalid-input", f"{where} is no number from 0 to {most:g}.", "Send it as the page computed it.")
    return float(value)


def _image(value: Json, digest: str) -> bytes | None:
    if value is None:
        return None
    try:
        data = base64.b64decode(text_in(value, "`image`"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem("bad-request", f"`image` is not base64: {error}.", "Use the standard alphabet.") from error
    if digest_of(data) != digest:
        raise Problem("invalid-input", "The image has another digest.", "Send the file that the digest is of.")
    return data
