"""Transfer learning's first rung as a step of a run: choose the backbone, compute features, fit the head."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidi.files import write_whole
from vidi.groups import FOLDS, deal_learnable_folds
from vidi.machine import free_share
from vidi.networks.pretrained.backbone import set_head
from vidi.numbers import percent
from vidi.training.data import TrainingData
from vidi.training.heads.linear import ChosenHead, HeadTrial
from vidi.training.heads.transfer import fit_again, frozen_backbone, learn_head, with_head
from vidi.training.recipe import Recipe
from vidi.training.train import TrainedNetwork
from vidi.workflows.ensembles.ensemble import EnsemblePlan
from vidi.workflows.ensembles.heads import average_heads
from vidi.workflows.interaction.run_folder import RECIPE
from vidi.workflows.negatives.hard_negatives import Head, learn_background
from vidi.workflows.requests.train import Asked
from vidi.workflows.run.backbones import Candidate, ChosenBackbone, choose_backbone, features_of, groups_of, learnt_rows
from vidi.workflows.run.context import Context
from vidi.workflows.run.learn import as_training_data
from vidi.workflows.run.prepare import Begin, Prepared, reframe
from vidi.workflows.studies.features import Features, study_features

HASTE_SECONDS, HASTE_PER_IMAGE = 8.0, 0.004  # with less time than that left after the features it hurries
NOT_STUDIED = (
    "time: fewer heads are tried, and likely label errors and what more images would bring are left out; "
    "--minutes with more, or --find-label-errors"
)
MOST_IN_FOLDS = 10_000  # images; of more, one part is held out once


def learn_by_features(
    context: Context,
    prepared: Prepared,
    recipe: Recipe,
    *,
    candidates: tuple[Candidate, ...],
    asked: Asked,
    ensemble: EnsemblePlan | None = None,
) -> tuple[Prepared, TrainedNetwork]:
    """A finished network of the first rung, and the data framed as it wants them.

    Args:
        context: of the run, whose recipe.toml is written anew; with little time left fewer heads are tried, and
            nothing is studied unasked.
        prepared: framed for the first candidate.
        recipe: for the first candidate.
        candidates: backbones to try.
        ensemble: heads by folds are averaged, where the user asked for them.
        asked: what the user wants to know of the images.
    """
    deadline, events = context.deadline, context.events
    backbone = choose_backbone(prepared, recipe, candidates, events=events)
    prepared = reframe(prepared, backbone.recipe.image_size, context)
    data, rows = as_training_data(prepared), learnt_rows(prepared)
    features, weights = features_of(context, prepared, backbone, rows), backbone.weights
    fold_of = _folds(prepared, rows, seed=recipe.seed)
    in_haste = deadline is not None and deadline.seconds_left() < haste_seconds(len(rows)) / free_share()
    if in_haste and not asked.anything:
        events.say(NOT_STUDIED)
    chosen, recipe = learn_head(features, rows, data, backbone.recipe, fold_of=fold_of, in_haste=in_haste)
    found = Features(values=features, weights=weights.name, rows=rows, fold_of=fold_of, chosen=chosen)
    if not in_haste or asked.anything:
        prepared = study_features(context, prepared, found, asked=asked)
    if len(prepared.left_out):
        data = as_training_data(prepared)
        chosen, recipe = learn_head(features, rows, data, backbone.recipe, fold_of=fold_of, in_haste=in_haste)
    if recipe.class_weights != "none":
        events.say(f"class weights: {recipe.class_weights}; {recipe.sources['class_weights']}")
    events.say(f"head: {chosen.best.kind} on the features of {weights.name}, {_judged(chosen)}")
    network = frozen_backbone(weights, data, image_size=recipe.image_size)
    trained = with_head(network, chosen, features, rows, data=data, recipe=recipe, license=weights.license)
    if ensemble is not None and ensemble.by == "folds":
        trained = average_heads(
            trained, features, rows, data, prepared=prepared, best=chosen.best, plan=ensemble, events=events
        )
    if prepared.request.background is not None:
        head = Head(
            network=network, features=features, rows=rows, data=data, fold_of=fold_of, best=chosen.best,
            weighting=recipe.class_weights,
        )  # fmt: skip
        trained = learn_background(context, prepared, trained, head)
    write_whole(context.folder / RECIPE, trained.recipe.as_toml())
    begin = _beginning(features, rows, data, backbone=backbone, best=chosen.best, weighting=recipe.class_weights)
    return replace(prepared, begin=begin), trained


def _judged(chosen: ChosenHead) -> str:
    if not len(chosen.held_out):
        return "not compared with others: too few classes have two images to learn from"
    return f"{percent(chosen.best.accuracy, digits=1)} right on {len(chosen.held_out):,} images held out"


def haste_seconds(image_count: int) -> float:
    """Seconds that must be left, on an idle machine, for every head to be tried and the images to be studied.

    >>> haste_seconds(1_000)
    12.0
    """
    return HASTE_SECONDS + HASTE_PER_IMAGE * image_count


def _beginning(
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    data: TrainingData,
    *,
    backbone: ChosenBackbone,
    best: HeadTrial,
    weighting: str,
) -> Begin:
    """What fine-tuning begins from: the backbone, and a head of the same kind that knows the given images alone."""

    def begin(learnt: NDArray[np.int64]) -> Mapping[str, Tensor]:
        known = np.isin(rows, learnt)
        head = fit_again(features[known], rows[known], data, best, weighting=weighting)
        network = frozen_backbone(backbone.weights, data, image_size=backbone.recipe.image_size)
        set_head(network, torch.from_numpy(head.weight), torch.from_numpy(head.bias))
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
