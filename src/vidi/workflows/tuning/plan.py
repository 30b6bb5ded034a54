"""How a search spends its time: which hyperparameters, and how long one training may take."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vidi.errors import ResourceError, UsageError, VidiError
from vidi.files import digest_of
from vidi.machine import Deadline
from vidi.training.recipe import Recipe
from vidi.training.tuning import study as studies
from vidi.training.tuning.search_space import Hyperparameter, Room, choose_hyperparameters
from vidi.training.tuning.study import StudySettings
from vidi.training.tuning.trial import TrialTerms, train_once
from vidi.workflows.requests.train import TuneRequest
from vidi.workflows.run.budget import TABLE
from vidi.workflows.tuning.trials import TrialImages

if TYPE_CHECKING:
    from optuna import Study

TRIALS_AIMED = 20  # that fit where none is ended early
FEWEST_TRIALS = 6  # that must fit: longer trainings may not leave room for fewer
EPOCHS_WANTED = 8.0  # of the default recipe in one trial, where that leaves room for the fewest trials
EPOCHS_NEEDED = 4.0  # fewer say little of a usual training, and the search says so
OF_SHAPE = ("image_size", "options.width")  # given weights fit one shape only
SAMPLE = 64  # images whose decoding is timed
MEASURED_STEPS, MEASURED_SECONDS = 12, 4.0  # of the default recipe, to see how fast it is


def plan_search(
    study: "Study",
    images: TrialImages,
    recipe: Recipe,
    request: TuneRequest,
    *,
    until: Deadline,
    workshop: Path,
) -> tuple[StudySettings, list[str]]:
    """What the study was begun with, or what it begins with now; the default recipe is then the first to be tried.

    What the user should know of a new plan comes beside it, in sentences.

    Args:
        images: that trials may see.
        recipe: the default one.
        until: when all must be done.
        workshop: a folder for the training by which the speed is measured.

    Raises:
        UsageError: the study is about something else, or there is nothing to search.
        ResourceError: there is too little time.
    """
    values = {name: value for name, value in recipe.as_dict().items() if name != "sources"}
    data, known, notes = _digest(images), studies.settings_of(study), list[str]()
    if known is None:
        room = Room(
            usual_size=_usual(images.learned.sizes), class_count=len(images.classes), image_count=images.train_count
        )
        hyperparameters, notes = _affordable(
            _fitting(choose_hyperparameters(recipe, room), images), images, recipe, until
        )
        if not hyperparameters:
            raise UsageError("every value is set, so there is nothing to search", "Leave some values unset.")
        epoch = epoch_seconds(images, recipe, workshop=workshop)
        left = until.seconds_left() - TABLE["search page"].seconds
        seconds = trial_seconds(left, epoch=epoch, request=request)
        notes += _remark(seconds, epoch)
        known = StudySettings(data=data, recipe=values, hyperparameters=hyperparameters, trial_seconds=seconds)
        studies.begin(study, known)
    else:
        studies.require_same(known, data=data, recipe=values)
    studies.want_default(study, known.hyperparameters)
    return known, notes


def trial_seconds(left: float, *, epoch: float | None, request: TuneRequest) -> float:
    """How long one training may take, in seconds.

    What the user said; else so long that about twenty trainings fit and two more at the end, but longer where the
    default recipe would not get through eight epochs, as far as six trials still fit.

    Args:
        left: seconds for all trainings.
        epoch: seconds of the default recipe for one epoch; None where that is not known.

    Raises:
        ResourceError: fewer than six trials (or one as long as the user said) would fit beside the two at the end.
    """
    if request.trial_minutes is not None:
        seconds, fewest = 60 * request.trial_minutes, 1
    else:
        count = TRIALS_AIMED if request.trials is None else min(TRIALS_AIMED, request.trials)
        fewest = min(FEWEST_TRIALS, count)
        longest = max(TABLE["trial"].seconds, left / (fewest + 2))
        seconds = min(longest, max(TABLE["trial"].seconds, left / (count + 2), EPOCHS_WANTED * (epoch or 0.0)))
    if (fewest + 2) * seconds > 1.001 * left:
        raise ResourceError(
            f"only {max(0.0, left):.0f} s are left after reading: too little for a search",
            "Raise --minutes; 20 times as long as one training is a good choice.",
        )
    return round(seconds, 1)


def epoch_seconds(images: TrialImages, recipe: Recipe, *, workshop: Path) -> float | None:
    """About how long one epoch of a recipe takes here, from its first steps; None where it cannot be trained."""
    rates: list[float] = []
    try:
        terms = TrialTerms(
            folder=workshop,
            deadline=Deadline.after(MEASURED_SECONDS),
            should_stop=lambda: len(rates) >= MEASURED_STEPS,
            on_progress=lambda progress: rates.append(progress.images_per_second),
        )
        train_once(images.arrays(recipe.image_size), recipe, terms)
    except VidiError:
        return None  # its trial will say why
    return images.train_count / rates[-1] if rates and rates[-1] > 0 else None


def _remark(seconds: float, epoch: float | None) -> list[str]:
    """That trials are short, where they are."""
    if epoch is None or seconds >= EPOCHS_NEEDED * epoch:
        return []
    minutes = (EPOCHS_WANTED * epoch * (TRIALS_AIMED + 2) + TABLE["search page"].seconds) / 60
    return [
        f"trainings are short: {seconds:g} s, about {seconds / epoch:.2g} epochs of the default recipe. The result "
        f"holds only for such trainings; --minutes {minutes:.0f} gives each {EPOCHS_WANTED:g} epochs"
    ]


def _fitting(hyperparameters: tuple[Hyperparameter, ...], images: TrialImages) -> tuple[Hyperparameter, ...]:
    """Without those that change the network's shape where it begins from given weights."""
    return (
        hyperparameters
        if images.start is None
        else tuple(hyperparameter for hyperparameter in hyperparameters if hyperparameter.name not in OF_SHAPE)
    )


def _affordable(
    hyperparameters: tuple[Hyperparameter, ...], images: TrialImages, recipe: Recipe, until: Deadline
) -> tuple[tuple[Hyperparameter, ...], list[str]]:
    """Without the image size where decoding the images at every size would take too much of the time."""
    size = next((hyperparameter for hyperparameter in hyperparameters if hyperparameter.name == "image_size"), None)
    if size is None:
        return hyperparameters, []
    seconds = images.learned.seconds_to_read(recipe.image_size, sample=SAMPLE) * (len(size.choices) - 1)
    if seconds <= TABLE["other sizes"].share * until.seconds_left():
        return hyperparameters, []
    kept = tuple(hyperparameter for hyperparameter in hyperparameters if hyperparameter is not size)
    return kept, [f"not searching image sizes: decoding the images at each size would take {seconds:.0f} s"]


def _digest(images: TrialImages) -> str:
    """One digest for the images that trials see, in order, with their labels and parts."""
    learned = images.learned
    known = learned.truth.array.astype(np.int64)
    lines = [f"{digest} {label}" for digest, label in zip(learned.digests, known.tolist(), strict=True)]
    counted = [] if images.weights is None else [f"counts {weight:g}" for weight in images.weights.tolist()]
    return digest_of("\n".join([str(images.train_count), *images.classes, *lines, *counted]).encode())


def _usual(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    height, width = (int(side) for side in np.median(np.array(sizes), axis=0))
    return height, width
