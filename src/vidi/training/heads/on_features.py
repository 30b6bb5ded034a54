"""A training of the head alone, on the features of a pretrained network."""

from collections.abc import Callable, Sequence

import numpy as np

from vidi.groups import deal_folds
from vidi.networks.pretrained.read import read_pretrained
from vidi.training.data import TrainingData
from vidi.training.heads.features import TRIAL_IMAGES, choose_feature_engine, embed_images
from vidi.training.heads.transfer import frozen_backbone, learn_head, with_head
from vidi.training.loop.objective import normalisation_for
from vidi.training.recipe import MEASURED, Recipe
from vidi.training.train import TrainedNetwork


def train_on_features(
    data: TrainingData,
    recipe: Recipe,
    *,
    groups: Sequence[str],
    in_haste: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> TrainedNetwork:
    """The recipe's pretrained network with the head that does best in cross-validation on the images to learn from.

    Args:
        data: framed images, labels, and the train and validation parts; both are used for training.
        recipe: with pretrained weights, and their network, image size and normalisation.
        groups: the group of each image; one group is held out as a whole.
        in_haste: try fewer heads.
        on_progress: called with the images whose features are computed, and with all.

    Raises:
        UsageError: the network does not take images of that size.
    """
    weights = read_pretrained(recipe.pretrained)
    network = frozen_backbone(weights, data, image_size=recipe.image_size, options=recipe.options)
    normalisation = normalisation_for(recipe, data)
    rows = np.sort(np.concatenate([data.train_rows, data.validation_rows]))
    if not recipe.features:
        some = np.ascontiguousarray(data.images[rows[:TRIAL_IMAGES]])
        engine, reason = choose_feature_engine(network, some, normalisation, image_count=len(rows))
        recipe = recipe.changed({"features": engine}, source=f"{MEASURED} {reason}")
    features = embed_images(
        network, data.images, rows, normalisation=normalisation, engine=recipe.features, on_progress=on_progress
    )
    of_rows = [groups[row] for row in rows.tolist()]
    fold_of = deal_folds(of_rows, labels=data.truth.strata[rows], seed=recipe.seed)
    chosen, recipe = learn_head(features, rows, data, recipe, fold_of=fold_of, in_haste=in_haste)
    return with_head(network, chosen, features, rows, data=data, recipe=recipe, license=weights.license)
