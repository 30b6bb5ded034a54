"""What executes a model file's graph: onnxruntime's sessions, and the engines by name.

An engine other than the usual one is used only where it gives the model file's own answers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vidi.errors import MissingPackageError, ModelError, UnknownNameError
from vidi.files import escape_path
from vidi.images.framing import Framing
from vidi.model_file.read import ModelFile
from vidi.prediction.by_openvino import open_openvino

if TYPE_CHECKING:
    from vidi.model_file.golden import Replay

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


class GraphEngine(Protocol):
    """A model file's graph, ready to run. Safe to share between threads; each run uses one of them."""

    @property
    def name(self) -> str:
        """What users call it, a key of `ENGINES`."""
        ...

    def run(self, images: NDArray[np.uint8], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """Give some outputs, for images (batch, height, width, 3) of one size, which can be any size.

        Raises:
            ModelError: the graph fails on these images.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class OnnxRuntime:
    """An onnxruntime session of a model file."""

    session: onnxruntime.InferenceSession
    name: str = "onnxruntime"

    def run(self, images: NDArray[np.uint8], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """Run the whole graph, framing included; what no output needs is not computed."""
        return run_session(self.session, images, list(outputs))


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


def open_onnxruntime(model: ModelFile) -> OnnxRuntime:
    """Open a model file with onnxruntime.

    Raises:
        ModelError: onnxruntime does not take the graph.
    """
    return OnnxRuntime(open_session(model))


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


def usual_providers() -> tuple[str, ...]:
    """CUDA where the onnxruntime that is installed offers it, else the processor.

    Whoever uses any but the processor first holds it to the model's golden vectors (`model_file/golden.py`).
    """
    return CUDA if CUDA[0] in onnxruntime.get_available_providers() else CPU


ENGINES: Mapping[str, Callable[[ModelFile], GraphEngine]] = {"onnxruntime": open_onnxruntime, "openvino": open_openvino}
USUAL = "onnxruntime"


def is_installed(name: str) -> bool:
    """Whether an engine's package, which bears its name, is there."""
    return find_spec(name) is not None


def open_engine(name: str, model: ModelFile) -> GraphEngine:
    """Open an engine by its name; any but the usual one is held to the file's golden vectors first.

    Args:
        name: a key of `ENGINES`.

    Raises:
        UnknownNameError: no engine has that name.
        MissingPackageError: it is not installed.
        ModelError: it does not take the graph, or answers otherwise than the file says.
    """
    if name not in ENGINES:
        raise UnknownNameError(f"no engine is called {name!r}", f"Use one of: {', '.join(ENGINES)}.")
    if not is_installed(name):
        raise MissingPackageError(f"--engine {name}: {name} is not installed", f'pip install "vidi[{name}]"')
    engine = ENGINES[name](model)
    if name != USUAL:
        replay = replay_engine(engine, model)
        if not replay.passed:
            raise ModelError(
                f"{escape_path(model.path)}: {name} answers otherwise than the file says; {replay.sentence()}",
                f"Use `--engine {USUAL}`.",
            )
    return engine


def replay_engine(engine: GraphEngine, model: ModelFile) -> "Replay":
    """Ask an engine about the golden vectors of its model file, and compare.

    Raises:
        ModelError: the file holds no golden vectors, or damaged ones; or the engine fails on one.
    """
    from vidi.model_file.golden import replay_answers  # the usual engine is not asked: a faster start

    wanted = [name for name in ("probabilities", "novelty") if name in model.outputs]

    def ask(image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float | None]:
        row, *novelty = (given[0] for given in engine.run(image[None], wanted))
        return row, float(novelty[0]) if novelty else None

    return replay_answers(ask, model.metadata)
