"""`POST /v2/models/{name}/infer`: tensors or encoded files in, tensors out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from vidi.errors import VidiError
from vidi.images.framing import Framing, frame_image
from vidi.model_file.decisions import find_verdicts
from vidi.model_file.values import Json
from vidi.prediction.prediction import Prediction
from vidi.serving.engine.engine import AnswerEngine, classify_arrays, classify_files
from vidi.serving.engine.models import ServedModel
from vidi.serving.engine.recording import Recorder
from vidi.serving.engine.service import Service
from vidi.serving.engine.telemetry import ANSWERED
from vidi.serving.inference.outputs import (
    InferResponse,
    OfferedOutput,
    Rows,
    choose_outputs,
    encode_response,
    make_tensors,
    network_outputs,
    offered_outputs,
)
from vidi.serving.inference.request import (
    HEADER_LENGTH,
    InferRequest,
    RequestLimits,
    decode_request,
    read_header_length,
)
from vidi.serving.inference.tally import Tallies
from vidi.serving.problems import Problem, UnusableImages
from vidi.serving.routes.predict import decide_rows
from vidi.serving.routes.reading import read_body

Done = TypeVar("Done")

MOST_AT_ONCE: Final = 65_536  # bytes of JSON or numbers to be written that are worked on without a thread: about 2 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """An answer, and what it took."""

    response: InferResponse
    outcomes: Sequence[str]  # a verdict or `answered`, for each image
    stages: tuple[int, int, int]  # nanoseconds for input, inference and output


async def infer(service: Service, tallies: Tallies, served: ServedModel, request: Request) -> Response:
    """Answer a request about one model.

    Args:
        service: limits, engine, slots and counters.
        tallies: counts the request, answered or not.
        served: the model.
        request: whose body has not been read.

    Raises:
        Problem: the request is malformed, an image cannot be used, or there is no room or time.
    """
    tally, began = tallies.of(served.name, served.version), time.perf_counter_ns()
    try:
        await service.stand()
        with service.slots.take() as slot:
            body = await read_body(request, most=service.settings.body_bytes)
            length = read_header_length(request.headers.getlist(HEADER_LENGTH), len(body))
            work = _answer(service, served, body, length)
            with service.metrics.counting_refused(served.name):
                inferred = await slot.within(service.settings.answer_seconds, work, request.receive)
    except (Problem, VidiError):
        tally.add_failure(time.perf_counter_ns() - began)
        raise
    tally.add_success(len(inferred.outcomes), stages=inferred.stages, now=time.time_ns() // 1_000_000)
    service.metrics.count_images(served.name, inferred.outcomes)
    response, headers = inferred.response, {}
    if response.header_length is not None:
        headers[HEADER_LENGTH] = str(response.header_length)
    return Response(response.body, headers=headers, media_type=response.media_type)


async def _answer(service: Service, served: ServedModel, body: bytes, header_length: int | None) -> Inferred:
    """From a body to the body of the answer."""
    engine, limits = service.engine, _limits(service)
    began = time.perf_counter_ns()
    json_bytes = len(body) if header_length is None else header_length
    asked = await _where(engine, json_bytes, partial(decode_request, body, header_length, limits))
    offered = offered_by(served)
    chosen = choose_outputs(asked, offered)
    read = time.perf_counter_ns()
    rows = await classify(engine, served, asked, network_outputs(chosen, offered), recorder=service.recorder)
    classified = time.perf_counter_ns()

    def write() -> InferResponse:
        tensors = make_tensors(asked, chosen, rows, served.metadata)
        named = replace(asked, parameters={**asked.parameters, "model_id": served.model_id})
        return encode_response(named, tensors, model_name=served.name, model_version=served.version)

    response = await _where(engine, sum(values.nbytes for values in rows.values()), write)
    written = time.perf_counter_ns()
    stages = (read - began, classified - read, written - classified)
    verdicts = find_verdicts(rows["probabilities"], served.metadata, novelty=rows.get("novelty"))
    return Inferred(response=response, outcomes=verdicts or [ANSWERED] * len(asked.images), stages=stages)


def _limits(service: Service) -> RequestLimits:
    settings = service.settings
    return RequestLimits(images=settings.images, pixels=settings.decode.limits.pixels)


def offered_by(served: ServedModel) -> tuple[OfferedOutput, ...]:
    """The outputs that a model offers to requests."""
    return offered_outputs(served.metadata, served.model.contents.outputs)


async def _where(engine: AnswerEngine, size: int, work: Callable[[], Done]) -> Done:
    """Do some work here, or in a thread where it takes so long that other requests would notice."""
    return work() if size <= MOST_AT_ONCE else await engine.do(work)


async def classify(
    engine: AnswerEngine,
    served: ServedModel,
    asked: InferRequest,
    outputs: Sequence[str],
    *,
    recorder: Recorder | None = None,
) -> Rows:
    """What the network gives for the images of a request.

    Args:
        engine: decodes and runs.
        served: the model.
        asked: the request.
        outputs: names of outputs of the network.
        recorder: takes the answers down.

    Returns:
        Output → (batch, …) float32.

    Raises:
        UnusableImages: with the numbers of the files that cannot be used.
    """
    wanted = [*outputs, *(name for name in (recorder.outputs(served) if recorder else ()) if name not in outputs)]
    if isinstance(asked.images, np.ndarray):
        images, framing = asked.images, served.metadata.framing
        if images.shape[1:3] != framing.size:
            images = await engine.do(partial(_framed, images, framing))
        given = await classify_arrays(engine, served, images, wanted)
        if recorder is not None:
            recorder.record_arrays(served, images, given, _predictions(served, given))
        return {name: given[name] for name in outputs}
    classified = await classify_files(engine, served, asked.images, wanted, statistics=recorder is not None)
    if recorder is not None:
        outcomes = [one.error or decide_rows(served, one.rows) for one in classified]
        recorder.record_files(served, asked.images, classified, outcomes)
    errors = [(number, one.error) for number, one in enumerate(classified) if one.error is not None]
    if errors:
        number, error = errors[0]
        others = f" Nor can {len(errors) - 1} others be used." if errors[1:] else ""
        documents: list[Json] = [{"index": place, "code": bad.code, "message": bad.cause} for place, bad in errors]
        cause = f"images[{number}]: {error.cause}{others}"
        raise UnusableImages(cause, error.remedy, count=len(errors), members={"images": documents})
    return {name: np.stack([one.rows[name] for one in classified]) for name in outputs}


def _predictions(served: ServedModel, given: Rows) -> list[Prediction]:
    rows = [{name: values[index] for name, values in given.items()} for index in range(len(given["probabilities"]))]
    return [decide_rows(served, row) for row in rows]


def _framed(images: NDArray[np.uint8], framing: Framing) -> NDArray[np.uint8]:
    return np.stack([frame_image(image, framing) for image in images])
