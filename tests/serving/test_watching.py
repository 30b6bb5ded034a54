"""Requests are counted and logged, whatever becomes of them."""

import asyncio
import json

import pytest
from starlette.requests import ClientDisconnect, Request

from tests.serving.asked import asked_to_serve
from vidi.serving.application import service_of
from vidi.serving.auth.access import TokenLock, choose_rules
from vidi.serving.auth.middleware import AuthMiddleware
from vidi.serving.engine.telemetry import RequestLog, Watched


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
        asyncio.run(Watched(app, service.metrics, service.log)(scope, receive, send))

    assert json.loads(lines[0])["status"] == 499
    assert service.metrics.requests.labels("/v1/predict", "499")._value.get() == 1


def test_the_log_holds_neither_the_token_nor_what_the_client_made_up():
    lines, secret = [], "a-token-of-some-length"
    service = service_of([], log=RequestLog(lines.append))

    async def let_in(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def send(message):
        pass

    for token in (secret, secret + "-guessed"):
        guarded = AuthMiddleware(let_in, choose_rules(asked_to_serve(), {}), TokenLock(secret))
        scope = {
            **{"type": "http", "method": "GET", "path": f"/{secret}\n{{}}", "raw_path": b"/x", "scheme": "http"},
            **{"query_string": f"token={secret}".encode(), "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9)},
            "headers": [
                *((b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())),
                *((b"traceparent", f"{secret}\r\n".encode()), (b"user-agent", secret.encode())),
            ],
        }
        asyncio.run(Watched(guarded, service.metrics, service.log)(scope, None, send))

    assert [json.loads(line)["status"] for line in lines] == [200, 401]
    assert [line for line in lines if secret in line or line.count("\n") != 1] == []
