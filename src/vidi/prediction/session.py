"""The onnxruntime session of a model file."""

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vidi.errors import ModelError
from vidi.images.framing import Framing
from vidi.model_file.read import ModelFile

# Pixels for each run of the session: four images of 224 x 224. More overflow the processor's caches (EfficientNet-Lite0
# on two one-thread runs: 1 to 4 images 250 a second, 32 images 175), fewer small ones pay for each call.
BATCH_PIXELS = 4 * 224 * 224
MOST_IN_BATCH = 64
QUIET: Final = 4  # fatal only: onnxruntime would write to standard error, which holds only vidi's own lines

CPU: Final = ("CPUExecutionProvider",)
CUDA: Final = ("CUDAExecutionProvider", *CPU)


def batch_size(framing: Framing) -> int:
    """Images for each run of the session.

    >>> batch_size(Framing(size=(224, 224))), batch_size(Framing(size=(32, 32)))
    (4, 64)
    """
    height, width = framing.size
    return min(MOST_IN_BATCH, max(1, BATCH_PIXELS // (height * width)))


def usual_providers() -> tuple[str, ...]:
    """CUDA where the onnxruntime that is installed offers it, else the processor.

    Whoever uses any but the processor first holds it to the model's golden vectors (`model_file/golden.py`).
    """
    return CUDA if CUDA[0] in onnxruntime.get_available_providers() else CPU


def open_session(model: ModelFile) -> onnxruntime.InferenceSession:
    """A session that runs in the thread that calls it; several threads may call it at once.

    One-thread runs side by side use two cores as well as one two-thread run does, share the weights, and need no
    thread pool, so nothing spins between two images.

    Raises:
        ModelError: onnxruntime does not take the graph.
    """
    return open_graph(model.data, name=str(model.path))


def open_graph(
    data: bytes,
    *,
    name: str,
    threads: int = 1,
    keeps: bool = True,
    shared: bool = False,
    optimised: bool = True,
    providers: Sequence[str] = CPU,
) -> onnxruntime.InferenceSession:
    """A session of a model file's bytes, or of a part of its graph.

    Args:
        data: of an ONNX model.
        name: what messages call it.
        threads: that one run uses.
        keeps: memory from one run for the next; without, runs on ever other sizes take no more than the largest.
        shared: all such sessions of this process keep it together, so that idle ones hold none.
        optimised: nodes are fused and rewritten; without, the graph is executed as it is written.
        providers: of `usual_providers`; what the first does not offer runs on the next.

    Raises:
        ModelError: onnxruntime does not take the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = options.enable_mem_pattern = keeps
    options.log_severity_level = QUIET
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if shared:
        _make_shared_arena()
        options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        session = onnxruntime.InferenceSession(data, sess_options=options, providers=list(providers))
    except Exception as error:  # onnxruntime's own errors have no common class below Exception
        raise ModelError(
            f"{name}: onnxruntime does not take the graph: {str(error)[:300]}",
            "Use a file that vidi wrote, with the onnxruntime that vidi was installed with.",
        ) from error
    if hasattr(session, "_model_bytes"):  # kept to open the graph again on another provider, which is never wanted
        session.disable_fallback()
        session._model_bytes = None
    return session


@cache
def _make_shared_arena() -> None:
    """Memory that sessions of this process may share; made once, as onnxruntime has one environment."""
    kind = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(kind, None)


def run_session(
    session: onnxruntime.InferenceSession, images: NDArray[np.uint8], outputs: list[str]
) -> list[NDArray[np.float32]]:
    """Ask for some outputs, for images (batch, height, width, 3) of one size; what no output needs is not computed.

    Raises:
        ModelError: the graph fails on these images.
    """
    options = onnxruntime.RunOptions()
    options.log_severity_level = QUIET
    options.only_execute_path_to_fetches = True
    try:
        answers: list[NDArray[np.float32]] = session.run(outputs, {"images": images}, options)
    except Exception as error:  # as above
        raise ModelError(
            f"the model fails on images of shape {images.shape}: {str(error)[:300]}",
            "Check the model with `vidi inspect MODEL --self-test`.",
        ) from error
    return answers
