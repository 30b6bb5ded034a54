"""The features of a run's images by its pretrained network: computed once, and kept in the cache."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.data.cache import features_key
from vidi.files import digest_of
from vidi.training.heads.features import Embedder, WantedFeatures
from vidi.training.heads.transfer import frozen_backbone
from vidi.training.loop.objective import normalisation_for
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.run.budget import Session
from vidi.workflows.run.learning.backbones import ChosenBackbone, stage_of
from vidi.workflows.run.learning.learn import training_data
from vidi.workflows.run.prepare import SplitImages


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Features of the images that may be used for training."""

    values: NDArray[np.float32]  # (rows, features)
    weights: str  # the network that they are of
    rows: NDArray[np.int64]  # which images they are of
    fold_of: NDArray[np.int64]  # the fold in which each was held out; -1 = in none


def features_of(
    images: SplitImages, chosen: ChosenBackbone, rows: NDArray[np.int64], *, session: Session, embed: Embedder
) -> NDArray[np.float32]:
    """The features (rows, features) of these images: from the cache, seen on the way, or computed now."""
    data, recipe = training_data(images), chosen.recipe
    network = frozen_backbone(chosen.weights, data, image_size=recipe.image_size, options=recipe.options)
    some = digest_of(rows.tobytes() + next(iter(network.state_dict().values())).numpy().tobytes())
    key = features_key(f"{images.cache_key} {some}", weights=chosen.weights.digest, engine=recipe.execution.features)
    shape = (len(rows), network.head.in_features)
    found = images.cache.find(key, shape, np.float32)
    if found is not None:
        return np.array(found)
    is_new = np.array([row not in chosen.seen for row in rows.tolist()], bool)
    with session.budget.watch.on(stage_of(chosen.weights.name)), images.cache.building(shape, np.float32) as building:
        for index in np.flatnonzero(~is_new).tolist():
            building.pixels[index] = chosen.seen[int(rows[index])]
        wanted = WantedFeatures(
            network=network,
            normalisation=normalisation_for(recipe, data),
            engine=recipe.execution.features,
            images=images.pixels,
            rows=rows[is_new],
            store=images.dataset.store,
            paths=[image.path for image in images.dataset.images],
            framing=images.framing,
            decoding=decode_options(images.request),
        )
        building.pixels[is_new] = embed(wanted, session.events.features)
        return np.array(building.keep(key))
