"""Transfer learning's first rung as a step of a run: choose the backbone, compute features, fit the head."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidi.files import write_whole
from vidi.groups import FOLDS, deal_learnable_folds
from vidi.networks.pretrained.backbone import set_head
from vidi.report.words.progress.pretrained import class_weights_line, head_line
from vidi.report.words.progress.run import skipping
from vidi.training.heads.linear import ChosenHead
from vidi.training.heads.transfer import frozen_backbone, learn_head, with_head
from vidi.training.recipe import Recipe
from vidi.training.train import TrainedNetwork
from vidi.workflows.ensembles.ensemble import EnsemblePlan
from vidi.workflows.ensembles.heads import average_heads
from vidi.workflows.interaction.run_folder import RECIPE
from vidi.workflows.negatives.hard_negatives import learn_background
from vidi.workflows.pretrained.backbones import (
    Candidate,
    ChosenBackbone,
    choose_backbone,
    features_of,
    groups_of,
    learnt_rows,
)
from vidi.workflows.pretrained.fitted import Head
from vidi.workflows.requests.train import Diagnostics
from vidi.workflows.run.context import Context
from vidi.workflows.run.learn import as_training_data
from vidi.workflows.run.prepare import Begin, Prepared, reframe
from vidi.workflows.studies.features import Features, study_features

MOST_IN_FOLDS = 10_000  # images; of more, one part is held out once


def learn_by_features(
    context: Context,
    prepared: Prepared,
    recipe: Recipe,
    *,
    candidates: tuple[Candidate, ...],
    diagnostics: Diagnostics,
    ensemble: EnsemblePlan | None = None,
) -> tuple[Prepared, TrainedNetwork]:
    """Train the network of the first rung, and return it with its framed data.

    Args:
        context: of the run, whose recipe.toml is written again; with little time left fewer heads are tried, and
            nothing is studied unasked.
        prepared: framed for the first candidate.
        recipe: for the first candidate.
        candidates: backbones to try.
        ensemble: heads by folds are averaged, where the user asked for them.
        diagnostics: what the user wants to know of the images.
    """
    backbone = choose_backbone(context, prepared, recipe, candidates)
    prepared = reframe(prepared, backbone.recipe.image_size, context)
    rows = learnt_rows(prepared)
    features = Features(
        values=features_of(context, prepared, backbone, rows),
        weights=backbone.weights.name,
        rows=rows,
        fold_of=_folds(prepared, rows, seed=recipe.seed),
    )
    prepared, chosen, recipe = _choose_head(context, prepared, backbone, features, diagnostics=diagnostics)
    data, weights = as_training_data(prepared), backbone.weights
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
    if ensemble is not None and ensemble.by == "folds":
        trained = average_heads(context, prepared, trained, head, plan=ensemble)
    if prepared.request.background is not None:
        trained = learn_background(context, prepared, trained, head)
    write_whole(context.folder / RECIPE, trained.recipe.as_toml())
    return replace(prepared, begin=_beginning(head, backbone)), trained


def _choose_head(
    context: Context, prepared: Prepared, backbone: ChosenBackbone, features: Features, *, diagnostics: Diagnostics
) -> tuple[Prepared, ChosenHead, Recipe]:
    """The head and its recipe, with what the images were found to be; as much of it as there is time for."""
    data, rows, events = as_training_data(prepared), features.rows, context.events
    wanted = ["every head", *([] if diagnostics.requested else ["studies"])]
    late = {stage for stage in wanted if not context.budget.allows(stage, len(rows))}
    if told := skipping(late - context.budget.left_out):
        events.say(told)
    choose = partial(
        learn_head,
        features.values,
        rows,
        recipe=backbone.recipe,
        fold_of=features.fold_of,
        in_haste="every head" in late,
    )
    chosen, recipe = choose(data=data)
    if "studies" not in late:
        prepared = study_features(context, prepared, features, chosen, diagnostics=diagnostics)
    if len(prepared.left_out):
        chosen, recipe = choose(data=as_training_data(prepared))
    if recipe.class_weights != "none":
        events.say(class_weights_line(recipe.class_weights, recipe.sources["class_weights"]))
    held_out = len(chosen.held_out)
    events.say(head_line(chosen.best.kind, features.weights, accuracy=chosen.best.accuracy, held_out=held_out))
    return prepared, chosen, recipe


def _beginning(head: Head, backbone: ChosenBackbone) -> Begin:
    """What fine-tuning begins from: the backbone, and a head of the same kind that knows the given images alone."""

    def begin(learnt: NDArray[np.int64]) -> Mapping[str, Tensor]:
        known = head.fitted_on(np.isin(head.rows, learnt))
        recipe = backbone.recipe
        network = frozen_backbone(backbone.weights, head.data, image_size=recipe.image_size, options=recipe.options)
        set_head(network, torch.from_numpy(known.weight), torch.from_numpy(known.bias))
        return network.state_dict()

    return begin


def _folds(prepared: Prepared, rows: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """The fold in which each of these images is held out; of very many only some are, once."""
    labels = prepared.truth.strata[rows]
    if len(rows) <= MOST_IN_FOLDS:
        return deal_learnable_folds(groups_of(prepared, rows), labels=labels, seed=seed)
    if len(validation := prepared.split.rows("validation")):
        return np.where(np.isin(rows, validation), 0, -1)
    parts = -(-len(rows) // (MOST_IN_FOLDS // FOLDS))
    fold_of = deal_learnable_folds(groups_of(prepared, rows), labels=labels, folds=parts, seed=seed)
    return np.where(fold_of == 0, 0, -1)
