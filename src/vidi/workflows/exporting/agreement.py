"""How two files, or one file in two ways of running it, answer the same images, and how fast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vidi.model_file.decisions import judge
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.prediction.session import open_graph, open_session, run_session
from vidi.prediction.timing import take_turns

BATCH = 32
BATCHES = (1, BATCH)
ROUNDS, SECONDS = 5, 0.25  # of each file in each round

Answers = tuple[NDArray[np.float32], NDArray[np.float32] | None]  # probabilities, novelty


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Answers of two sessions about the same images."""

    image_count: int
    other_labels: float  # share of the images
    other_verdicts: float | None  # None where the files give no verdicts
    largest_difference: float  # of a probability
    mean_difference: float  # of the probability of the first one's label


def compare_sessions(
    first: onnxruntime.InferenceSession,
    second: onnxruntime.InferenceSession,
    images: NDArray[np.uint8],
    *,
    metadata: tuple[ModelMetadata, ModelMetadata] | None = None,
) -> Agreement:
    """Ask both about framed images (images, height, width, 3).

    Args:
        first: what the second is compared with.
        second: answers about the same classes.
        images: framed.
        metadata: of both, where their verdicts are compared.
    """
    (here, strange), (there, stranger) = (_answers(session, images) for session in (first, second))
    labels = here.argmax(axis=1)
    verdicts = None
    if metadata is not None and all(one.verdict is not None for one in metadata):
        verdicts = float(np.mean(_verdicts(here, strange, metadata[0]) != _verdicts(there, stranger, metadata[1])))
    apart = np.abs(here.astype(np.float64) - there)
    return Agreement(
        image_count=len(images),
        other_labels=float(np.mean(labels != there.argmax(axis=1))),
        other_verdicts=verdicts,
        largest_difference=float(apart.max()),
        mean_difference=float(apart[np.arange(len(labels)), labels].mean()),
    )


def open_unfused(model: ModelFile) -> onnxruntime.InferenceSession:
    """The file as it is written: what fused kernels compute in 8 bits is computed in floating point."""
    return open_graph(model.data, name=str(model.path), optimised=False)


def measure_rates(models: Mapping[str, ModelFile], images: NDArray[np.uint8]) -> dict[str, dict[int, float]]:
    """Images per second of each file on one core, by the number of images in a batch; the files take turns."""
    sessions = {name: open_session(model) for name, model in models.items()}
    found: dict[str, dict[int, float]] = {name: {} for name in models}
    for size in BATCHES:
        batch = np.resize(images, (size, *images.shape[1:]))
        runs = {name: partial(run_session, session, batch, ["probabilities"]) for name, session in sessions.items()}
        for name, timed in take_turns(runs, rounds=ROUNDS, seconds=SECONDS).items():
            found[name][size] = round(timed.rate * size, 2)
    return found


def _answers(session: onnxruntime.InferenceSession, images: NDArray[np.uint8]) -> Answers:
    names = [output.name for output in session.get_outputs() if output.name in ("probabilities", "novelty")]
    rows = [run_session(session, images[start : start + BATCH], names) for start in range(0, len(images), BATCH)]
    columns = {name: np.concatenate([row[index] for row in rows]) for index, name in enumerate(names)}
    return columns["probabilities"], columns.get("novelty")


def _verdicts(
    rows: NDArray[np.float32], novelty: NDArray[np.float32] | None, metadata: ModelMetadata
) -> NDArray[np.str_]:
    strange: Sequence[float | None] = [None] * len(rows) if novelty is None else novelty.tolist()
    return np.array([judge(row, metadata, novelty=one).verdict for row, one in zip(rows, strange, strict=True)])
