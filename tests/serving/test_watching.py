"""Requests are counted and logged, whatever becomes of them."""

import asyncio
import json

import pytest
from starlette.requests import ClientDisconnect, Request

from vidi.serving.application import service_of
from vidi.serving.log import RequestLog
from vidi.serving.watching import Watched


def test_a_client_that_leaves_is_not_counted_as_a_failure_of_the_server():
    lines = []
    service = service_of([], log=RequestLog(lines.append))

    async def app(scope, receive, send):
        await Request(scope, receive).body()

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        pytest.fail("nothing is sent")

    scope = {"type": "http", "method": "POST", "path": "/v1/predict", "headers": []}
    with pytest.raises(ClientDisconnect):
        asyncio.run(Watched(app, service)(scope, receive, send))

    assert json.loads(lines[0])["status"] == 499
    assert service.metrics.requests.labels("/v1/predict", "499")._value.get() == 1
