"""What a network that is not trained any more makes of images, computed once by the fastest engine at hand."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from vidi.images.framing import Framing
from vidi.images.limits import DecodeOptions
from vidi.images.store import ImageStore
from vidi.machine import core_count
from vidi.networks.exported import graph_bytes
from vidi.networks.layers import Classifier, folded
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.by_openvino import import_openvino
from vidi.training.engine.engine import choose_precision
from vidi.training.engine.rates import Precision
from vidi.training.loop.objective import InputNormalisation

BATCH = 32
TRIAL_IMAGES = 16
TRIALS = 4  # batches of them that time an engine, the first one to warm up
TRIAL_SECONDS = 3.0  # of the usual engine's work: trying another for less costs more than it brings
LEAST_GAIN = 1.3  # of the optional engine; what lies nearer changes from run to run, and features' last bits with it

Floats = NDArray[np.float32]
Embed = Callable[[torch.Tensor], Floats]  # normalised inputs (batch, 3, height, width) → (batch, features)


def choose_feature_engine(
    network: Classifier,
    images: NDArray[np.uint8],
    normalisation: InputNormalisation,
    *,
    image_count: int,
) -> tuple[str, str]:
    """The engine that computes features fastest here, and what says so.

    torch in bfloat16 where the processor is fast in it, else onnxruntime; OpenVINO where it is installed and clearly
    faster than that, and where there are images enough that trying it pays.

    Args:
        network: the backbone; its head is not used.
        images: (batch, height, width, 3) uint8, some of those that features are wanted of.
        image_count: images whose features are wanted, about.

    Returns:
        A name in `ENGINES`, and what says so in words.
    """
    precision = choose_precision()[0]
    usual = "torch bfloat16" if precision == "bfloat16" else "onnxruntime"
    if find_spec("openvino") is None:
        return usual, f"the processor is {'fast' if precision == 'bfloat16' else 'slow'} in bfloat16"
    if image_count <= TRIALS * TRIAL_IMAGES:
        return usual, "comparing engines would take longer than it saves"
    some, challenger = images[:TRIAL_IMAGES], f"openvino {precision}"
    rates = {usual: feature_rate(network, some, normalisation, engine=usual)}
    if image_count < TRIAL_SECONDS * rates[usual]:
        return usual, f"{rates[usual]:.0f} images/s by {usual}, too few images to try others"
    rates[challenger] = feature_rate(network, some, normalisation, engine=challenger)
    chosen = challenger if rates[challenger] >= LEAST_GAIN * rates[usual] else usual
    return chosen, " and ".join(f"{rate:.0f} images/s by {name}" for name, rate in rates.items())


def feature_rate(
    network: Classifier, images: NDArray[np.uint8], normalisation: InputNormalisation, *, engine: str
) -> float:
    """Images per second of an engine, the best of three batches; what the images show does not matter."""
    embed, inputs = ENGINES[engine](network, (images.shape[1], images.shape[2])), normalisation.inputs(images)
    embed(inputs)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        embed(inputs)
        seconds.append(time.perf_counter() - start)
    return len(inputs) / max(min(seconds), 1e-9)


def embed_images(
    network: Classifier,
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    *,
    normalisation: InputNormalisation,
    engine: str,
    on_progress: Callable[[int, int], None] | None = None,
) -> Floats:
    """The embeddings of some images.

    Args:
        network: the backbone; its head is not used.
        images: (images, height, width, 3) uint8, framed; possibly memory-mapped.
        rows: (rows,) which of them.
        engine: a name in `ENGINES`.
        on_progress: called with (rows done, rows in all).

    Returns:
        (rows, features) float32.
    """
    embed = ENGINES[engine](network, (images.shape[1], images.shape[2]))
    features = np.empty((len(rows), network.head.in_features), np.float32)
    for start in range(0, len(rows), BATCH):
        piece = rows[start : start + BATCH]
        features[start : start + len(piece)] = embed(normalisation.inputs(np.ascontiguousarray(images[piece])))
        if on_progress is not None:
            on_progress(start + len(piece), len(rows))
    return features


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WantedFeatures:
    """Images whose features are wanted: framed pixels, and the files that they came from."""

    network: Classifier  # the backbone; its head is not used
    normalisation: InputNormalisation
    engine: str  # a name in `ENGINES`
    images: NDArray[np.uint8]  # (images, height, width, 3), framed; possibly memory-mapped
    rows: NDArray[np.int64]  # which of them
    store: ImageStore
    paths: Sequence[str]  # of all images, within the store
    framing: Framing
    decoding: DecodeOptions


Embedder = Callable[[WantedFeatures, Callable[[int, int], None] | None], Floats]  # reports (rows done, rows in all)


def embed_here(wanted: WantedFeatures, on_progress: Callable[[int, int], None] | None) -> Floats:
    """The features (rows, features) of the framed pixels, computed by this process."""
    return embed_images(
        wanted.network,
        wanted.images,
        wanted.rows,
        normalisation=wanted.normalisation,
        engine=wanted.engine,
        on_progress=on_progress,
    )


def _by_torch(network: Classifier, precision: Precision) -> Embed:
    answering = folded(network)
    answering.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def embed(inputs: torch.Tensor) -> Floats:
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            embeddings: Floats = answering.embed(inputs).to(torch.float32).numpy()
        return embeddings

    return embed


def _by_onnxruntime(network: Classifier, image_size: tuple[int, int]) -> Embed:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = core_count()
    session = onnxruntime.InferenceSession(
        graph_bytes(to_onnx(network, image_size)), sess_options=options, providers=["CPUExecutionProvider"]
    )

    def embed(inputs: torch.Tensor) -> Floats:
        embeddings: Floats = session.run(["embedding"], {"inputs": inputs.contiguous().numpy()})[0]
        return embeddings

    return embed


def _by_openvino(network: Classifier, image_size: tuple[int, int], precision: Precision) -> Embed:
    reader = import_openvino().Core()
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    model = reader.compile_model(reader.read_model(graph_bytes(to_onnx(network, image_size))), "CPU", settings)

    def embed(inputs: torch.Tensor) -> Floats:
        embeddings: Floats = np.array(model({"inputs": inputs.contiguous().numpy()})["embedding"], np.float32)
        return embeddings

    return embed


ENGINES: dict[str, Callable[[Classifier, tuple[int, int]], Embed]] = {
    "torch bfloat16": lambda network, _: _by_torch(network, "bfloat16"),
    "torch float32": lambda network, _: _by_torch(network, "float32"),
    "onnxruntime": _by_onnxruntime,
    "openvino bfloat16": lambda network, size: _by_openvino(network, size, "bfloat16"),
    "openvino float32": lambda network, size: _by_openvino(network, size, "float32"),
}
