"""The gate that every export passes: torch and the model file must agree on real images."""

import numpy as np
import torch
from numpy.typing import NDArray

from vidi.errors import GateError
from vidi.prediction.predictor import Predictor
from vidi.training.loop.objective import forward
from vidi.training.train import TrainedNetwork

IMAGE_COUNT = 32
TOLERANCE = 1e-3  # of a probability; float32 sums in another order differ by some 1e-6


def require_parity(trained: TrainedNetwork, predictor: Predictor, images: NDArray[np.uint8]) -> float:
    """The largest difference of any probability between the torch network and the model file, before calibration.

    Args:
        trained: the network in torch.
        predictor: its model file, without calibration.
        images: (batch, height, width, 3) uint8, framed; real ones.

    Raises:
        GateError: they differ by more than 0.001.
    """
    with torch.no_grad():
        logits = forward(trained.network, trained.normalisation.inputs(images), precision="float32")
    expected = predictor.metadata.outputs.probabilities(logits.numpy())
    difference = float(np.abs(expected - predictor.run(images, ("probabilities",))["probabilities"]).max())
    if not difference <= TOLERANCE:
        raise GateError(
            f"the model file differs from the trained network by {difference:.3g} in a probability",
            f"At most {TOLERANCE:g} is allowed; the file was not kept. Please report this with the run's recipe.toml.",
        )
    return difference
