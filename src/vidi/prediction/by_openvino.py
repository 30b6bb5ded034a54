"""OpenVINO on the processor, in float32, for framed images: its Resize, which is taken out, gives other pixels.

Images of any other size are framed here first, by the host's own framing, which gives the graph's pixels.
"""

import sys
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ModelError
from vidi.files import escape_path
from vidi.images.framing import Framing, frame_image
from vidi.machine import core_count
from vidi.model_file.read import ModelFile

TELEMETRY = "openvino_telemetry"
FRAMED = "vidi.framed"  # the framed images, in every model file


class OpenVino:
    """A model file's graph, compiled by OpenVINO for framed images."""

    name = "openvino"

    def __init__(self, compiled: Any, framing: Framing) -> None:
        self.compiled, self.framing = compiled, framing
        self.idle: SimpleQueue[Any] = SimpleQueue()  # requests: each holds one run's memory, for one thread at a time

    def run(self, images: NDArray[np.uint8], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """Run the graph on images (batch, height, width, 3), framing them first where they are not yet."""
        if images.shape[1:3] != self.framing.size:
            images = np.stack([frame_image(image, self.framing) for image in images])
        try:
            request = self.idle.get_nowait()
        except Empty:
            request = self.compiled.create_infer_request()
        try:
            request.infer({"images": np.ascontiguousarray(images)}, share_inputs=True)
            return [np.array(request.get_tensor(name).data, np.float32) for name in outputs]
        except RuntimeError as error:  # OpenVINO has no error of its own
            raise ModelError(
                f"OpenVINO fails on images of shape {images.shape}: {str(error)[:300]}",
                "Use `--engine onnxruntime`.",
            ) from error
        finally:
            self.idle.put(request)


def open_openvino(model: ModelFile) -> OpenVino:
    """Compile a model file for the processor, in float32 whatever it could do faster.

    Raises:
        ModelError: OpenVINO does not take the graph.
    """
    openvino = import_openvino()
    cores = core_count()
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 where the processor has it: other answers, silently
        "INFERENCE_NUM_THREADS": cores,
        "NUM_STREAMS": cores,  # as many runs side by side, one thread each
    }
    framing = model.metadata.framing
    try:
        core = openvino.Core()
        read = core.read_model(model.data)
        take_framed(read, framing)
        return OpenVino(core.compile_model(read, "CPU", settings), framing)
    except RuntimeError as error:
        raise ModelError(
            f"{escape_path(model.path)}: OpenVINO does not take the graph: {str(error)[-300:]}",
            "Use `--engine onnxruntime`.",
        ) from error


def take_framed(graph: Any, framing: Framing) -> None:
    """Let a graph of OpenVINO's take framed images alone, and spare it the framing, which would leave them as they are.

    A resize to the same size took a fifth of the time of a network in 8 bits.
    """
    graph.reshape([-1, *framing.size, 3])
    for node in graph.get_ordered_ops():
        for output in node.outputs():
            if FRAMED in output.get_names():
                for reader in output.get_target_inputs():
                    reader.replace_source_output(graph.input("images").node.output(0))


def import_openvino() -> Any:
    """Import openvino as if its telemetry were not installed: it then takes a stub that sends and writes nothing."""
    hidden = TELEMETRY not in sys.modules
    if hidden:
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # what Python takes for a module that is not there
    try:
        import openvino
    finally:
        if hidden:
            del sys.modules[TELEMETRY]
    return openvino
