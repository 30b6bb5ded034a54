"""FastAPI, Pillow and eager torch as they come: python -m bench.serving.torch_app MODEL PORT.

The weights are random, as those of the model file; the file itself is not read.
"""

import sys

import torch
import uvicorn
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool

from bench.lite_network import lite_torch
from bench.serving.rival import network_input, top_classes


def main(port: int) -> None:
    """Serve."""
    app, network = FastAPI(), lite_torch()

    def answer(data: bytes) -> list[dict[str, object]]:
        with torch.inference_mode():
            return top_classes(network(torch.from_numpy(network_input(data)))[0].numpy())

    @app.post("/predict")
    async def predict(request: Request) -> list[dict[str, object]]:
        return await run_in_threadpool(answer, await request.body())

    uvicorn.run(app, port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[2]))
