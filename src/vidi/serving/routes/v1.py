"""The routes of vidi's own interface: predictions, models, health and counters."""

from collections.abc import Callable, Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.serving.asked import read_query
from vidi.serving.engine.service import Service
from vidi.serving.engine.telemetry import MEDIA_TYPE
from vidi.serving.routes.bodies import read_images
from vidi.serving.routes.predict import predict, served_document
from vidi.serving.routes.reading import json_response, read_body

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


def routes(service: Service) -> list[Route]:
    """The routes, each bound to what answers."""
    return [
        Route("/v1/predict", _predict(service), methods=["POST"]),
        Route("/v1/models", _models(service)),
        Route("/healthz", _health),
        Route("/readyz", _ready(service)),
        Route("/metrics", _metrics(service)),
    ]


def _predict(service: Service) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        await service.stand()
        asked = read_query(request.query_params.multi_items())
        served = service.models.find(asked.model)
        settings = service.settings
        with service.slots.take() as slot:
            body = await read_body(request, most=settings.body_bytes)
            images = read_images(body, request.headers.get("content-type", ""), most=settings.images)
            work = predict(service.engine, served, images, asked, recorder=service.recorder)
            with service.metrics.counting_refused(served.name):
                predicted = await slot.within(settings.answer_seconds, work, request.receive)
        service.metrics.count_images(served.name, predicted.outcomes)
        return json_response(predicted.document)

    return endpoint


def _models(service: Service) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return json_response({"models": [served_document(model) for model in service.models]})

    return endpoint


async def _health(_: Request) -> Response:
    return json_response({"alive": True})


def _ready(service: Service) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        is_ready, document = service.readiness()
        return json_response(document, status=200 if is_ready else 503)

    return endpoint


def _metrics(service: Service) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return Response(service.metrics_text(), media_type=MEDIA_TYPE)

    return endpoint
