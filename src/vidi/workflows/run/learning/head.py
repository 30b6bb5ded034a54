"""Transfer learning's first stage as a step of a run: choose the backbone, compute features, fit the head."""

import time
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vidi.groups import FOLDS, split_learnable_folds
from vidi.numbers import percent
from vidi.training.data import TrainingData
from vidi.training.heads.features import Embedder
from vidi.training.heads.linear import ChosenHead
from vidi.training.heads.transfer import Head, frozen_backbone, learn_head, with_head
from vidi.training.recipe import Recipe
from vidi.workflows.requests.train import Diagnostics
from vidi.workflows.run.budget import Session, skipping
from vidi.workflows.run.describe import describe_model
from vidi.workflows.run.learning.backbones import ChosenBackbone, choose_backbone, groups_of, rows_to_learn
from vidi.workflows.run.learning.backgrounds import read_backgrounds
from vidi.workflows.run.learning.beginning import beginning_of
from vidi.workflows.run.learning.candidates import Candidate
from vidi.workflows.run.learning.features import Features, features_of
from vidi.workflows.run.learning.hard_negatives import learn_background
from vidi.workflows.run.learning.learn import ANSWERED_AFTER, LearnedModel, training_data
from vidi.workflows.run.learning.studies import study_features
from vidi.workflows.run.prepare import SplitImages, reframe

MOST_IN_FOLDS = 10_000  # images; of more, one part is held out once


def learn_by_features(
    session: Session,
    images: SplitImages,
    recipe: Recipe,
    *,
    candidates: tuple[Candidate, ...],
    diagnostics: Diagnostics,
    embed: Embedder,
) -> LearnedModel:
    """Train the network of the first stage.

    Args:
        session: of the run; with little time left fewer heads are tried, and no learning curve is drawn unasked.
    """
    backbone = choose_backbone(images, recipe, candidates, budget=session.budget, events=session.events)
    images = reframe(images, backbone.recipe.image_size, watch=session.budget.watch, events=session.events)
    rows = rows_to_learn(images)
    began = time.monotonic()
    values = features_of(images, backbone, rows, session=session, embed=embed)
    seconds = backbone.seconds or (time.monotonic() - began) / len(rows)
    features = Features(
        values=values,
        weights=backbone.weights.name,
        rows=rows,
        fold_of=_folds(images, rows, seed=recipe.seed),
    )
    answered = sum(len(images.split.rows(part)) for part in ANSWERED_AFTER)
    data, chosen, recipe = _choose_head(
        session, images, backbone, features, diagnostics=diagnostics, answers=seconds * answered
    )
    weights = backbone.weights
    head = Head(
        network=frozen_backbone(weights, data, image_size=recipe.image_size, options=recipe.options),
        features=features.values,
        rows=rows,
        data=data,
        fold_of=features.fold_of,
        best=chosen.best,
        weighting=recipe.optimization.class_weights,
    )
    trained = with_head(head.network, chosen, head.features, rows, data=data, recipe=recipe, license=weights.license)
    if images.request.background is not None:
        photographs = read_backgrounds(images.request)
        unfinished = "still learning backgrounds"
        metadata = describe_model(images, trained, run=session.folder.name, unfinished=unfinished)
        trained = learn_background(session.folder, trained, head, photographs, metadata=metadata, events=session.events)
    begin = beginning_of(head, backbone, trained.recipe)
    return LearnedModel(images=images, data=data, trained=trained, begin=begin)


def _choose_head(
    session: Session,
    images: SplitImages,
    backbone: ChosenBackbone,
    features: Features,
    *,
    diagnostics: Diagnostics,
    answers: float,
) -> tuple[TrainingData, ChosenHead, Recipe]:
    """What is learned from, the head and its recipe; the images are studied as far as there is time.

    The labels are always checked: it takes a second, and finds what costs most.
    """
    data, rows, events = training_data(images), features.rows, session.events

    def has_time_for(stage: str) -> bool:
        if session.budget.allows(stage, len(rows), answers=answers):
            return True
        events.say(skipping(stage))
        return False

    in_haste = not has_time_for("every head")
    choose = partial(
        learn_head, features.values, rows, recipe=backbone.recipe, fold_of=features.fold_of, in_haste=in_haste
    )
    chosen, recipe = choose(data=data)
    with_curve = diagnostics.requested or has_time_for("learning curve")
    left_out = study_features(session, images, features, chosen, diagnostics=diagnostics, with_curve=with_curve)
    if len(left_out):
        data = training_data(images, left_out=left_out)
        chosen, recipe = choose(data=data)
    if recipe.optimization.class_weights != "none":
        events.say(f"class weights: {recipe.optimization.class_weights}; {recipe.sources['class_weights']}")
    held_out = len(chosen.held_out)
    judged = f"accuracy {percent(chosen.best.accuracy, digits=1)} on {held_out:,} held-out images"
    if not held_out:
        judged = "not compared with others: too few classes have two training images"
    events.say(f"head: {chosen.best.kind} on features of {features.weights}, {judged}")
    return data, chosen, recipe


def _folds(images: SplitImages, rows: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """The fold in which each of these images is held out; of very many only some are, once."""
    labels = images.truth.strata[rows]
    if len(rows) <= MOST_IN_FOLDS:
        return split_learnable_folds(groups_of(images, rows), labels=labels, seed=seed)
    if len(validation := images.split.rows("validation")):
        return np.where(np.isin(rows, validation), 0, -1)
    parts = -(-len(rows) // (MOST_IN_FOLDS // FOLDS))
    fold_of = split_learnable_folds(groups_of(images, rows), labels=labels, folds=parts, seed=seed)
    return np.where(fold_of == 0, 0, -1)
