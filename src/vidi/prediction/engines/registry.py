"""The engines by name, and how one is opened: only what gives the model file's own answers is used."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vidi.errors import MissingPackageError, ModelError, UnknownNameError
from vidi.files import escape_path
from vidi.model_file.read import ModelFile
from vidi.prediction.engines.by_openvino import open_openvino
from vidi.prediction.session import open_session, run_session

if TYPE_CHECKING:
    from vidi.model_file.golden import Replay


class GraphEngine(Protocol):
    """A model file's graph, ready to run. Safe to share between threads; each run uses one of them."""

    @property
    def name(self) -> str:
        """What users call it, a key of `vidi.prediction.engines.registry.ENGINES`."""
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


def open_onnxruntime(model: ModelFile) -> OnnxRuntime:
    """Open a model file with onnxruntime.

    Raises:
        ModelError: onnxruntime does not take the graph.
    """
    return OnnxRuntime(open_session(model))


ENGINES: Mapping[str, Callable[[ModelFile], GraphEngine]] = {"onnxruntime": open_onnxruntime, "openvino": open_openvino}
USUAL = "onnxruntime"
AUTO = "auto"  # stands for whichever is fastest: `fastest.py`


def is_installed(name: str) -> bool:
    """Whether an engine's package, which bears its name, is there."""
    return find_spec(name) is not None


def open_engine(name: str, model: ModelFile) -> GraphEngine:
    """Open an engine by its name; any but the usual one is held to the file's golden vectors first.

    Args:
        name: a key of `ENGINES`.
        model: the model file.

    Raises:
        UnknownNameError: no engine has that name.
        MissingPackageError: it is not installed.
        ModelError: it does not take the graph, or answers otherwise than the file says.
    """
    if name not in ENGINES:
        raise UnknownNameError(f"no engine is called {name!r}", f"Use one of: {', '.join(ENGINES)}, auto.")
    if not is_installed(name):
        raise MissingPackageError(f"--engine {name}: {name} is not installed", f'pip install "vidi[{name}]"')
    engine = ENGINES[name](model)
    if name != USUAL:
        replay = replay_engine(engine, model)
        if not replay.passed:
            raise ModelError(
                f"{escape_path(model.path)}: {name} answers otherwise than the file says; {replay.sentence()}",
                f"Use `--engine {USUAL}`, or `--engine auto`, which takes only what agrees.",
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
