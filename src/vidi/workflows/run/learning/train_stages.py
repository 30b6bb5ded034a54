"""The stage above a head: fine-tuning or a network from scratch; the better of the two is kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from vidi.files import write_atomic
from vidi.machine import Deadline
from vidi.metrics.truth import Truth
from vidi.networks.build import design_network
from vidi.numbers import percent
from vidi.training.data import TrainingData
from vidi.training.defaults import recipe_for
from vidi.training.engine.engine import choose_precision
from vidi.training.engine.rates import seconds_per_image
from vidi.training.loop.objective import answer
from vidi.training.loop.schedule import Plan
from vidi.training.loop.state import new_state
from vidi.training.recipe import Recipe
from vidi.training.trained import TrainedNetwork
from vidi.workflows.interaction.run_folder import RECIPE
from vidi.workflows.run.budget import LEAST_FOLDS, TABLE, Session
from vidi.workflows.run.learning.ensemble import has_begun, noting_no_ensemble
from vidi.workflows.run.learning.learn import LearnedModel, fold_work, learn, training_data
from vidi.workflows.run.learning.stage_plan import StageName
from vidi.workflows.run.prepare import reframe

LEAST_EPOCHS = 2.0  # of fine-tuning that must fit into the time that is left …
ONE_EPOCH = 1.0  # … where the least is spent on calibration
STILL_PART = 3  # one layer in so many stays as it is: the first ones see edges, which are the same everywhere
BETTER = 0.99  # times the log loss of the stage below: what lies nearer is not worth another network
VALIDATION_SHARE = 1.1  # of an epoch's time, with its validation


def train_stages(
    session: Session,
    head: LearnedModel,
    *,
    stages: Sequence[StageName],
    changes: Mapping[str, object],
    ensemble: int | None = None,
) -> LearnedModel:
    """Try the stage above the head, where there is one, and return the better of the two.

    Args:
        session: of the run; where it is to be finished, nothing is trained that has not begun.
        stages: of the run; the first is the head.
        ensemble: trainings on the stage above, where the user asked for several.
    """
    if len(stages) == 1:
        return replace(head, trained=noting_no_ensemble(head.trained, ensemble))
    (_, stage) = stages
    events, begin = session.events, head.begin if stage == "fine-tune" else None
    traits = head.images.found.traits
    recipe = recipe_for(traits, changes=_fitting(changes)) if begin is None else _fine_tuning(begin.recipe)
    images = reframe(head.images, recipe.image_size, watch=session.budget.watch, events=events)
    data = training_data(images, left_out=head.data.left_out)
    if begin is not None:
        data = replace(data, initial=begin.tensors)
    reason, fold_work = _why_not(session, data, recipe, head, trainings=ensemble or 1)
    session = replace(session, fold_work=fold_work)
    if reason:
        events.say(f"{stage}: skipped because {reason}")
        return replace(head, trained=noting_no_ensemble(head.trained, ensemble))
    if begin is not None and recipe.pretrained != head.trained.recipe.pretrained:
        pair = head.trained.recipe.pretrained
        events.say(f"fine-tune: {recipe.pretrained}, the better one of {pair}; both together would take too long")
    network = learn(session, data, recipe, ensemble=ensemble)
    is_better, sentence = _compare(data, network, head.trained, stage=stage)
    events.say(sentence)
    if is_better:
        license = head.trained.weights_license if stage == "fine-tune" else None
        return LearnedModel(images=images, data=data, trained=replace(network, weights_license=license))
    write_atomic(session.folder / RECIPE, head.trained.recipe.as_toml())
    # It is finished, but where the user stopped the stage above, the run is not.
    kept = noting_no_ensemble(head.trained, ensemble)
    return replace(head, trained=replace(kept, stopped_by="user" if network.stopped_by == "user" else kept.stopped_by))


def _fine_tuning(recipe: Recipe) -> Recipe:
    """The head's recipe without what makes it one of a head, and with what fine-tuning leaves as it is."""
    layers = design_network(recipe.network, image_size=recipe.image_size, class_count=2, options=recipe.options).layers
    usual: dict[str, object] = {
        "class_weights": "none",  # the head alone gains by them
        "frozen_layers": len(layers) // STILL_PART,
        "frozen_depthwise": True,
    }
    changes = {name: value for name, value in usual.items() if recipe.sources.get(name) != "you"}
    changes |= {"freeze": False, "head": "trained", "head_strength": 0.0, "features": ""}
    return recipe.changed(changes, source="default: the usual for fine-tuning")


