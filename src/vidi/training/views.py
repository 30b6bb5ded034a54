"""Whether an answer rests on the image alone, or on its mirror image too."""

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.temperature import tempered_log_loss
from vidi.networks.layers import Classifier
from vidi.training.data import TrainingData
from vidi.training.objective import Normalisation, answer
from vidi.training.recipe import MEASURED, Recipe

LEAST_IMAGES = 100  # for validation; of fewer the difference says nothing
GAIN = 0.97  # of the log loss without the mirror image: it must fall below that, for it costs twice the time


def choose_views(network: Classifier, data: TrainingData, *, recipe: Recipe, normalisation: Normalisation) -> Recipe:
    """Let a trained network look both ways where its recipe says so, or leaves it open and the validation images do.

    Left open, networks from scratch are tried that have learnt from mirrored copies; on public weights, which take
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
    if recipe.augmentation.flip == "none" or recipe.pretrained or len(rows) < LEAST_IMAGES:
        return recipe.changed({"views": "one"}, source="default: the image alone")
    losses = {}
    for both_ways in (False, True):
        network.both_ways = both_ways
        answers: NDArray[np.float64] = answer(network, data.images, rows, normalisation=normalisation).astype(float)
        losses[both_ways] = tempered_log_loss(answers, data.labels[rows])
    network.both_ways = losses[True] < GAIN * losses[False]
    shown = f"log loss {losses[False]:.3f} of {len(rows):,} validation images, {losses[True]:.3f} with their mirrors"
    return recipe.changed({"views": "both" if network.both_ways else "one"}, source=f"{MEASURED} {shown}")
