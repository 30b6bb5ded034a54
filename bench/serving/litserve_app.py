"""LitServe with a worker for each core, a one-thread session in each: python -m bench.serving.litserve_app MODEL PORT.

The body comes raw (`bytes`), as the other servers take it, so nothing is coded as base64.
"""

import os
import sys
from typing import Annotated, Any

import litserve
import onnxruntime
from fastapi import Body

from bench.serving.rival import network_input, top_classes


class LiteApi(litserve.LitAPI):  # type: ignore[misc]
    """The network behind LitServe's four steps."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model

    def setup(self, device: str) -> None:  # noqa: ARG002  # LitServe names it
        """Open the session, in each worker."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])

    def decode_request(self, request: Annotated[bytes, Body(media_type="image/jpeg")]) -> Any:
        """The network's input."""
        return network_input(request)

    def predict(self, x: Any) -> Any:
        """The logits."""
        return self.session.run(["logits"], {"inputs": x})[0][0]

    def encode_response(self, output: Any) -> Any:
        """The answer."""
        return top_classes(output)


if __name__ == "__main__":
    server = litserve.LitServer(
        LiteApi(sys.argv[1]),
        accelerator="cpu",
        workers_per_device=len(os.sched_getaffinity(0)),
        fast_queue="--fast-queue" in sys.argv,
    )
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False)
