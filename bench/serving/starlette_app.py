"""A plain Starlette app around one onnxruntime session with its own settings: python -m bench.serving.starlette_app."""

import sys

import onnxruntime
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bench.serving.rival import network_input, top_classes


def main(model: str, port: int) -> None:
    """Serve."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def answer(data: bytes) -> list[dict[str, object]]:
        return top_classes(session.run(["logits"], {"inputs": network_input(data)})[0][0])

    async def predict(request: Request) -> JSONResponse:
        return JSONResponse(await run_in_threadpool(answer, await request.body()))

    uvicorn.run(Starlette(routes=[Route("/predict", predict, methods=["POST"])]), port=port, log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
