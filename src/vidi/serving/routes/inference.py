"""The routes of the Open Inference Protocol, version 2, below `/v2`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.images.framing import Framing, frame_image
from vidi.model_file.decisions import find_verdicts
from vidi.model_file.values import Json
from vidi.serving.bodies import json_response, read_body
from vidi.serving.engine.engine import AnswerEngine, classify_arrays, classify_files
from vidi.serving.engine.models import ServedModel
from vidi.serving.engine.recording import Recorder
from vidi.serving.engine.service import Service
from vidi.serving.engine.telemetry import ANSWERED
from vidi.serving.problems import Problem, UnusableImages
from vidi.serving.routes.inference_answer import (
    InferResponse,
    OfferedOutput,
    Rows,
    choose_outputs,
    decide_each,
    encode_response,
    make_tensors,
    model_config,
    model_metadata,
    network_outputs,
    offered_outputs,
    server_metadata,
)
from vidi.serving.routes.inference_request import (
    HEADER_LENGTH,
    InferRequest,
    decode_request,
    read_header_length,
)
from vidi.serving.routes.predict import decide_rows

Describe = Callable[[ServedModel], object]  # a model to a document about it

MODEL: Final = "/v2/models/{name}"
NOT_OFFERED: Final = {
    "/v2/repository/index": "The models are listed at `/v1/models`.",
    "/v2/models/stats": "Counts are at `/metrics`.",
    "/v2/models/{name}/stats": "Counts are at `/metrics`.",
    "/v2/models/{name}/versions/{version}/stats": "Counts are at `/metrics`.",
    "/v2/repository/models/{name}/load": "Models are not loaded by requests.",
    "/v2/repository/models/{name}/unload": "Models are not unloaded by requests.",
    "/v2/systemsharedmemory/{rest:path}": "Shared memory is not offered.",
    "/v2/cudasharedmemory/{rest:path}": "Shared memory is not offered.",
    "/v2/trace/setting": "Traces are not offered.",
    "/v2/models/{name}/trace/setting": "Traces are not offered.",
    "/v2/logging": "The log is set where the server is started.",
}
EVERY_METHOD: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def routes(service: Service) -> list[Route]:
    """The routes, each bound to what answers."""
    return [
        Route("/v2", _server),
        Route("/v2/health/live", _live),
        Route("/v2/health/ready", partial(_ready, service)),
        *(Route(path, partial(_refuse, cause), methods=EVERY_METHOD) for path, cause in NOT_OFFERED.items()),
        *_model_routes(service),
    ]


def _model_routes(service: Service) -> list[Route]:
    """What is asked about one model, of whatever version or of one."""

    described: dict[str, Describe] = {
        "": lambda served: model_metadata(served, _offered_by(served)),
        "/ready": lambda served: _readiness(service, served),
        "/config": lambda served: model_config(served, _offered_by(served), most_images=service.settings.images),
    }
    made: list[Route] = []
    for start in (MODEL, f"{MODEL}/versions/{{version}}"):
        made += [Route(f"{start}{end}", partial(_describe, service, describe)) for end, describe in described.items()]
        made += [Route(f"{start}/infer", partial(infer, service), methods=["POST"])]
    return made


def _found(service: Service, request: Request) -> ServedModel:
    return service.models.find(request.path_params["name"], request.path_params.get("version"))


async def _describe(service: Service, describe: Describe, request: Request) -> Response:
    return json_response(describe(_found(service, request)))


def _readiness(service: Service, served: ServedModel) -> object:
    _check_ready(service)
    return {"name": served.name, "ready": True}


def _check_ready(service: Service) -> None:
    """Refuse, with the reasons, while requests should not be sent here."""
    is_ready, document = service.readiness()
    if not is_ready and isinstance(reasons := document["reasons"], list):
        cause = "; ".join(map(str, reasons))
        raise Problem("not-ready", f"{cause}.", "Try again later.", headers={"Retry-After": "1"})


@cache
def _own_version() -> str:
    from importlib.metadata import version

    return version("vidi")


async def _server(_: Request) -> Response:
    return json_response(server_metadata(_own_version()))


async def _live(_: Request) -> Response:
    return json_response({"live": True})


async def _ready(service: Service, _: Request) -> Response:
    _check_ready(service)
    return json_response({"ready": True})


async def _refuse(cause: str, _: Request) -> Response:
    raise Problem("not-implemented", cause)


Done = TypeVar("Done")

MOST_AT_ONCE: Final = 65_536  # bytes of JSON or numbers to be written that are worked on without a thread: about 2 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """An answer, and what it says of each image."""

    response: InferResponse
    outcomes: Sequence[str]  # a verdict or `answered`, for each image


async def infer(service: Service, request: Request) -> Response:
    """Answer a request about one model.

    Args:
        request: whose body has not been read.

    Raises:
        Problem: the request is malformed, an image cannot be used, or there is no room or time.
    """
    served = _found(service, request)
    await service.stand()
    with service.slots.take() as slot:
        body = await read_body(request, most=service.settings.body_bytes)
        length = read_header_length(request.headers.getlist(HEADER_LENGTH), len(body))
        work = _answer(service, served, body, length)
        with service.metrics.counting_refused(served.name):
            inferred = await slot.within(service.settings.answer_seconds, work, request.receive)
    service.metrics.count_images(served.name, inferred.outcomes)
    response, headers = inferred.response, {}
    if response.header_length is not None:
        headers[HEADER_LENGTH] = str(response.header_length)
    return Response(response.body, headers=headers, media_type=response.media_type)


async def _answer(service: Service, served: ServedModel, body: bytes, header_length: int | None) -> Inferred:
    """From a body to the body of the answer."""
    engine = service.engine
    json_bytes = len(body) if header_length is None else header_length
    asked = await _where(engine, json_bytes, partial(decode_request, body, header_length, service.settings))
    offered = _offered_by(served)
    chosen = choose_outputs(asked, offered)
    rows = await classify(engine, served, asked, network_outputs(chosen, offered), recorder=service.recorder)

    def write() -> InferResponse:
        tensors = make_tensors(asked, chosen, rows, served.metadata)
        named = replace(asked, parameters={**asked.parameters, "model_id": served.model_id})
        return encode_response(named, tensors, model_name=served.name, model_version=served.version)

    response = await _where(engine, sum(values.nbytes for values in rows.values()), write)
    verdicts = find_verdicts(rows["probabilities"], served.metadata, novelty=rows.get("novelty"))
    return Inferred(response=response, outcomes=verdicts or [ANSWERED] * len(asked.images))


def _offered_by(served: ServedModel) -> tuple[OfferedOutput, ...]:
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
            recorder.record_arrays(served, images, given, decide_each(given, served.metadata))
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


def _framed(images: NDArray[np.uint8], framing: Framing) -> NDArray[np.uint8]:
    return np.stack([frame_image(image, framing) for image in images])