def _fitting(changes: Mapping[str, object]) -> dict[str, object]:
    """What the user set that means something to a network from scratch; the size was meant for the features."""
    return {name: value for name, value in changes.items() if name in ("seed", "class_weights", "precision")}


def _why_not(
    session: Session, data: TrainingData, recipe: Recipe, head: LearnedModel, *, trainings: int
) -> tuple[str, float]:
    """The reason to leave the stage out, in words, empty where there is none; and what calibration may then cost."""
    usual = session.fold_work
    if has_begun(session.folder):
        return "", usual
    if session.finish:
        return "the run is being finished as it is", usual
    if not len(_compared(data, head.trained)[0]):
        return "there is no validation image to compare by", usual
    return _no_time(session, data, recipe, trainings=trainings, least=min(usual, fold_work(LEAST_FOLDS, head.images)))


def _no_time(
    session: Session, data: TrainingData, recipe: Recipe, *, trainings: int, least: float
) -> tuple[str, float]:
    """Why the time that is left is too short for the stage, empty where it is not; and what calibration may cost.

    Args:
        least: that calibration can cost, in trainings of the network.
    """

    @cache
    def measure() -> float:
        network = new_state(recipe, class_count=2, plan=Plan(1)).network
        precision = choose_precision()[0]
        return seconds_per_image(network, recipe.image_size, batch=recipe.optimization.batch, precision=precision)

    count, reason = len(data.train_rows) + len(data.left_out), ""
    for work, epochs in ((session.fold_work, LEAST_EPOCHS), (least, ONE_EPOCH)):
        until = session.budget.training_until(fold_work=work)
        if until is None:
            return "", work
        left = partial(_seconds_each, until, trainings)
        reason = why_too_short(left, image_count=count, measure=measure, epochs=epochs)
        if not reason:
            return "", work
    return reason, session.fold_work


def _seconds_each(until: Deadline, trainings: int) -> float:
    return until.seconds_left() / trainings


def why_too_short(
    seconds_left: Callable[[], float], *, image_count: int, measure: Callable[[], float], epochs: float = LEAST_EPOCHS
) -> str:
    """Why the time is too short for a training, in words; empty where it is long enough.

    Args:
        seconds_left: for this training, at the moment of asking.
        image_count: images to learn from.
        measure: gives seconds for each image of a training step.
        epochs: that must fit.

    >>> why_too_short(lambda: 60.0, image_count=100, measure=lambda: 1.0)
    'an epoch takes about 110 s here and 60 s are left'
    """
    left = seconds_left()
    if left < TABLE["training"].seconds:  # the measuring alone would take as long
        return f"only {max(left, 0):.0f} s are left"
    seconds = VALIDATION_SHARE * image_count * measure()
    left = seconds_left()
    if left >= epochs * seconds:
        return ""
    return f"an epoch takes about {seconds:.0f} s here and {max(left, 0):.0f} s are left"


def _compared(data: TrainingData, head: TrainedNetwork) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Validation images that the head was judged on without having seen them, and its answers about them."""
    if head.held_out is None:
        return np.zeros(0, np.int64), np.zeros((0, data.class_count))
    rows = np.intersect1d(data.validation_rows, head.held_out.rows)
    order = np.searchsorted(head.held_out.rows, rows)
    return rows, head.held_out.probabilities[order].astype(np.float64)


def _compare(
    data: TrainingData, network: TrainedNetwork, head: TrainedNetwork, *, stage: StageName
) -> tuple[bool, str]:
    """Whether the network is better than the head on validation images that neither was trained on, and how much."""
    rows, given = _compared(data, head)
    truth = data.truth.at(rows)
    theirs, head_right = _judged(given, truth)
    answers = answer(
        network.network,
        data.images,
        rows,
        normalisation=network.normalisation,
        outputs=truth.outputs,
    )
    ours, right = _judged(answers.astype(np.float64), truth)
    is_better = ours < BETTER * theirs
    verdict = "kept" if is_better else "not better, so the head is kept"
    return is_better, (
        f"{stage}: accuracy {percent(right, digits=1)}, log loss {ours:.3f} on {len(rows):,} validation images; "
        f"the head {percent(head_right, digits=1)}, {theirs:.3f}: {verdict}"
    )


def _judged(probabilities: NDArray[np.float64], truth: Truth) -> tuple[float, float]:
    """Log loss at the temperature that suits them best, and accuracy: calibration comes for either afterwards."""
    return float(truth.calibrated_log_losses(probabilities).mean()), float(truth.correct(probabilities).mean())
