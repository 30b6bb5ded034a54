"""Whether an answer rests on the image alone, or on its mirror image too."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vidi.metrics.arrays import SMALLEST_PROBABILITY
from vidi.metrics.truth import OneClass
from vidi.networks.layers import Classifier
from vidi.training.data import TrainingData
from vidi.training.engine.settle import precision_of
from vidi.training.loop.objective import InputNormalisation, answer
from vidi.training.recipe import MEASURED, Recipe

LEAST_IMAGES = 100  # for validation; of fewer the difference says nothing
GAIN = 0.97  # of the log loss without the mirror image: it must fall below that, for it costs twice the time


def choose_views(
    network: Classifier, data: TrainingData, *, recipe: Recipe, normalisation: InputNormalisation
) -> Recipe:
    """Let a trained network look both ways where its recipe says so, or leaves it open and the validation images do.

    Left open, networks from scratch are tried that were trained on mirrored copies; on public weights, which take
    their time, only the user's word counts.

    Args:
        network: its `both_ways` is set.
        data: its validation images decide, each answer at the temperature that suits it best.
        recipe: `views` says one, both or auto.
        normalisation: what the network wants to see.

    Returns:
        The recipe with the choice in place of auto.
    """
    network.both_ways = recipe.views == "both"
    if recipe.views != "auto":
        return recipe
    rows = data.validation_rows
    if not isinstance(data.truth, OneClass):
        return recipe.changed({"views": "one"}, source="default: the image alone, where it may show several classes")
    if recipe.augmentation.flip == "none" or recipe.pretrained or len(rows) < LEAST_IMAGES:
        return recipe.changed({"views": "one"}, source="default: the image alone")
    precision = precision_of(recipe) if recipe.device == "cpu" else "float32"  # the network lies on the processor here
    straight, mirrored = (
        answer(network, images, rows, normalisation=normalisation, precision=precision)
        for images in (data.images, data.images[:, :, ::-1])
    )
    # The head is linear: the logits of the mean embedding are the mean of both logits.
    mean = softmax((_logs(straight) + _logs(mirrored)) / 2, axis=1)
    alone, both = (
        data.truth.at(rows).calibrated_log_losses(answers).mean() for answers in (straight.astype(float), mean)
    )
    network.both_ways = both < GAIN * alone
    shown = f"log loss {alone:.3f} of {len(rows):,} validation images, {both:.3f} with their mirrors"
    return recipe.changed({"views": "both" if network.both_ways else "one"}, source=f"{MEASURED} {shown}")


def _logs(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.log(np.maximum(probabilities.astype(np.float64), SMALLEST_PROBABILITY))
