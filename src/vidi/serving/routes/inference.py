"""The routes of the Open Inference Protocol, version 2, below `/v2`."""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.serving.asked import IndexBody
from vidi.serving.engine.models import ServedModel
from vidi.serving.engine.service import Service
from vidi.serving.inference.describe import (
    DescribedModel,
    index_entry,
    model_config,
    model_metadata,
    model_statistics,
    server_metadata,
)
from vidi.serving.inference.tally import Tallies
from vidi.serving.json_body import read_json
from vidi.serving.problems import Problem
from vidi.serving.routes.infer import infer, offered_by
from vidi.serving.routes.reading import json_response, read_body

Endpoint = Callable[[Request], Awaitable[Response]]
Describe = Callable[[ServedModel], object]  # a model to a document about it

MOST_INDEX_BYTES: Final = 10_000  # of a request for the index
MODEL: Final = "/v2/models/{name}"
NOT_OFFERED: Final = {
    "/v2/repository/models/{name}/load": "Models are not loaded by requests.",
    "/v2/repository/models/{name}/unload": "Models are not unloaded by requests.",
    "/v2/systemsharedmemory/{rest:path}": "Shared memory is not offered.",
    "/v2/cudasharedmemory/{rest:path}": "Shared memory is not offered.",
    "/v2/trace/setting": "Traces are not offered.",
    "/v2/models/{name}/trace/setting": "Traces are not offered.",
    "/v2/logging": "The log is set where the server is started.",
}
EVERY_METHOD: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def routes(service: Service, tallies: Tallies | None = None) -> list[Route]:
    """The routes, each bound to what answers.

    Args:
        service: that answers.
        tallies: counts for the statistics; of their own where none are given.
    """
    tallies = tallies or Tallies()
    return [
        Route("/v2", _server),
        Route("/v2/health/live", _live),
        Route("/v2/health/ready", _ready(service)),
        Route("/v2/repository/index", _index(service), methods=["POST"]),
        Route("/v2/models/stats", _all_statistics(service, tallies)),
        *_model_routes(service, tallies),
        *(Route(path, _refuse(cause), methods=EVERY_METHOD) for path, cause in NOT_OFFERED.items()),
    ]


def _model_routes(service: Service, tallies: Tallies) -> list[Route]:
    """What is asked about one model, of whatever version or of one."""

    def statistics(served: ServedModel) -> object:
        return {"model_stats": [_statistics(served, tallies)]}

    def config(served: ServedModel) -> object:
        return model_config(_described(served), most_images=service.settings.images)

    described: dict[str, Describe] = {
        "": lambda served: model_metadata(_described(served)),
        "/ready": lambda served: _readiness(service, served),
        "/config": config,
        "/stats": statistics,
    }
    made: list[Route] = []
    for start in (MODEL, f"{MODEL}/versions/{{version}}"):
        made += [Route(f"{start}{end}", _describe(service, describe)) for end, describe in described.items()]
        made += [Route(f"{start}/infer", _infer(service, tallies), methods=["POST"])]
    return made


def _found(service: Service, request: Request) -> ServedModel:
    return service.models.find(request.path_params["name"], request.path_params.get("version"))


def _describe(service: Service, describe: Describe) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return json_response(describe(_found(service, request)))

    return endpoint


def _infer(service: Service, tallies: Tallies) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await infer(service, tallies, _found(service, request), request)

    return endpoint


def _described(served: ServedModel) -> DescribedModel:
    return DescribedModel(
        name=served.name,
        version=served.version,
        model_id=served.model_id,
        metadata=served.metadata,
        outputs=offered_by(served),
    )


def _readiness(service: Service, served: ServedModel) -> object:
    check_ready(service)
    return {"name": served.name, "ready": True}


def _statistics(served: ServedModel, tallies: Tallies) -> object:
    return model_statistics(served.name, served.version, tallies.of(served.name, served.version))


def _all_statistics(service: Service, tallies: Tallies) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return json_response({"model_stats": [_statistics(served, tallies) for served in service.models]})

    return endpoint


def reasons_against(service: Service) -> list[str]:
    """Why no requests should be sent here; none where all is well."""
    is_ready, document = service.readiness()
    reasons = document["reasons"]
    return [] if is_ready or not isinstance(reasons, list) else [str(reason) for reason in reasons]


def check_ready(service: Service) -> None:
    """Refuse while requests should not be sent here.

    Raises:
        Problem: `not-ready`, with the reasons.
    """
    if reasons := reasons_against(service):
        raise Problem("not-ready", f"{'; '.join(reasons)}.", "Try again later.", headers={"Retry-After": "1"})


@cache
def _own_version() -> str:
    from importlib.metadata import version

    return version("vidi")


async def _server(_: Request) -> Response:
    return json_response(server_metadata(_own_version()))


async def _live(_: Request) -> Response:
    return json_response({"live": True})


def _ready(service: Service) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        check_ready(service)
        return json_response({"ready": True})

    return endpoint


def _index(service: Service) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        body = await read_body(request, most=MOST_INDEX_BYTES)
        asked = read_json(body, IndexBody) if body else IndexBody()
        reasons = reasons_against(service)
        entries = [index_entry(served.name, served.version, reasons=reasons) for served in service.models]
        return json_response([] if asked.ready and reasons else entries)

    return endpoint


def _refuse(cause: str) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        raise Problem("not-implemented", cause)

    return endpoint
