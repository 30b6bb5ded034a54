"""Transfer learning's first rung as a step of a run: choose the backbone, compute features, fit the head."""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidi.files import write_whole
from vidi.groups import FOLDS, deal_learnable_folds
from vidi.networks.build import design_network
from vidi.networks.catalog import PACKAGES, PAIRS
from vidi.networks.lite import BLOCK_FEATURES, FEATURES
from vidi.networks.pretrained.weights import set_head
from vidi.training.data import TrainingData
from vidi.training.heads.features import Embedder
from vidi.training.heads.linear import HEADS, ChosenHead
from vidi.training.heads.transfer import Head, frozen_backbone, learn_head, with_head
from vidi.training.recipe import Recipe
from vidi.workflows.interaction.progress import class_weights_line, head_line, skipping
from vidi.workflows.interaction.run_folder import RECIPE
from vidi.workflows.requests.train import Diagnostics
from vidi.workflows.run.describe import describe_model
from vidi.workflows.run.learning.backbones import (
    Candidate,
    ChosenBackbone,
    choose_backbone,
    features_of,
    groups_of,
    learnt_rows,
)
from vidi.workflows.run.learning.backgrounds import read_backgrounds
from vidi.workflows.run.learning.hard_negatives import learn_background
from vidi.workflows.run.learning.learn import ANSWERED_AFTER, Beginning, Learned, training_data
from vidi.workflows.run.learning.studies import USUAL_STRENGTH, Features, study_features
from vidi.workflows.run.prepare import SplitImages, reframe
from vidi.workflows.run.session import Session

MOST_IN_FOLDS = 10_000  # images; of more, one part is held out once


def learn_by_features(
    session: Session,
    images: SplitImages,
    recipe: Recipe,
    *,
    candidates: tuple[Candidate, ...],
    diagnostics: Diagnostics,
    embed: Embedder,
) -> Learned:
    """Train the network of the first rung.

    Args:
        session: of the run, whose recipe.toml is written again; with little time left fewer heads are tried, and no
            learning curve is drawn unasked.
        images: framed for the first candidate.
        recipe: for the first candidate.
        candidates: backbones to try.
        diagnostics: what the user wants to know of the images.
        embed: computes the features.
    """
    backbone = choose_backbone(images, recipe, candidates, budget=session.budget, events=session.events)
    images = reframe(images, backbone.recipe.image_size, watch=session.budget.watch, events=session.events)
    rows = learnt_rows(images)
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
        weighting=recipe.class_weights,
    )
    trained = with_head(head.network, chosen, head.features, rows, data=data, recipe=recipe, license=weights.license)
    if images.request.background is not None:
        photographs = read_backgrounds(images.request)
        unfinished = "still learning backgrounds"
        metadata = describe_model(images, trained, run=session.folder.name, unfinished=unfinished)
        trained = learn_background(session.folder, trained, head, photographs, metadata=metadata, events=session.events)
    write_whole(session.folder / RECIPE, trained.recipe.as_toml())
    begin = _beginning(head, backbone, trained.recipe)
    return Learned(images=images, data=data, trained=trained, begin=begin)


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
    if recipe.class_weights != "none":
        events.say(class_weights_line(recipe.class_weights, recipe.sources["class_weights"]))
    held_out = len(chosen.held_out)
    events.say(head_line(chosen.best.kind, features.weights, accuracy=chosen.best.accuracy, held_out=held_out))
    return data, chosen, recipe


def _beginning(head: Head, backbone: ChosenBackbone, recipe: Recipe) -> Beginning:
    """What fine-tuning begins from: one network without joined blocks, and a multinomial head on its last map.

    Gradients that enter at every block, or through the large weights of other heads, undo what the network knows.
    What the user set of either stands.
    """
    weights, columns = backbone.fine_tuned, _columns_of(backbone.fine_tuned.name, backbone)
    changes = {"network": weights.network, "pretrained": weights.name, "normalisation": weights.normalisation}
    recipe = recipe.changed(changes, source=recipe.sources["pretrained"])
    if recipe.options.block_features and not _is_users(f"options.{BLOCK_FEATURES}", recipe):
        recipe = recipe.changed({f"options.{BLOCK_FEATURES}": None}, source="default: the usual for fine-tuning")
        columns = slice(columns.start, columns.start + FEATURES)
    best = head.best
    if best.kind in HEADS and not _is_users("head", recipe):
        best = replace(best, kind="multinomial", strength=USUAL_STRENGTH, sharpness=1.0)
    head = replace(head, features=head.features[:, columns], best=best)

    def tensors(learnt: NDArray[np.int64]) -> Mapping[str, Tensor]:
        known = head.fitted_on(np.isin(head.rows, learnt))
        network = frozen_backbone(weights, head.data, image_size=recipe.image_size, options=recipe.options)
        set_head(network, torch.from_numpy(known.weight), torch.from_numpy(known.bias))
        return network.state_dict()

    return Beginning(recipe=recipe, tensors=tensors)


def _is_users(name: str, recipe: Recipe) -> bool:
    return recipe.sources.get(name) == "you"


def _columns_of(part: str, backbone: ChosenBackbone) -> slice:
    """Where a network's features lie among those that were computed; the last map's come first among its own."""
    recipe, start = backbone.recipe, 0
    if part == backbone.weights.name:
        return slice(0, None)
    for name in PAIRS[backbone.weights.name]:
        network = design_network(
            PACKAGES[name].network, image_size=recipe.image_size, class_count=2, options=recipe.options
        )
        if name == part:
            break
        start += network.head.in_features
    return slice(start, start + network.head.in_features)


def _folds(images: SplitImages, rows: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """The fold in which each of these images is held out; of very many only some are, once."""
    labels = images.truth.strata[rows]
    if len(rows) <= MOST_IN_FOLDS:
        return deal_learnable_folds(groups_of(images, rows), labels=labels, seed=seed)
    if len(validation := images.split.rows("validation")):
        return np.where(np.isin(rows, validation), 0, -1)
    parts = -(-len(rows) // (MOST_IN_FOLDS // FOLDS))
    fold_of = deal_learnable_folds(groups_of(images, rows), labels=labels, folds=parts, seed=seed)
    return np.where(fold_of == 0, 0, -1)
