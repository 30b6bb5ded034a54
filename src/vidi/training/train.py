"""From arrays and a recipe to a trained network, with checkpoints on the way."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vidi.errors import ModelError, UsageError
from vidi.files import remove_leftovers
from vidi.machine import Deadline, tune_allocator
from vidi.metrics.arrays import SMALLEST_PROBABILITY
from vidi.metrics.truth import OneClass
from vidi.networks.build import blank_network
from vidi.networks.layers import Classifier, look_through_grey
from vidi.networks.side_by_side import Network
from vidi.training.combination import Combination
from vidi.training.data import TrainingData, class_weights, identity_difference, is_grey
from vidi.training.engine.engine import engine_of, limit_threads, moved_here, precision_of, with_engine
from vidi.training.loop.checkpoint import PREVIOUS_NAME, read_checkpoint
from vidi.training.loop.epoch import steps_in_epoch
from vidi.training.loop.faults import Keeper
from vidi.training.loop.loop import train
from vidi.training.loop.objective import InputNormalisation, answer, forget_weights, normalisation_for
from vidi.training.loop.progress import NOBODY, EpochRow, Listener
from vidi.training.loop.schedule import Plan
from vidi.training.loop.state import State, fill_in, new_state, restore_state, training_context
from vidi.training.notes import NewLayers, Note, OlderCheckpoint
from vidi.training.recipe import MEASURED, Recipe
from vidi.training.width import answers_after, fit_width

OF_ONE_CLASS = {"loss": "cross-entropy", "class_weights": "none"}  # values for images that may show several
FEW_EPOCHS = {"augmentation.shift": 5, "augmentation.erase": 16}  # below, such copies cost more than they help
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
    notes: tuple[Note, ...]  # what was out of the ordinary
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


def train_network(
    arrays: TrainingData,
    recipe: Recipe,
    *,
    folder: Path,
    deadline: Deadline | None = None,
    listener: Listener = NOBODY,
    resume: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainedNetwork:
    """Train a network, or go on with one: same recipe, seed and kind of machine give the same weights to the bit.

    Writes `checkpoint.safetensors`, `checkpoint-previous.safetensors` and `results.csv` into the folder.

    Args:
        arrays: framed images, labels, and which to learn from.
        recipe: how; its image size must be that of the images.
        folder: the run's own folder, held by this process.
        deadline: when training must end; fewer epochs are planned where the recipe's would take longer.
        listener: is told of steps and epochs.
        resume: go on from the folder's checkpoint.
        should_stop: asked after every step; true ends the run with a checkpoint and the best network so far.

    Raises:
        UsageError: the recipe is for images of one class each, and these may show several.
        ModelError: the checkpoint is damaged beyond its copy, or of another recipe, data set or class list.
        GateError: training does not converge.
        ResourceError: memory or disk is too small.
    """
    _refuse_of_one_class(arrays, recipe)
    tune_allocator()
    limit_threads()
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    if resume:
        state, recipe, normalisation = _resumed(folder, arrays, recipe=recipe)
    else:
        state, recipe, normalisation, deadline = _begun(arrays, recipe, deadline=deadline)
    keeper = Keeper(
        folder,
        arrays,
        recipe=recipe,
        normalisation=normalisation,
        listener=listener,
        epochs_told=len(state.history),
    )
    context = training_context(
        arrays,
        recipe,
        normalisation=normalisation,
        deadline=deadline,
        should_stop=should_stop,
        after_step=keeper.after_step,
    )
    if not resume:
        keeper.save(state)
    if not state.stopped_by:
        train(state, context)
        if not state.best:
            state.keep_best()
        keeper.save(state)
    return _trained(state, arrays, recipe=recipe, normalisation=normalisation)


def _refuse_of_one_class(arrays: TrainingData, recipe: Recipe) -> None:
    """Refuse what is made for images of one class each, where they may show several."""
    if isinstance(arrays.truth, OneClass):
        return
    for name, usual in OF_ONE_CLASS.items():
        if recipe.value(name) != usual:
            raise UsageError(
                f"{name} is {recipe.value(name)}, which is for images of one class each, but these are multi-label",
                f"Leave it at {usual}.",
            )


def read_trained(folder: Path, arrays: TrainingData, *, recipe: Recipe) -> TrainedNetwork:
    """The best network so far of a run that was stopped, without any more training.

    Raises:
        ModelError: as `train_network` with `resume`.
    """
    state, recipe, normalisation = _resumed(folder, arrays, recipe=recipe)
    if not state.best:
        state.keep_best()
    return _trained(state, arrays, recipe=recipe, normalisation=normalisation)


def _begun(
    arrays: TrainingData, recipe: Recipe, *, deadline: Deadline | None
) -> tuple[State, Recipe, InputNormalisation, Deadline | None]:
    """A new run: the engine is measured where the recipe leaves it open, and the plan made to fit the deadline.

    The deadline comes back earlier by what calibration and test will cost, but by no more than half of what is left.
    """
    if recipe.image_size != arrays.image_size():
        raise ModelError(
            f"the recipe's image size is {recipe.image_size}, the images are {arrays.image_size()}",
            "Frame the images to the size in the recipe.",
        )
    per_epoch = steps_in_epoch(len(arrays.train_rows), recipe.batch)
    normalisation = normalisation_for(recipe, arrays)
    recipe = with_engine(recipe)
    steps = recipe.epochs * per_epoch
    if deadline is not None:
        recipe, seconds = fit_width(recipe, arrays, seconds_left=deadline.seconds_left())
        deadline = deadline.earlier(min(answers_after(recipe, arrays) * seconds, deadline.seconds_left() / 2))
        # An epoch at least: the first steps' own times correct it, and the deadline holds in any case.
        steps = min(steps, max(per_epoch, int(max(deadline.seconds_left(), 0) / (seconds * recipe.batch))))
        recipe = fit_to_epochs(recipe, steps / per_epoch)
    state = new_state(
        recipe,
        class_count=arrays.class_count,
        plan=Plan(steps),
        engine=engine_of(recipe),
        blank=arrays.initial is not None,
    )
    left = fill_in(state.network, arrays, normalisation=normalisation, engine=engine_of(recipe))
    if left:
        state.notes.append(NewLayers(tuple(left)))
    if state.averaged is not None:
        state.averaged.load_state_dict(state.network.state_dict())
    return state, recipe, normalisation, deadline


def fit_to_epochs(recipe: Recipe, epochs: float) -> Recipe:
    """The recipe for as many epochs as fit into the time: seen a few times only, images are neither moved nor erased.

    What the user set stays.
    """
    changes = {
        name: 0.0
        for name, least in FEW_EPOCHS.items()
        if epochs < least and recipe.value(name) and recipe.sources.get(name) != "you"
    }
    return recipe.changed(changes, source=f"{MEASURED} only enough time for {epochs:.1f} epochs")


def _resumed(folder: Path, arrays: TrainingData, *, recipe: Recipe) -> tuple[State, Recipe, InputNormalisation]:
    """A run brought back from its checkpoint, if that is of the same recipe and data."""
    checkpoint = read_checkpoint(folder)
    saved = Recipe.from_dict(checkpoint.values["recipe"])
    difference = identity_difference(checkpoint.values["data"], arrays.identity()) or _recipe_difference(saved, recipe)
    if difference:
        raise ModelError(
            f"{folder.name}: {difference}", "Resume with the original data and options, or start a new run."
        )
    saved, notes = moved_here(saved)
    state = new_state(saved, class_count=arrays.class_count, plan=Plan(1), engine=engine_of(saved), blank=True)
    restore_state(state, checkpoint.tensors, values=checkpoint.values)
    if checkpoint.fault:
        state.notes.append(OlderCheckpoint(checkpoint.fault, file=PREVIOUS_NAME))
    state.notes += notes
    if state.stopped_by in ("user", "deadline"):
        state.stopped_by = ""
    return state, saved, InputNormalisation(**checkpoint.values["normalisation"])


def _recipe_difference(saved: Recipe, given: Recipe) -> str:
    """The first field in which two recipes differ, in words.

    What was measured when the run began does not count, nor what is chosen when it has ended.
    """
    given = given.changed({name: saved.value(name) for name in saved.measured()}, source=MEASURED)
    before, now = (
        replace(recipe, sources={}, checkpoint_seconds=0.0, views="auto").as_dict() for recipe in (saved, given)
    )
    for name in before:
        if before[name] != now[name]:
            return f"{name} has changed: it was {before[name]}, now it is {now[name]}"
    return ""


def _trained(
    state: State, arrays: TrainingData, *, recipe: Recipe, normalisation: InputNormalisation
) -> TrainedNetwork:
    network = blank_network(
        recipe.network, image_size=recipe.image_size, class_count=arrays.class_count, options=recipe.options
    )
    network.load_state_dict(state.best)
    if recipe.class_weights != "none":
        weights = class_weights(arrays.strata[arrays.train_rows], arrays.class_count, kind=recipe.class_weights)
        forget_weights(network, weights)
    if is_grey(arrays.images, arrays.train_rows):
        look_through_grey(network)
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
