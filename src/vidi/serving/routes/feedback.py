"""`POST /v1/feedback` and `POST /v1/answers`: what people say of answers, and answers that were made in a browser."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.log.acknowledged import FeedbackWriter
from vidi.log.records import Feedback, LogUnavailableError, Taken
from vidi.serving.engine.engine import Classified, classify_files, count_pixels
from vidi.serving.engine.recording import PageAnswer, Recorder, read_answers
from vidi.serving.engine.service import Service
from vidi.serving.feedback import (
    ANSWERS_PER_HOUR,
    FEEDBACK_BYTES,
    FEEDBACK_PER_HOUR,
    Allowance,
    feedback_of,
    read_feedback,
    source_of,
)
from vidi.serving.problems import Problem
from vidi.serving.routes.predict import unusable
from vidi.serving.routes.reading import json_response, read_body

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]

COMMIT_SECONDS: Final = 12.0  # two turns of waiting for a lock
RETRY: Final = {"Retry-After": "5"}


def routes(service: Service) -> list[Route]:
    """The routes; none where the server has no log."""
    recorder = service.recorder
    if recorder is None or recorder.feedback is None:
        return []
    return [
        Route("/v1/feedback", _feedback(service, recorder.feedback), methods=["POST"]),
        Route("/v1/answers", _answers(service, recorder), methods=["POST"]),
    ]


def _feedback(service: Service, writer: FeedbackWriter) -> Endpoint:
    allowance = Allowance(FEEDBACK_PER_HOUR)

    async def endpoint(request: Request) -> Response:
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

    return endpoint


async def _committed(writer: FeedbackWriter, feedback: Feedback) -> Taken:
    """What became of feedback, once it is on the disk."""
    try:
        return await asyncio.wait_for(asyncio.wrap_future(writer.submit(feedback)), COMMIT_SECONDS)
    except LogUnavailableError as error:
        raise log_problem(error) from error
    except TimeoutError as error:
        raise log_problem(LogUnavailableError("locked", "the log does not answer", "Try again later.")) from error


def log_problem(error: LogUnavailableError) -> Problem:
    """The problem of a log that cannot be written."""
    code = "log-full" if error.trouble == "full" else "log-unavailable"
    return Problem(
        code,
        "The prediction log cannot be written now.",
        "Send it again later; the same words or the same key count once.",
        headers=RETRY,
    )


def _answers(service: Service, recorder: Recorder) -> Endpoint:
    allowance = Allowance(ANSWERS_PER_HOUR)

    async def endpoint(request: Request) -> Response:
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

    return endpoint


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
