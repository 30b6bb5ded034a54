"""What fine-tuning begins from: the network of a head, and a head that gradients do not undo."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidi.networks.build import design_network
from vidi.networks.catalog import PACKAGES, PAIRS
from vidi.networks.lite import BLOCK_FEATURES, FEATURES
from vidi.networks.pretrained.weights import set_head
from vidi.training.heads.linear import HEADS
from vidi.training.heads.transfer import Head, frozen_backbone
from vidi.training.recipe import Recipe
from vidi.workflows.run.learning.backbones import ChosenBackbone
from vidi.workflows.run.learning.learn import StartingWeights
from vidi.workflows.run.learning.studies import USUAL_STRENGTH


def beginning_of(head: Head, backbone: ChosenBackbone, recipe: Recipe) -> StartingWeights:
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

    def tensors(learned: NDArray[np.int64]) -> Mapping[str, Tensor]:
        known = head.fitted_on(np.isin(head.rows, learned))
        network = frozen_backbone(weights, head.data, image_size=recipe.image_size, options=recipe.options)
        set_head(network, torch.from_numpy(known.weight), torch.from_numpy(known.bias))
        return network.state_dict()

    return StartingWeights(recipe=recipe, tensors=tensors)


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
