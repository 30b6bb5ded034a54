"""From arrays and a recipe to a trained network, with checkpoints on the way."""

from collections.abc import Callable
from pathlib import Path

from vidi.errors import ModelError, UsageError
from vidi.files import remove_leftovers
from vidi.machine import Deadline, tune_allocator
from vidi.metrics.truth import OneClass
from vidi.training.data import TrainingData, identity_difference
from vidi.training.engine.engine import engine_of, limit_threads, moved_here, with_engine
from vidi.training.loop.checkpoint import PREVIOUS_NAME, read_checkpoint
from vidi.training.loop.epoch import steps_in_epoch
from vidi.training.loop.faults import CheckpointKeeper
from vidi.training.loop.loop import train
from vidi.training.loop.objective import InputNormalisation, normalisation_for
from vidi.training.loop.progress import NOBODY, Listener
from vidi.training.loop.schedule import Plan
from vidi.training.loop.state import State, fill_in, new_state, restore_state, training_context
from vidi.training.recipe import MEASURED, Recipe
from vidi.training.trained import TrainedNetwork, trained_network
from vidi.training.width import answers_after, fit_width

OF_ONE_CLASS = {"loss": "cross-entropy", "class_weights": "none"}  # values for images that may show several
FEW_EPOCHS = {"augmentation.shift": 5, "augmentation.erase": 16}  # below, such copies cost more than they help


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
        recipe: how; its image size must be that of the images.
        folder: the run's own folder, held by this process.
        deadline: when training must end; fewer epochs are planned where the recipe's would take longer.
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
    keeper = CheckpointKeeper(
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
    return trained_network(state, arrays, recipe=recipe, normalisation=normalisation)


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
    return trained_network(state, arrays, recipe=recipe, normalisation=normalisation)


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
    per_epoch = steps_in_epoch(len(arrays.train_rows), recipe.optimization.batch)
    normalisation = normalisation_for(recipe, arrays)
    recipe = with_engine(recipe)
    steps = recipe.optimization.epochs * per_epoch
    if deadline is not None:
        recipe, seconds = fit_width(recipe, arrays, seconds_left=deadline.seconds_left())
        deadline = deadline.earlier(min(answers_after(recipe, arrays) * seconds, deadline.seconds_left() / 2))
        # An epoch at least: the first steps' own times correct it, and the deadline holds in any case.
        steps = min(steps, max(per_epoch, int(max(deadline.seconds_left(), 0) / (seconds * recipe.optimization.batch))))
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
        state.notes.append(f"started from the given weights; new because the classes differ: {', '.join(left)}")
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
        state.notes.append(f"{checkpoint.fault}; resumed from the checkpoint before it, {PREVIOUS_NAME}")
    state.notes += notes
    if state.stopped_by in ("user", "deadline"):
        state.stopped_by = ""
    return state, saved, InputNormalisation(**checkpoint.values["normalisation"])


def _recipe_difference(saved: Recipe, given: Recipe) -> str:
    """The first field in which two recipes differ, in words.

    What was measured when the run began does not count, nor what is chosen when it has ended.
    """
    given = given.changed({name: saved.value(name) for name in saved.measured()}, source=MEASURED)
    before, now = saved.as_dict(), given.as_dict()
    for name in before:
        if before[name] != now[name] and name not in ("sources", "checkpoint_seconds", "views"):
            return f"{name} has changed: it was {before[name]}, now it is {now[name]}"
    return ""
