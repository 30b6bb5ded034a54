"""The best network of a training, and how it came about."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vidi.metrics.arrays import SMALLEST_PROBABILITY
from vidi.metrics.truth import OneClass
from vidi.networks.build import blank_network
from vidi.networks.layers import Classifier, average_colour_filters
from vidi.networks.side_by_side import Network
from vidi.training.combination import Combination
from vidi.training.data import TrainingData, class_weights, is_grey
from vidi.training.engine.engine import precision_of
from vidi.training.loop.objective import InputNormalisation, answer, forget_weights
from vidi.training.loop.progress import EpochRow
from vidi.training.loop.state import State
from vidi.training.recipe import MEASURED, Recipe

LEAST_IMAGES = 100  # for validation; of fewer the difference says nothing
GAIN = 0.97  # of the log loss without the mirror image: it must fall below that, for it costs twice the time


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfFoldAnswers:
    """Answers by networks of one recipe, each about images that were kept from it."""

    rows: NDArray[np.int64]  # of the images
    probabilities: NDArray[np.float32]  # (rows, classes)
    features: NDArray[np.float32] | None = None  # (rows, features); None where each network has its own


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedNetwork:
    """The best network of a run, and how it came about."""

    network: Network  # with the best epoch's weights, in evaluation mode
    recipe: Recipe  # as it was carried out: measured values in place of "auto"
    normalisation: InputNormalisation
    history: tuple[EpochRow, ...]
    best_epoch: int  # from 1; 0 when the run was stopped before its first epoch ended
    finished: bool  # the plan was done or patience ended it
    stopped_by: str  # plan, patience, deadline or user
    notes: tuple[str, ...]  # what was out of the ordinary, in sentences
    weights_license: str | None = None  # of the weights that it began from
    held_out: OutOfFoldAnswers | None = None  # answers about images that it was trained on, by networks that were not
    combination: Combination | None = None  # where several trainings became one network

    @property
    def single(self) -> Classifier:
        """The one network that a training ends in."""
        if not isinstance(self.network, Classifier):
            raise TypeError("several networks side by side are not one")
        return self.network

    def own_head(self) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Weights (classes, features) and biases of a head that was learned, from scratch, with all before it."""
        if not isinstance(self.network, Classifier) or self.recipe.pretrained:
            return None
        weight, bias = self.network.head.weight, self.network.head.bias
        return weight.detach().cpu().numpy(), bias.detach().cpu().numpy()


def trained_network(
    state: State, arrays: TrainingData, *, recipe: Recipe, normalisation: InputNormalisation
) -> TrainedNetwork:
    """The best network of a training that has ended, as it is shipped."""
    network = blank_network(
        recipe.network, image_size=recipe.image_size, class_count=arrays.class_count, options=recipe.options
    )
    network.load_state_dict(state.best)
    kind = recipe.optimization.class_weights
    if kind != "none":
        forget_weights(network, class_weights(arrays.strata[arrays.train_rows], arrays.class_count, kind=kind))
    if is_grey(arrays.images, arrays.train_rows):
        average_colour_filters(network)
    recipe = choose_views(network, arrays, recipe=recipe, normalisation=normalisation)
    return TrainedNetwork(
        network=network.eval().requires_grad_(False),
        recipe=recipe,
        normalisation=normalisation,
        history=tuple(state.history),
        best_epoch=state.counters.best_epoch,
        finished=state.stopped_by in ("plan", "patience"),
        stopped_by=state.stopped_by,
        notes=tuple(state.notes),
    )


def choose_views(
    network: Classifier, data: TrainingData, *, recipe: Recipe, normalisation: InputNormalisation
) -> Recipe:
    """Let a trained network look both ways where its recipe says so, or leaves it open and the validation images do.

    Left open, networks from scratch are tried that were trained on mirrored copies; on public weights, which take
    their time, only the user's word counts.

    Args:
        data: its validation images decide, each answer at the temperature that suits it best.

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
    # The network lies on the processor here.
    precision = precision_of(recipe) if recipe.execution.device == "cpu" else "float32"
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
