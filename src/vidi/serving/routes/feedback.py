"""`/v1/feedback` and `/v1/answers`: what clients say of answers, and answers that were made in browsers."""

import asyncio
import hashlib
import json
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.errors import UsageError
from vidi.log.records import MOST_LABELS, Feedback, FeedbackKind, LogUnavailableError, Taken
from vidi.log.writer import FeedbackWriter
from vidi.model_file.metadata import ModelMetadata
from vidi.serving.bodies import Digest, json_response, misfit, read_body, read_json
from vidi.serving.engine.engine import Classified, classify_files, count_pixels
from vidi.serving.engine.recording import PageAnswer, Recorder, read_answers
from vidi.serving.engine.service import Service
from vidi.serving.problems import Problem
from vidi.serving.routes.predict import unusable

HOUR: Final = 3_600.0  # seconds
FEEDBACK_BYTES: Final = 65_536  # one piece of feedback
FEEDBACK_PER_HOUR: Final = 3_600  # from one source
ANSWERS_PER_HOUR: Final = 36_000  # that were made in browsers, from one source
MOST_SOURCES: Final = 10_000  # that are remembered
LOCAL: Final = "local"


Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


class SentFeedback(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody says of one image. One of `labels`, `none` and `unclear` is given."""

    digest: Digest
    labels: (
        Annotated[list[str], Meta(min_length=1, max_length=MOST_LABELS, description="It is this class, or these.")]
        | UnsetType
    ) = UNSET
    none: Annotated[Literal[True], Meta(description="It is none of the classes.")] | UnsetType = UNSET
    unclear: Annotated[Literal[True], Meta(description="Nobody can tell.")] | UnsetType = UNSET
    model: Annotated[str | None, Meta(description="Whose answer it is about, where several are served.")] = None
    key: Annotated[Name | None, Meta(description="Chosen by the client: feedback that is sent twice counts once.")] = (
        None
    )
    client: Annotated[Name | None, Meta(description="Who sends it, where the server asks for no token.")] = None

    @property
    def kind(self) -> FeedbackKind:
        """What is said."""
        return "label" if self.labels else "none" if self.none else "unclear"


def read_feedback(body: bytes) -> SentFeedback:
    """The body of `POST /v1/feedback`.

    Raises:
        Problem: it is malformed, or says nothing, or two things.

    >>> read_feedback(b'{"digest": "%s", "none": true}' % (b"0" * 64)).kind
    'none'
    """
    sent = read_json(body, SentFeedback)
    said = sum(one is not UNSET for one in (sent.labels, sent.none, sent.unclear))
    if said != 1:
        raise misfit(f"The body says {said} things", "Give `labels`, `none` or `unclear`.")
    for text in (sent.key, sent.client):
        if text is not None and not text.isprintable():
            raise misfit(f"The name {text[:60]!r} has signs that cannot be printed", "Leave them out.")
    return sent


def feedback_of(sent: SentFeedback, metadata: ModelMetadata, *, model_id: str, source: str, at: float) -> Feedback:
    """The feedback that a request amounts to.

    Args:
        source: who sent it, of `source_of`.
        at: seconds since 1970, UTC.

    Raises:
        Problem: a label is none of the model's classes, or there are several and an image shows one.
    """
    given = sent.labels or []
    unknown = [label for label in given if label not in metadata.classes]
    if unknown:
        raise Problem(
            "invalid-input",
            f"{unknown[0][:60]!r} is no class of the model.",
            'Use its classes; {"none": true} says that it is none of them.',
        )
    if len(given) > 1 and not metadata.multi_label:
        raise Problem("invalid-input", f"The body has {len(given)} labels.", "An image has one class here.")
    labels = tuple(dict.fromkeys(given))
    said = json.dumps([sent.digest, sent.kind, sorted(labels), model_id])  # without a key, the same words count once
    try:
        return Feedback(
            key=f"{source}:{sent.key or hashlib.sha256(said.encode()).hexdigest()[:32]}",
            at=at,
            digest=sent.digest,
            kind=sent.kind,
            labels=labels,
            source=source,
            via="server",
            model_id=model_id,
        )
    except UsageError as error:
        raise Problem("invalid-input", error.cause, error.remedy) from error


def source_of(authorization: str, client: str | None) -> str:
    """Who sends feedback: the token's short hash where there is one, else that of the name that the client gives.

    A client with a token cannot make itself several sources by several names. The hash is too short to guess a token
    by.

    Args:
        authorization: the request's header, which `AuthMiddleware` has judged; empty where no token is asked for.

    >>> source_of("", None), source_of("Bearer secret", "ann") == source_of("Bearer secret", "ben")
    ('local', True)
    """
    if authorization:
        return f"token-{_short(authorization.partition(' ')[2].strip())}"
    return LOCAL if client is None else f"client-{_short(client)}"


class Allowance:
    """How much one source may send within an hour. For one thread."""

    def __init__(self, most: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._now = most, now
        self._sent: dict[str, deque[float]] = {}

    def spend(self, source: str) -> None:
        """Count one more.

        Raises:
            Problem: the source has sent as much as it may.
        """
        now = self._now()
        times = self._sent.pop(source, None) or deque()
        while times and times[0] <= now - HOUR:
            times.popleft()
        self._sent[source] = times  # last: whoever was silent longest is forgotten first
        while len(self._sent) > MOST_SOURCES:
            self._sent.pop(next(iter(self._sent)))
        if len(times) >= self._most:
            wait = max(1, round(times[0] + HOUR - now))
            raise Problem(
                "too-many",
                f"{self._most:,} came from this source within an hour.",
                "Send more later.",
                headers={"Retry-After": str(wait)},
            )
        times.append(now)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


COMMIT_SECONDS: Final = 12.0  # two turns of waiting for a lock
RETRY: Final = {"Retry-After": "5"}


def routes(service: Service) -> list[Route]:
    """The routes; none where the server has no log."""
    recorder = service.recorder
    if recorder is None or recorder.feedback is None:
        return []
    feedback, answers = Allowance(FEEDBACK_PER_HOUR), Allowance(ANSWERS_PER_HOUR)
    return [
        Route("/v1/feedback", partial(_feedback, service, recorder.feedback, feedback), methods=["POST"]),
        Route("/v1/answers", partial(_answers, service, recorder, answers), methods=["POST"]),
    ]


async def _feedback(service: Service, writer: FeedbackWriter, allowance: Allowance, request: Request) -> Response:
    _check_json(request)
    with service.slots.take():
        sent = read_feedback(await read_body(request, most=FEEDBACK_BYTES))
        served = service.models.find(sent.model)
        source = source_of(request.headers.get("authorization", ""), sent.client)
        feedback = feedback_of(sent, served.metadata, model_id=served.model_id, source=source, at=time.time())
        allowance.spend(source)
        taken = await _committed(writer, feedback)
    if taken == "differs":
        raise Problem("conflict", "Other feedback has this key.", "Give each piece of feedback a key of its own.")
    return json_response({"key": sent.key or feedback.key.partition(":")[2], "new": taken == "new"})


async def _committed(writer: FeedbackWriter, feedback: Feedback) -> Taken:
    """What became of feedback, once it is on the disk."""
    try:
        return await asyncio.wait_for(asyncio.wrap_future(writer.submit(feedback)), COMMIT_SECONDS)
    except LogUnavailableError as error:
        raise _log_problem(error) from error
    except TimeoutError as error:
        raise _log_problem(LogUnavailableError("locked", "the log does not answer", "Try again later.")) from error


def _log_problem(error: LogUnavailableError) -> Problem:
    """The problem of a log that cannot be written."""
    code = "log-full" if error.trouble == "full" else "log-unavailable"
    return Problem(
        code,
        "The prediction log cannot be written now.",
        "Send it again later; the same words or the same key count once.",
        headers=RETRY,
    )


async def _answers(service: Service, recorder: Recorder, allowance: Allowance, request: Request) -> Response:
    await service.stand()
    _check_json(request)
    with service.slots.take() as slot:
        body = await read_body(request, most=service.settings.body_bytes)
        answers = read_answers(body, service.models, most=service.settings.images)
        if recorder.writer.retention is None and any(one.image is not None for one in answers):
            raise Problem("invalid-input", "This server keeps no image.", "Send the answers without images.")
        source = source_of(request.headers.get("authorization", ""), None)
        for _ in answers:
            allowance.spend(source)
        work = _seen_here(service, recorder, answers)
        seen = await slot.within(service.settings.answer_seconds, work, request.receive)
        for answer, one in zip(answers, seen, strict=True):
            recorder.record_page(answer, one)
    return json_response({"taken": len(answers)}, status=202)


async def _seen_here(service: Service, recorder: Recorder, answers: list[PageAnswer]) -> list[Classified | None]:
    """The images that were sent, as the server sees them: only one that it can use is kept, with its embedding."""
    await count_pixels(service.engine, [one.image for one in answers if one.image is not None])
    seen: list[Classified | None] = []
    for answer in answers:
        if answer.image is None:
            seen.append(None)
            continue
        outputs = recorder.outputs(answer.served)
        (one,) = await classify_files(service.engine, answer.served, [answer.image], outputs, statistics=True)
        if one.error is not None:
            raise unusable(one.error)
        seen.append(one)
    return seen


def _check_json(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem("unsupported-media-type", "This route reads application/json.")
