"""Training for `ImageClassifier.fit`: from images in memory to a model file in memory."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.images.account import Entry
from vidi.images.given import Given
from vidi.machine import Deadline
from vidi.prediction.predictor import Predictor
from vidi.training.heads.transfer import train_on_features
from vidi.training.loop.progress import EpochRow
from vidi.training.recipe import Recipe
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.requests.shared import Guarantees
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run.budget import Budget, Session
from vidi.workflows.run.calibrate import calibrate_model
from vidi.workflows.run.given import as_truth, find_given, prepare_given
from vidi.workflows.run.learning.learn import LearnedModel, learn, training_data
from vidi.workflows.run.plan import recipe_of_first_stage
from vidi.workflows.run.prepare import SplitImages
from vidi.workflows.run.publish import finished_bytes, publish_unfinished
from vidi.workflows.run.read import FoundData

NAME = "ImageClassifier"  # of the data set and the run


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRequest:
    """How to train on images in memory."""

    classes: tuple[str, ...]
    network: str | None = None  # trained from scratch; None: what `vidi train` begins with
    pretrained: str | None = None  # weights whose features a head is learned on; `none`: a network from scratch
    changes: Mapping[str, object] = field(default_factory=dict)  # fields of the recipe that the user set
    minutes: float | None = None  # for everything
    held_out: float = 0.1  # share kept for choosing the epoch, and again for calibration


def fit_images(
    images: Sequence[Given],
    truth: NDArray[np.int64] | NDArray[np.bool_],
    request: FitRequest,
    *,
    groups: Sequence[str] | None = None,
    events: Events = SILENCE,
) -> tuple[Predictor, tuple[EpochRow, ...], tuple[Entry, ...]]:
    """Train on images in memory, and make a model file that passes the parity gate.

    From 20 images on in each held-out part, the best epoch is chosen on the one and the temperature fitted on the
    other; of fewer images everything is used for training, the last epoch is kept, and probabilities stay uncalibrated.
    Images that are equal once framed, and images of one group, are never on both sides.

    Args:
        truth: (images,) int64, index into `request.classes`; or (images, classes) bool, where they may show several.
        groups: images of equal group are kept together.

    Returns:
        The model file, loaded; a row for each epoch; and the images that could not be used.

    Raises:
        DataError: fewer than two classes have usable images.
        UsageError, GateError, ResourceError: as `train_network` says.
    """
    budget = Budget(None if request.minutes is None else Deadline.after(60 * request.minutes))
    found = find_given(images, as_truth(truth, class_count=len(request.classes)), classes=request.classes, name=NAME)
    recipe = _choose_recipe(found, request, events=events)
    split = prepare_given(
        images,
        found,
        image_size=recipe.image_size,
        held_out=request.held_out,
        seed=recipe.seed,
        groups=groups,
        events=events,
    )
    with tempfile.TemporaryDirectory(prefix="vidi-") as place:  # the folder goes, the model stays in memory
        session = Session(folder=Path(place), budget=budget, events=events)
        learned = _train(session, split, recipe)
        predictor = publish_unfinished(session.folder, learned)
        calibrated = None
        if len(split.split.rows("calibration")):
            calibrated = calibrate_model(session, learned, predictor, guarantees=Guarantees())
    predictor = Predictor.from_bytes(finished_bytes(learned, calibrated, run=NAME))
    return predictor, learned.trained.history, tuple(split.check.account.refused)


def _choose_recipe(found: FoundData, request: FitRequest, *, events: Events) -> Recipe:
    """The recipe of the first stage that `vidi train` would begin with; of a head, with one backbone."""
    asked = TrainRequest(
        data=found.request,
        minutes=request.minutes,
        network=None if request.pretrained else request.network,
        pretrained=request.pretrained,
        changes=request.changes,
    )
    return recipe_of_first_stage(asked, found.traits, events=events)


def _train(session: Session, images: SplitImages, recipe: Recipe) -> LearnedModel:
    """A network from scratch, or a head on the features of the pretrained one that the recipe names."""
    data = training_data(images)
    if not recipe.pretrained:
        return LearnedModel(images=images, data=data, trained=learn(session, data, recipe))
    trained = train_on_features(
        data,
        recipe,
        in_haste=not session.budget.allows("every head", len(data.train_rows)),
        on_progress=session.events.features,
    )
    return LearnedModel(images=images, data=data, trained=trained)
