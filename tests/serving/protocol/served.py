"""A server in a process of its own, for signals: prints its port, then READ AGAIN at each SIGHUP."""

import asyncio

from starlette.types import Receive, Scope, Send

from tests.serving.protocol.running import whole_body
from vidi.serving.protocol.listen import Listen, Listening
from vidi.serving.protocol.server import run_server
from vidi.serving.settings import Settings

PAUSE_SECONDS = 0.005  # work of each request, in which a signal may come


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer `ok` to a whole request, after some work."""
    if scope["type"] != "http":
        return
    await whole_body(receive)
    await asyncio.sleep(3_600 if scope["path"] == "/never" else PAUSE_SECONDS)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def tell(listening: Listening) -> None:
    """Print the port."""
    print(listening.addresses[0][1], flush=True)


if __name__ == "__main__":
    run_server(app, Settings(), listen=Listen(port=0), ready=tell, reload=lambda: print("READ AGAIN", flush=True))
