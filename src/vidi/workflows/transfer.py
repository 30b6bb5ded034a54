"""Transfer learning's first rung as a step of a run: choose the backbone, compute features, fit the head."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.files import write_whole
from vidi.training.recipe import Recipe
from vidi.training.train import TrainedNetwork
from vidi.training.transfer import frozen_backbone, learn_head, with_head
from vidi.workflows.backbones import Candidate, choose_backbone, features_of, groups_of, learnt_rows
from vidi.workflows.events import Events
from vidi.workflows.folds import FOLD_COUNT, deal_folds
from vidi.workflows.learn import as_training_data
from vidi.workflows.prepare import Prepared, reframe
from vidi.workflows.run_folder import RECIPE
from vidi.workflows.study import Asked
from vidi.workflows.study_features import Features, study_features

MOST_IN_FOLDS = 10_000  # images; of more, one part is held out once


def learn_by_features(
    folder: Path,
    prepared: Prepared,
    recipe: Recipe,
    candidates: tuple[Candidate, ...],
    *,
    asked: Asked,
    events: Events,
) -> tuple[Prepared, TrainedNetwork]:
    """A finished network of the first rung, and the data framed as it wants them.

    Args:
        folder: the run's own; its recipe.toml is written anew.
        prepared: framed for the first candidate.
        recipe: for the first candidate.
        candidates: backbones to try.
        asked: what the user wants to know of the images.
        events: told what happens.
    """
    backbone = choose_backbone(prepared, recipe, candidates, events=events)
    prepared = reframe(prepared, backbone.recipe.image_size, on_progress=events.reading)
    data, rows = as_training_data(prepared), learnt_rows(prepared)
    features, weights = features_of(prepared, backbone, rows, events=events), backbone.weights
    fold_of = _folds(prepared, rows, seed=recipe.seed)
    chosen, recipe = learn_head(features, rows, data, backbone.recipe, fold_of=fold_of)
    found = Features(values=features, weights=weights.name, rows=rows, fold_of=fold_of, chosen=chosen)
    prepared = study_features(folder, prepared, found, asked=asked, events=events)
    if len(prepared.left_out):
        data = as_training_data(prepared)
        chosen, recipe = learn_head(features, rows, data, backbone.recipe, fold_of=fold_of)
    if recipe.class_weights != "none":
        events.say(f"class weights: {recipe.class_weights}; {recipe.sources['class_weights']}")
    events.say(
        f"head: {chosen.best.kind} on the features of {weights.name}, {100 * chosen.best.accuracy:.1f} % right on "
        f"{len(chosen.held_out):,} images held out"
    )
    network = frozen_backbone(weights, data, image_size=recipe.image_size)
    trained = with_head(network, chosen, rows, data, recipe, license=weights.license)
    write_whole(folder / RECIPE, trained.recipe.as_toml())
    return prepared, trained


def _folds(prepared: Prepared, rows: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """The fold in which each of these images is held out; of very many only some are, once."""
    labels = prepared.labels[rows]
    if len(rows) <= MOST_IN_FOLDS:
        return deal_folds(labels, groups_of(prepared, rows), folds=FOLD_COUNT, seed=seed)
    parts = -(-len(rows) // (MOST_IN_FOLDS // FOLD_COUNT))
    fold_of = deal_folds(labels, groups_of(prepared, rows), folds=parts, seed=seed)
    return np.where(fold_of == 0, 0, -1)
