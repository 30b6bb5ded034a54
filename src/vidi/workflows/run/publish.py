"""From a trained network to its model file: written, but marked unfinished until it is calibrated and tested."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vidi.errors import GateError
from vidi.evaluation.guarantees.calibrate import points_without_images
from vidi.files import write_atomic
from vidi.model_file.write import model_bytes
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.predictor import Predictor
from vidi.training.loop.objective import forward
from vidi.training.trained import TrainedNetwork
from vidi.workflows.interaction.run_folder import MODEL
from vidi.workflows.run.describe import describe_model, files_learned_from
from vidi.workflows.run.known import ModelCalibration
from vidi.workflows.run.learning.learn import LearnedModel

IMAGE_COUNT, LEAST_COUNT = 32, 8  # images that both answer: fewer of large ones, since short budgets feel it
MOST_PIXELS = 32 * 128 * 128  # of all of them
TOLERANCE = 1e-3  # of a probability; float32 sums in another order differ by some 1e-6
UNFINISHED = "training was interrupted: not calibrated, not tested"


def publish_unfinished(folder: Path, learned: LearnedModel) -> Predictor:
    """Write the network as a model file that agrees with torch, marked unfinished, and load it.

    Raises:
        GateError: it does not agree; nothing is written.
    """
    trained, images = learned.trained, learned.images
    metadata = describe_model(images, trained, run=folder.name, unfinished=UNFINISHED)
    data = model_bytes(to_onnx(trained.network, trained.recipe.image_size), metadata)
    predictor = Predictor.from_bytes(data)
    rows = learned.data.train_rows[:IMAGE_COUNT]
    require_parity(trained, predictor, np.ascontiguousarray(images.pixels[rows]))
    write_atomic(folder / MODEL, data)
    return predictor


def finished_bytes(
    learned: LearnedModel,
    calibrated: ModelCalibration | None,
    *,
    run: str,
    states_files: bool = False,
) -> bytes:
    """The network as a finished model file that was not tested.

    Args:
        calibrated: what the file states beside its weights; None: too few images to calibrate on.
    """
    images, trained = learned.images, learned.trained
    metadata, score = describe_model(images, trained, run=run), None
    if states_files:
        provenance = replace(metadata.provenance, learned_from=files_learned_from(images, learned.start))
        metadata = replace(metadata, provenance=provenance)
    if calibrated is None:
        metadata = replace(metadata, operating_points=points_without_images(images.truth, metadata.classes))
    else:
        metadata, score = calibrated.stated_in(metadata), calibrated.known.score
    return model_bytes(to_onnx(trained.network, trained.recipe.image_size), metadata, novelty=score)


def require_parity(trained: TrainedNetwork, predictor: Predictor, images: NDArray[np.uint8]) -> float:
    """Return the largest difference in probability between torch and the model file; refuse a large one.

    Args:
        predictor: its model file, without calibration.
        images: (batch, height, width, 3) uint8, framed; real ones. Of large images the first few are asked about.

    Raises:
        GateError: they differ by more than 0.001.
    """
    images = images[: parity_count(images.shape[1] * images.shape[2])]
    with torch.no_grad():
        logits = forward(trained.network, trained.normalisation.inputs(images), precision="float32")
    expected = predictor.metadata.outputs.probabilities(logits.numpy())
    difference = float(np.abs(expected - predictor.run(images, ("probabilities",))["probabilities"]).max())
    if not difference <= TOLERANCE:
        raise GateError(
            f"the model file differs from the trained network by {difference:.3g} in a probability",
            f"At most {TOLERANCE:g} is allowed. The file was not kept; please report this with recipe.toml.",
        )
    return difference


def parity_count(pixels: int) -> int:
    """Return how many images of this many pixels both are asked about.

    >>> [parity_count(side * side) for side in (32, 128, 224, 512)]
    [32, 32, 10, 8]
    """
    return max(LEAST_COUNT, min(IMAGE_COUNT, MOST_PIXELS // pixels))
